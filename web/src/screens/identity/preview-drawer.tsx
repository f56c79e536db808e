import { useRef, useState } from 'react'
import { messageOf, RefusedError } from '../../api/errors.ts'
import type { ResultOf } from '../../api/typed-document.ts'
import { newKey, useAction, useApi } from '../../api/use-api.ts'
import {
  ApplyChange,
  type DecisionInput,
  type IdentityRevisionInput,
  PreviewChange,
} from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { Drawer } from '../../parts/drawer.tsx'
import { ImageTile } from '../../parts/image-tile.tsx'
import { Failure, Loading } from '../../parts/states.tsx'
import { ago } from './decision-words.ts'
import { nameOf } from './identity-words.ts'
import styles from './preview-drawer.module.css'

/** A change that somebody is about to make, in words and as the API takes it. */
export interface PlannedChange {
  readonly title: string
  /** What the button says. */
  readonly verb: string
  readonly decision: DecisionInput
  /** The identities it touches, at the revisions that were on the screen. */
  readonly expectedRevisions: IdentityRevisionInput[]
}

type Applied = ResultOf<typeof ApplyChange>['applyDecision']
export type Refusal = Applied['userErrors'][number]

/** What a change would do, shown before it is made; applying it makes exactly that or nothing. */
export function PreviewDrawer({
  change,
  onClose,
  onApplied,
  onStale,
}: {
  change: PlannedChange
  onClose(): void
  onApplied(decision: NonNullable<Applied['decision']>): void
  /** Somebody else was faster. */
  onStale(refusal: Refusal): void
}) {
  const { title, verb, decision, expectedRevisions } = change
  const preview = useApi(PreviewChange, { input: decision }, { staleTime: 0, gcTime: 0 })
  const apply = useAction(ApplyChange)
  const [comment, setComment] = useState('')
  const [refusal, setRefusal] = useState<string>()
  // One key for all attempts, so that a lost answer can not apply it twice.
  const idempotencyKey = useRef(newKey())
  const outcome = preview.data?.previewDecision

  async function onApply() {
    if (!outcome) return
    setRefusal(undefined)
    try {
      const { applyDecision } = await apply.mutateAsync({
        input: {
          decision,
          expectedRevisions,
          previewToken: outcome.previewToken,
          comment: comment.trim() || null,
          idempotencyKey: idempotencyKey.current,
        },
      })
      const [first] = applyDecision.userErrors
      if (applyDecision.decision) onApplied(applyDecision.decision)
      else if (first?.code === 'STALE_REVISION') onStale(first)
      else setRefusal(first?.message ?? 'The change was refused.')
    } catch (error) {
      if (error instanceof RefusedError) idempotencyKey.current = newKey()
      setRefusal(messageOf(error))
    }
  }

  const isForbidden = (outcome?.conflicts.length ?? 0) > 0
  return (
    <Drawer
      title={title}
      onClose={onClose}
      footer={
        <>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="button"
            className="primary"
            disabled={!outcome || isForbidden || apply.isPending}
            onClick={onApply}
          >
            {apply.isPending ? 'Applying …' : verb}
          </button>
        </>
      }
    >
      {preview.isPending ? (
        <Loading label="Working out what this would do" />
      ) : preview.isError ? (
        <Failure error={preview.error} onRetry={() => preview.refetch()} />
      ) : (
        <div className="stack">
          {refusal && <Banner tone="bad">{refusal}</Banner>}
          <Outcome outcome={preview.data.previewDecision} />
          {!isForbidden && (
            <label className={styles.comment}>
              Why? <span className="soft">(kept in the history, optional)</span>
              <input value={comment} maxLength={500} onChange={(event) => setComment(event.target.value)} />
            </label>
          )}
        </div>
      )}
    </Drawer>
  )
}

function Outcome({ outcome }: { outcome: ResultOf<typeof PreviewChange>['previewDecision'] }) {
  const { conflicts, resultingGroups, itemCount, tasksResolved, riskDelta } = outcome
  if (conflicts.length > 0) {
    return (
      <>
        <Banner tone="bad">
          This contradicts what people decided earlier. Undo one of these decisions first, in the history of the
          identity.
        </Banner>
        <ul className="stack">
          {conflicts.map(({ id, kind, left, right, decision }) => (
            <li key={id} className={styles.conflict}>
              <ImageTile src={left.thumbnailUrl} name={left.externalKey} isEager />
              <p>
                <strong>
                  {kind === 'MUST_LINK' ? 'same as' : kind === 'CANNOT_LINK' ? 'different from' : 'excluded'}
                </strong>
                <br />
                <span className="soft small">
                  {decision.actor?.displayName ?? 'Somebody'}, {ago(decision.decidedAt)}
                </span>
              </p>
              {right && <ImageTile src={right.thumbnailUrl} name={right.externalKey} isEager />}
            </li>
          ))}
        </ul>
      </>
    )
  }
  return (
    <>
      <dl className={styles.figures}>
        <div>
          <dt>Images that change</dt>
          <dd className="number">{itemCount.toLocaleString()}</dd>
        </div>
        <div>
          <dt>Expected errors</dt>
          <dd className="number">
            {riskDelta <= 0 ? '−' : '+'}
            {Math.abs(riskDelta).toFixed(1)}
          </dd>
        </div>
        <div>
          <dt>Questions settled</dt>
          <dd className="number">{tasksResolved.toLocaleString()}</dd>
        </div>
      </dl>
      <h3>Afterwards</h3>
      <ul className="stack">
        {resultingGroups.map(({ identity, memberCount, sampleItems }, i) => (
          <li key={identity?.id ?? `new-${i}`} className="card">
            <p className={styles.group}>
              <strong>{identity ? nameOf(identity) : 'A new identity'}</strong>
              <span className="soft number">
                {memberCount === 1 ? '1 image' : `${memberCount.toLocaleString()} images`}
              </span>
            </p>
            <ul className={styles.samples}>
              {sampleItems.slice(0, 6).map(({ id, externalKey, thumbnailUrl }) => (
                <li key={id}>
                  <ImageTile src={thumbnailUrl} name={externalKey} isEager />
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </>
  )
}
