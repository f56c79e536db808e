import { useState } from 'react'
import type { ResultOf } from '../../api/typed-document.ts'
import type { IdentityPage } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { Drawer } from '../../parts/drawer.tsx'
import { Empty } from '../../parts/states.tsx'
import { ago, deedOf } from './decision-words.ts'
import styles from './history-drawer.module.css'
import { useUndo } from './use-undo.ts'

type History = NonNullable<ResultOf<typeof IdentityPage>['identity']>['history']

/** Everything people decided about one identity, newest first; each decision can be taken back. */
export function HistoryDrawer({ history, onClose, onUndone }: { history: History; onClose(): void; onUndone(): void }) {
  const { undo, isPending } = useUndo()
  const [problem, setProblem] = useState<string>()

  async function onUndo(decisionId: string) {
    const trouble = await undo(decisionId)
    setProblem(trouble)
    if (!trouble) onUndone()
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
                    <button type="button" disabled={isPending} onClick={() => onUndo(decision.id)}>
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
