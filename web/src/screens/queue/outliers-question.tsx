import { ImageTile } from '../../parts/image-tile.tsx'
import { VirtualGrid } from '../../parts/virtual-grid.tsx'
import styles from './group-question.module.css'
import type { QueueTask } from './queue-api.ts'

/** One group as a grid: the images that do not belong are marked. */
export function OutliersQuestion({
  task,
  marked,
  onMark,
}: {
  task: QueueTask
  marked: ReadonlySet<string>
  onMark(marked: ReadonlySet<string>): void
}) {
  const [panel] = task.panels
  if (!panel) return null
  return (
    <div className={styles.grid}>
      <VirtualGrid
        label={`${panel.items.length} of ${panel.memberCount} images. Mark those that do not belong`}
        items={panel.items}
        keyOf={({ id }) => id}
        minTile={150}
        selected={marked}
        onSelect={onMark}
        isToggling
        renderTile={(item, { isSelected }) => (
          <ImageTile
            src={item.small}
            srcLarge={item.large}
            name={item.externalKey}
            isSelected={isSelected}
            badge={isSelected ? 'Does not belong' : undefined}
          />
        )}
      />
    </div>
  )
}
