import { useState } from 'react'
import { messageOf } from '../../api/errors.ts'
import type { ResultOf } from '../../api/typed-document.ts'
import { newKey, useAction } from '../../api/use-api.ts'
import { type IdentityPage, RevertChange } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { Drawer } from '../../parts/drawer.tsx'
import { Empty } from '../../parts/states.tsx'
import { ago, deedOf } from './decision-words.ts'
import styles from './history-drawer.module.css'

type History = NonNullable<ResultOf<typeof IdentityPage>['identity']>['history']

/** Everything people decided about one identity, newest first; each decision can be taken back. */
export function HistoryDrawer({ history, onClose, onUndone }: { history: History; onClose(): void; onUndone(): void }) {
  const revert = useAction(RevertChange)
  const [problem, setProblem] = useState<string>()

  async function undo(decisionId: string) {
    setProblem(undefined)
    try {
      const { revertDecision } = await revert.mutateAsync({ input: { decisionId, idempotencyKey: newKey() } })
      if (revertDecision.decision) return onUndone()
      const blockers = revertDecision.blockedBy.map((decision) => `${deedOf(decision)} (${ago(decision.decidedAt)})`)
      setProblem(
        blockers.length > 0
          ? `Later decisions build on it. Undo these first: ${blockers.join('; ')}.`
          : (revertDecision.userErrors[0]?.message ?? 'It could not be undone.'),
      )
    } catch (error) {
      setProblem(messageOf(error))
    }
  }

  const decisions = history.edges.map(({ node }) => node)
  return (
    <Drawer title="History" onClose={onClose}>
      <div className="stack">
        {problem && <Banner tone="bad">{problem}</Banner>}
        {decisions.length === 0 ? (
          <Empty title="Nobody has decided anything here yet">What a run proposed stands as it is.</Empty>
        ) : (
          <ol>
            {decisions.map((decision) => (
              <li key={decision.id} className={styles.entry}>
                <p>
                  {deedOf(decision)}
                  <br />
                  <time className="soft small" dateTime={decision.decidedAt}>
                    {ago(decision.decidedAt)}
                  </time>
                </p>
                {decision.revertedBy ? (
                  <span className="soft">Undone</span>
                ) : (
                  decision.kind !== 'REVERT' && (
                    <button type="button" disabled={revert.isPending} onClick={() => undo(decision.id)}>
                      Undo
                    </button>
                  )
                )}
              </li>
            ))}
          </ol>
        )}
      </div>
    </Drawer>
  )
}
