import { type ReactNode, useEffect, useId, useRef } from 'react'
import styles from './drawer.module.css'

/**
 * A modal dialog: at the side by default, in the middle when `isCentred`. The browser traps the focus, closes it on Escape
 * and gives the focus back.
 */
export function Drawer({
  title,
  onClose,
  children,
  footer,
  isCentred = false,
}: {
  title: ReactNode
  onClose(): void
  children: ReactNode
  footer?: ReactNode
  isCentred?: boolean
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => {
    const element = dialog.current
    if (element && !element.open) element.showModal()
    return () => element?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it; the click is on the ground beside it
    <dialog
      ref={dialog}
      className={`${styles.drawer} ${isCentred ? styles.centred : styles.side}`}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className={styles.inner}>
        <header className={styles.header}>
          <h2 id={titleId}>{title}</h2>
          <button type="button" className="quiet" aria-label="Close" onClick={onClose}>
            ✕
          </button>
        </header>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
        <section className={styles.body} tabIndex={0} aria-labelledby={titleId}>
          {children}
        </section>
        {footer && <footer className={styles.footer}>{footer}</footer>}
      </div>
    </dialog>
  )
}
