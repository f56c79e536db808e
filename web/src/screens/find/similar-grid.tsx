import type { ResultOf } from '../../api/typed-document.ts'
import type { SimilarToUpload } from '../../generated/operations.ts'
import { ImageTile } from '../../parts/image-tile.tsx'
import { Empty } from '../../parts/states.tsx'
import { VirtualGrid } from '../../parts/virtual-grid.tsx'
import { nameOf } from '../identity/identity-words.ts'
import styles from './find-screen.module.css'

/** Images and how similar they are, most similar first, each with the identity it belongs to. */
export function SimilarGrid({
  label,
  similar,
  onLookAt,
}: {
  label: string
  similar: ResultOf<typeof SimilarToUpload>['similaritySearch']
  onLookAt(itemId: string): void
}) {
  if (similar.length === 0) return <Empty title="Nothing else is there">There is no other image to compare with.</Empty>
  return (
    <VirtualGrid
      label={`${label}, most similar first`}
      items={similar}
      keyOf={({ item }) => item.id}
      captionHeight={40}
      onActivate={({ item }) => onLookAt(item.id)}
      renderTile={({ item, similarity }) => (
        <div>
          <ImageTile src={item.thumbnailUrl} name={item.externalKey} note={similarity.toFixed(2)} />
          <span className={styles.where}>{item.identity ? nameOf(item.identity) : 'In no identity'}</span>
        </div>
      )}
    />
  )
}
