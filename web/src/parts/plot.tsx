import { nice, ticks } from 'd3-array'
import { area, line } from 'd3-shape'
import { useLayoutEffect, useRef, useState } from 'react'
import styles from './plot.module.css'

type Values = readonly (number | null)[]

export interface PlotSeries {
  readonly label: string
  readonly values: Values
  /** A token of styles/tokens.css, such as `--accent`. */
  readonly colour: string
  /** Dashes, so that lines differ by more than their colour. */
  readonly dash?: string
  /** Ends of an interval around the values, drawn as a band. */
  readonly low?: Values
  readonly high?: Values
}

const HEIGHT = 240
const MARGIN = { left: 64, right: 12, top: 8, bottom: 40 }

/** Least and greatest of what there is to draw, a little apart when they are one. */
function extentOf(values: readonly (number | null | undefined)[]): [number, number] {
  const known = values.filter((value) => value != null)
  const low = Math.min(...known)
  const high = Math.max(...known)
  return low < high ? [low, high] : [low - 0.5, high + 0.5]
}

/** Maps values of one range linearly to pixels of another. */
const scale =
  ([from, to]: readonly [number, number], [start, end]: readonly [number, number]) =>
  (value: number): number =>
    start + ((value - from) / (to - from)) * (end - start)

/** Lines over a common axis; the same figures stand in a table for those who do not see them. */
export function Plot({
  title,
  xLabel,
  x,
  series,
  range,
  format,
}: {
  title: string
  xLabel: string
  x: readonly number[]
  series: readonly PlotSeries[]
  range?: readonly [number, number]
  format(value: number): string
}) {
  const place = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(640)
  useLayoutEffect(() => {
    const element = place.current as HTMLDivElement
    const observer = new ResizeObserver(() => setWidth(Math.max(240, element.clientWidth)))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  const xRange = extentOf(x)
  const across = scale(xRange, [MARGIN.left, width - MARGIN.right])
  const everything = series.flatMap(({ values, low = [], high = [] }) => [...values, ...low, ...high])
  const yRange = range ?? nice(...extentOf(everything), 5)
  const up = scale(yRange, [HEIGHT - MARGIN.bottom, MARGIN.top])
  const lineOf = line<number | null>()
    .defined((value) => value !== null)
    .x((_, i) => across(x[i] as number))
    .y((value) => up(value as number))
  const bandOf = (low: Values, high: Values) =>
    area<number | null>()
      .defined((value) => value !== null)
      .x((_, i) => across(x[i] as number))
      .y0((_, i) => up(low[i] ?? 0))
      .y1((value) => up(value as number))(high)

  return (
    <figure className={styles.plot}>
      <figcaption className={styles.caption}>
        <strong>{title}</strong>
        {series.map(({ label, colour, dash }) => (
          <span key={label} className={styles.key}>
            <svg width="26" height="10" aria-hidden="true">
              <path d="M0 5H26" stroke={`var(${colour})`} strokeWidth="2" strokeDasharray={dash} />
            </svg>
            {label}
          </span>
        ))}
      </figcaption>
      <div ref={place}>
        <svg width={width} height={HEIGHT} aria-hidden="true">
          {ticks(...yRange, 5).map((tick) => (
            <g key={tick} transform={`translate(0 ${up(tick)})`}>
              <path className={styles.rule} d={`M${MARGIN.left} 0H${width - MARGIN.right}`} />
              <text className={styles.tick} x={MARGIN.left - 8} dy="0.32em" textAnchor="end">
                {format(tick)}
              </text>
            </g>
          ))}
          {ticks(...xRange, Math.max(2, Math.floor(width / 110))).map((tick) => (
            <text key={tick} className={styles.tick} x={across(tick)} y={HEIGHT - 22} textAnchor="middle">
              {tick.toLocaleString()}
            </text>
          ))}
          <text className={styles.tick} x={(MARGIN.left + width) / 2} y={HEIGHT - 4} textAnchor="middle">
            {xLabel}
          </text>
          {series.map(({ label, colour, values, low, high, dash }) => (
            <g key={label}>
              {low && high && <path d={bandOf(low, high) ?? ''} fill={`var(${colour})`} opacity="0.18" />}
              <path
                d={lineOf(values) ?? ''}
                fill="none"
                stroke={`var(${colour})`}
                strokeWidth="2"
                strokeDasharray={dash}
              />
              {values.length < 20 &&
                values.map(
                  (value, i) =>
                    value !== null && (
                      <circle key={x[i]} cx={across(x[i] as number)} cy={up(value)} r="3" fill={`var(${colour})`} />
                    ),
                )}
            </g>
          ))}
        </svg>
      </div>
      <table className="spoken">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th>{xLabel}</th>
            {series.map(({ label }) => (
              <th key={label}>{label}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {x.map((at, i) => (
            <tr key={at}>
              <td>{at}</td>
              {series.map(({ label, values, low, high }) => (
                <td key={label}>
                  {values[i] == null ? 'none' : format(values[i])}
                  {low?.[i] != null && high?.[i] != null && `, ${format(low[i])} to ${format(high[i])}`}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  )
}
