import styles from './bars.module.css'

/** A histogram: bars from `from` to `to`, each with its count as its name. */
export function Bars({
  title,
  counts,
  from,
  to,
}: {
  title: string
  counts: readonly number[]
  from: number
  to: number
}) {
  const most = Math.max(1, ...counts)
  const width = (to - from) / counts.length
  const edge = (i: number) => (from + i * width).toFixed(1)
  return (
    <figure>
      <figcaption>
        <strong>{title}</strong>
      </figcaption>
      <ol className={styles.bars}>
        {counts.map((count, i) => (
          <li key={edge(i)} className={styles.bar} title={`${edge(i)} to ${edge(i + 1)}: ${count.toLocaleString()}`}>
            <span className={styles.fill} style={{ height: `${(100 * count) / most}%` }} />
            <span className="spoken">{`${edge(i)} to ${edge(i + 1)}: ${count}`}</span>
          </li>
        ))}
      </ol>
      <p className={styles.axis} aria-hidden="true">
        <span>{from.toFixed(1)}</span>
        <span>{to.toFixed(1)}</span>
      </p>
    </figure>
  )
}
