import { ImageTile } from '../../parts/image-tile.tsx'
import styles from './pair-question.module.css'
import type { QueueTask } from './queue-api.ts'

type Panel = QueueTask['panels'][number]

const images = (count: number) => (count === 1 ? '1 image' : `${count.toLocaleString()} images`)

/** What the answer would do, in one sentence. */
export function consequenceOf({ kind, panels: [left, right] }: QueueTask): string {
  if (!left || !right) return ''
  return kind === 'EDGE'
    ? `“Different” would take ${images(left.memberCount)} out of a group of ${(left.memberCount + right.memberCount).toLocaleString()}.`
    : `“Same” would join groups of ${left.memberCount.toLocaleString()} and ${right.memberCount.toLocaleString()}: it would change ${images(Math.min(left.memberCount, right.memberCount))}.`
}

/** Two groups side by side; the two images in question meet in the middle, large and outlined. */
export function PairQuestion({
  task,
  onZoom,
  isChoosing,
}: {
  task: QueueTask
  onZoom(item: Panel['items'][number]): void
  /** Numbers stand on the two images: one of them is to be named. */
  isChoosing: boolean
}) {
  return (
    <div className={styles.pair}>
      {task.panels.slice(0, 2).map((panel, side) => (
        <section
          key={panel.items[0]?.id ?? side}
          className={`${styles.panel} ${side === 0 ? styles.left : styles.right}`}
          aria-label={`${side === 0 ? 'Left' : 'Right'} group, ${images(panel.memberCount)}`}
        >
          <header className={styles.size}>
            <strong>{images(panel.memberCount)}</strong>
            <span className="soft">
              {panel.identity?.name ?? (panel.identity ? 'unnamed' : 'no identity yet')}
              {panel.memberCount > panel.items.length && `, ${panel.items.length} shown`}
            </span>
          </header>
          <div className={styles.tiles}>
            {panel.items.map((item, i) => (
              <button
                key={item.id}
                type="button"
                className={i === 0 ? styles.asked : styles.other}
                title="Enlarge"
                onClick={() => onZoom(item)}
              >
                <ImageTile
                  src={i === 0 ? item.large : item.small}
                  srcLarge={item.large}
                  name={item.externalKey}
                  isOutlined={i === 0}
                  badge={i === 0 ? (isChoosing ? String(side + 1) : 'In question') : undefined}
                  isEager
                />
              </button>
            ))}
          </div>
        </section>
      ))}
    </div>
  )
}
