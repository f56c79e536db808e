import type { ResultOf } from '../../api/typed-document.ts'
import type { IdentityPage } from '../../generated/operations.ts'
import { ImageTile } from '../../parts/image-tile.tsx'
import { wholePercent } from '../../parts/percent.ts'
import { nameOf } from './identity-words.ts'
import styles from './merge-strip.module.css'

export type Candidate = NonNullable<ResultOf<typeof IdentityPage>['identity']>['mergeCandidates'][number]

/** Other identities that may be the same, best first. */
export function MergeStrip({
  candidates,
  onMerge,
}: {
  candidates: readonly Candidate[]
  onMerge(candidate: Candidate): void
}) {
  if (candidates.length === 0) return null
  return (
    <section aria-labelledby="may-be-the-same" className={styles.section}>
      <h2 id="may-be-the-same" className={styles.title}>
        May be the same
      </h2>
      <ul className={styles.strip}>
        {candidates.map((candidate) => {
          const { identity, probability, isForbidden } = candidate
          const percent = wholePercent(probability)
          return (
            <li key={identity.id} className={styles.candidate}>
              <button
                type="button"
                className={styles.choice}
                disabled={isForbidden}
                aria-label={`Merge with ${nameOf(identity)}, ${identity.memberCount} images, ${percent} likely the same${isForbidden ? ', forbidden by an earlier decision' : ''}`}
                onClick={() => onMerge(candidate)}
              >
                <ImageTile
                  src={identity.cover?.thumbnailUrl ?? ''}
                  name={nameOf(identity)}
                  note={identity.memberCount.toLocaleString()}
                  badge={isForbidden ? 'Different' : percent}
                />
              </button>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
