import type { ReactNode } from 'react'
import styles from './banner.module.css'

export type BannerTone = 'note' | 'good' | 'warn' | 'bad'

const SIGNS: Record<BannerTone, string> = { note: 'i', good: '✓', warn: '!', bad: '✕' }

/** A message that stays until it is dismissed or no longer true. Its tone is a sign and a word, not a colour alone. */
export function Banner({
  tone,
  children,
  action,
  onDismiss,
}: {
  tone: BannerTone
  children: ReactNode
  action?: ReactNode
  onDismiss?: () => void
}) {
  return (
    <div className={`${styles.banner} ${styles[tone]}`} role={tone === 'bad' || tone === 'warn' ? 'alert' : 'status'}>
      <span className={styles.sign} aria-hidden="true">
        {SIGNS[tone]}
      </span>
      <div className={styles.text}>{children}</div>
      {action}
      {onDismiss && (
        <button type="button" className="quiet" aria-label="Dismiss this message" onClick={onDismiss}>
          ✕
        </button>
      )}
    </div>
  )
}
