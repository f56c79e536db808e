import { type ReactNode, useEffect, useState } from 'react'
import { localMedia } from '../api/media.ts'
import styles from './image-tile.module.css'

/** One item's picture with its name below; a picture that does not come is replaced by words, not by a broken sign. */
export function ImageTile({
  src,
  srcLarge,
  name,
  note,
  badge,
  isOutlined = false,
  isSelected = false,
  isEager = false,
}: {
  src: string
  /** For screens with more pixels. */
  srcLarge?: string
  /** The item's own key: the label and the text in place of the picture. */
  name: string
  note?: ReactNode
  badge?: ReactNode
  isOutlined?: boolean
  isSelected?: boolean
  isEager?: boolean
}) {
  const [failedSrc, setFailedSrc] = useState<string>()
  useEffect(() => {
    if (failedSrc === undefined) return
    const tryAgain = () => setFailedSrc(undefined)
    window.addEventListener('online', tryAgain)
    return () => window.removeEventListener('online', tryAgain)
  }, [failedSrc])
  return (
    <figure className={`${styles.tile} ${isOutlined ? styles.outlined : ''} ${isSelected ? styles.selected : ''}`}>
      <div className={styles.frame}>
        {failedSrc === src ? (
          <span className={styles.missing}>No picture</span>
        ) : (
          <img
            className={styles.image}
            src={localMedia(src)}
            srcSet={srcLarge && `${localMedia(src)} 1x, ${localMedia(srcLarge)} 2x`}
            alt={name}
            loading={isEager ? 'eager' : 'lazy'}
            decoding="async"
            draggable={false}
            onError={() => setFailedSrc(src)}
          />
        )}
        {badge && <span className={styles.badge}>{badge}</span>}
        {isSelected && (
          <span className={styles.check} aria-hidden="true">
            ✓
          </span>
        )}
      </div>
      <figcaption className={styles.caption}>
        {/* The picture says its name already. */}
        <span className={styles.name} title={name} aria-hidden={failedSrc !== src}>
          <bdi>{name}</bdi>
        </span>
        {note && <span className={styles.note}>{note}</span>}
      </figcaption>
    </figure>
  )
}
