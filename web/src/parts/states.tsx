import type { ReactNode } from 'react'
import { messageOf, RefusedError } from '../api/errors.ts'
import styles from './states.module.css'

/** While something is on its way; said to screen readers, shown after a moment only. */
export function Loading({ label }: { label: string }) {
  return (
    <div className={styles.state} role="status">
      <span className={styles.bar} aria-hidden="true" />
      <p className="soft">{label} …</p>
    </div>
  )
}

/** Nothing to show, and what can be done about it. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={styles.state}>
      <h2>{title}</h2>
      {children && <p className="soft">{children}</p>}
      {action}
    </div>
  )
}

/** Something went wrong: what, and a way to try again. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const requestId = error instanceof RefusedError ? error.requestId : undefined
  return (
    <div className={styles.state} role="alert">
      <h2>That did not work</h2>
      <p>{messageOf(error)}</p>
      {requestId && <p className="soft small">Request {requestId}</p>}
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}
