import { useEffect, useState } from 'react'
import { serverNow } from '../../api/client.ts'
import styles from './queue-screen.module.css'

/** How long the questions in hand are still held for this person. */
export function LeaseClock({ endsAtMs }: { endsAtMs: number }) {
  const [nowMs, setNowMs] = useState(serverNow)
  useEffect(() => {
    const timer = setInterval(() => setNowMs(serverNow()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const left = Math.max(0, Math.round((endsAtMs - nowMs) / 1_000))
  const isShort = left < 60
  return (
    <span
      className={`${styles.fact} ${isShort ? styles.short : ''}`}
      title="These questions are held for you until then; the hold is extended while you work."
    >
      <span aria-hidden="true">{isShort ? '⚠' : '◷'}</span> {left === 0 ? 'Hold has ended' : 'Held for you'}{' '}
      {left > 0 && (
        <span className="number">
          {Math.floor(left / 60)}:{String(left % 60).padStart(2, '0')}
        </span>
      )}
    </span>
  )
}
