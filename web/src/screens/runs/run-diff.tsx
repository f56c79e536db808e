import { useState } from 'react'
import type { ResultOf } from '../../api/typed-document.ts'
import { useApi } from '../../api/use-api.ts'
import { RunDiffAgainst } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { ImageTile } from '../../parts/image-tile.tsx'
import { Failure, Loading } from '../../parts/states.tsx'
import styles from './run-diff.module.css'

type Diff = NonNullable<ResultOf<typeof RunDiffAgainst>['clusterRun']>['diff']
type Change = Diff['splits'][number]
type Sheet = Change['before'][number]

const SHOWN = 10

/** What would change if this run were published instead of the one that is. */
export function RunDiff({ runId, againstRunId }: { runId: string; againstRunId: string }) {
  const diff = useApi(RunDiffAgainst, { id: runId, againstRunId })
  return (
    <section className="stack" aria-labelledby="what-changes">
      <h2 id="what-changes">Against the published run</h2>
      {diff.isPending ? (
        <Loading label="Comparing the runs" />
      ) : diff.isError ? (
        <Failure error={diff.error} onRetry={() => diff.refetch()} />
      ) : diff.data.clusterRun ? (
        <Changes diff={diff.data.clusterRun.diff} />
      ) : null}
    </section>
  )
}

function Changes({ diff }: { diff: Diff }) {
  const { unchanged, splits, merges, movedItems, violatedDecisions } = diff
  return (
    <>
      {violatedDecisions > 0 ? (
        <Banner tone="bad">
          {violatedDecisions} human decisions made since would be broken: this run cannot be published. Start another.
        </Banner>
      ) : (
        <Banner tone="good">No human decision would be broken.</Banner>
      )}
      <p>
        {unchanged.toLocaleString()} clusters stay as they are; {movedItems.value.toLocaleString()}
        {movedItems.isExact ? '' : ' or more'} images move.
      </p>
      <ChangeList title="Split" changes={splits} />
      <ChangeList title="Merged" changes={merges} />
    </>
  )
}

function ChangeList({ title, changes }: { title: string; changes: readonly Change[] }) {
  const [shown, setShown] = useState(SHOWN)
  if (changes.length === 0) return null
  return (
    <section className="stack" aria-label={title}>
      <h3>
        {title}: {changes.length.toLocaleString()}
      </h3>
      {changes.slice(0, shown).map(({ before, after, itemCount }) => (
        <article key={[...before, ...after].map(({ id }) => id).join()} className={`card ${styles.change}`}>
          <Side label="Before" clusters={before} />
          <span className={styles.arrow} aria-hidden="true">
            →
          </span>
          <Side label="After" clusters={after} />
          <p className="soft small">{itemCount.toLocaleString()} images</p>
        </article>
      ))}
      {changes.length > shown && (
        <button type="button" onClick={() => setShown(shown + SHOWN)}>
          Show {Math.min(SHOWN, changes.length - shown)} more
        </button>
      )}
    </section>
  )
}

function Side({ label, clusters }: { label: string; clusters: readonly Sheet[] }) {
  return (
    <div className={styles.side}>
      <h4 className="soft small">{label}</h4>
      {clusters.map(({ id, size, vertices }) => (
        <ul key={id} className={styles.sheet} aria-label={`${label}: a cluster of ${size}`}>
          {vertices.edges.map(({ node }) => (
            <li key={node.id}>
              <ImageTile src={node.item.thumbnailUrl} name={node.item.externalKey} />
            </li>
          ))}
          {size > vertices.edges.length && (
            <li className={styles.more}>+{(size - vertices.edges.length).toLocaleString()}</li>
          )}
        </ul>
      ))}
    </div>
  )
}
