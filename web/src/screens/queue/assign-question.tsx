import { ImageTile } from '../../parts/image-tile.tsx'
import styles from './group-question.module.css'
import type { QueueTask } from './queue-api.ts'

/** One free image and the identities it may belong to, each under a number. */
export function AssignQuestion({ task, onChoose }: { task: QueueTask; onChoose(identityId: string): void }) {
  const [free, ...suggestions] = task.panels
  const item = free?.items[0]
  if (!item) return null
  return (
    <div className={styles.assign}>
      <section className={styles.free} aria-label="The free image">
        <ImageTile src={item.large} name={item.externalKey} isOutlined badge="In question" isEager />
      </section>
      <ol className={styles.suggestions} aria-label="Suggestions">
        {suggestions.map(({ identity, items, memberCount }, i) =>
          identity ? (
            <li key={identity.id}>
              <button type="button" className={styles.suggestion} onClick={() => onChoose(identity.id)}>
                <kbd>{i + 1}</kbd>
                <span className={styles.samples}>
                  {items.slice(0, 4).map((sample) => (
                    <ImageTile key={sample.id} src={sample.small} name={sample.externalKey} isEager />
                  ))}
                </span>
                <span className={styles.about}>
                  <strong>{identity.name ?? 'Unnamed'}</strong>
                  <span className="soft">{memberCount.toLocaleString()} images</span>
                </span>
              </button>
            </li>
          ) : null,
        )}
      </ol>
    </div>
  )
}
