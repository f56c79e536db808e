import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { type Curve, curvePlot } from '../retraining/plot.ts'

interface Score {
  readonly pairwise: number
  readonly bcubed: number
}

/** What the gate says of a model. */
interface Gate {
  readonly verdict: 'ACCEPTED' | 'REJECTED'
  /** Identities of the hold-out. */
  readonly identities: number
  /** Mean F on the hold-out. */
  readonly own: number
  /** Of what runs use now: the active model, or none. */
  readonly active: number
}

/** One model and how it does. */
export interface LearningPoint {
  readonly seed: number
  /** Percent of the identities, or answers; 0 = no model; -1 = names shuffled. */
  readonly point: number
  /** Identities. */
  readonly confirmed: number
  readonly images: number
  /** True identities behind one confirmed. */
  readonly wholeness?: number
  readonly trainingCpuSeconds?: number
  readonly gates?: Readonly<Record<'inCompany' | 'alone', Gate>>
  /** On held-out identities, by method. */
  readonly scores: Partial<Record<'AUTO' | 'GCN_V' | 'GCN_VE', Score>>
  readonly choice?: string
}

const METHODS = { AUTO: 'AUTO', GCN_V: 'GCN-V', GCN_VE: 'GCN-V+E' } as const
type Method = keyof typeof METHODS

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length
const percent = (share: number) => (100 * share).toFixed(1)
const meanF = ({ pairwise, bcubed }: Score) => (pairwise + bcubed) / 2

/** Table and sentences in Markdown. */
export function learningReport(results: readonly LearningPoint[], data: string, by: string): string[] {
  const points = pointsOf(results)
  const unit = by === 'identities' ? 'confirmed, %' : 'answers'
  const cell = (own: readonly LearningPoint[], method: Method, kind: keyof Score) => {
    const known = own.flatMap(({ scores }) => scores[method]?.[kind] ?? [])
    if (known.length === 0) return ''
    return `${percent(mean(known))} (${percent(Math.min(...known))} to ${percent(Math.max(...known))})`
  }
  const rows = points.map((point) => {
    const own = results.filter((result) => result.point === point)
    const gates = own.flatMap(({ gates }) => gates?.inCompany ?? [])
    const average = (value: (result: LearningPoint) => number | undefined) => {
      const known = own.flatMap((result) => value(result) ?? [])
      return known.length === 0 ? '' : mean(known).toFixed(0)
    }
    return `| ${[
      point,
      average(({ confirmed }) => confirmed),
      average(({ images }) => images),
      ...(['AUTO', 'GCN_V', 'GCN_VE'] as const).flatMap((method) => [
        cell(own, method, 'pairwise'),
        cell(own, method, 'bcubed'),
      ]),
      [...new Set(own.flatMap(({ choice }) => choice ?? []))].join(', '),
      gates.length === 0 ? '' : `${gates.filter(({ verdict }) => verdict === 'REJECTED').length} of ${gates.length}`,
      average(({ trainingCpuSeconds }) => trainingCpuSeconds),
    ].join(' | ')} |`
  })
  return [
    `### ${data}, by ${by}`,
    '',
    `| ${unit} | identities | images | AUTO pairwise F | BCubed | GCN-V pairwise F | BCubed | GCN-V+E pairwise F | BCubed | AUTO took | gate refused | training CPU s |`,
    '|---:|---:|---:|---|---|---|---|---|---|---|---|---:|',
    ...rows,
    '',
    ...riseLines(results, points),
    ...gateLines(results),
  ]
}

/** Says where a curve falls instead of rising. */
function riseLines(results: readonly LearningPoint[], points: readonly number[]): string[] {
  return (Object.keys(METHODS) as Method[]).map((method) => {
    const curve = points.flatMap((point) => {
      const own = results.filter((result) => result.point === point).flatMap(({ scores }) => scores[method] ?? [])
      return own.length === 0 ? [] : [{ point, f: mean(own.map(meanF)) }]
    })
    const falls = curve.filter(({ f }, i) => i > 0 && f < curve[i - 1].f)
    const [first, last] = [curve[0], curve.at(-1)]
    if (!first || !last) return `- ${METHODS[method]}: not measured.`
    const text = falls.length === 0 ? 'rises at every step' : `falls at ${falls.map(({ point }) => point).join(', ')}`
    return `- ${METHODS[method]}: mean of pairwise and BCubed F ${percent(first.f)} at ${first.point}, ${percent(last.f)} at ${last.point}; ${text}.`
  })
}

/** How often either gate was right, by the held-out identities that no gate sees. */
function gateLines(results: readonly LearningPoint[]): string[] {
  const lineOf = (kind: 'inCompany' | 'alone', name: string) => {
    const asked: { isRefused: boolean; isWorse: boolean }[] = []
    for (const seed of new Set(results.map((result) => result.seed))) {
      // Without a model, runs do what is measured at 0.
      let active = results.find((result) => result.seed === seed && result.point === 0)
      const inOrder = [...pointsOf(results).filter((point) => point > 0), -1]
      for (const point of inOrder) {
        const own = results.find((result) => result.seed === seed && result.point === point)
        if (!own?.gates || !own.scores.AUTO || !active?.scores.AUTO) continue
        const isRefused = own.gates[kind].verdict === 'REJECTED'
        asked.push({ isRefused, isWorse: meanF(own.scores.AUTO) < meanF(active.scores.AUTO) })
        if (!isRefused) active = own
      }
    }
    const count = (isWanted: (one: (typeof asked)[number]) => boolean) => asked.filter(isWanted).length
    return `- ${name}: right ${count(({ isRefused, isWorse }) => isRefused === isWorse)} times of ${asked.length}; refused ${count(({ isRefused, isWorse }) => isRefused && !isWorse)} better models, let ${count(({ isRefused, isWorse }) => !isRefused && isWorse)} worse ones pass.`
  }
  const shuffled = results.filter(({ point }) => point === -1).flatMap(({ gates }) => gates?.inCompany ?? [])
  return [
    lineOf('inCompany', 'The gate, which clusters its hold-out among all items of the project'),
    lineOf('alone', 'A gate that clusters the hold-out alone'),
    ...(shuffled.length > 0
      ? [
          `- Models that had learnt from shuffled names: ${shuffled.filter(({ verdict }) => verdict === 'REJECTED').length} of ${shuffled.length} refused (mean F on the hold-out ${shuffled.map(({ own, active }) => `${percent(own)} against ${percent(active)}`).join(', ')}).`,
        ]
      : []),
    '',
  ]
}

const pointsOf = (results: readonly LearningPoint[]) =>
  [...new Set(results.map(({ point }) => point))].filter((point) => point >= 0).sort((a, b) => a - b)

function curvesOf(results: readonly LearningPoint[]): Curve[] {
  return (Object.keys(METHODS) as Method[]).map((method) => ({
    name: METHODS[method],
    points: pointsOf(results).flatMap((point) => {
      const own = results.filter((result) => result.point === point).flatMap(({ scores }) => scores[method] ?? [])
      const known = own.map(meanF)
      return known.length === 0 ? [] : [{ x: point, y: mean(known), low: Math.min(...known), high: Math.max(...known) }]
    }),
  }))
}

/** Puts table and plot into docs/retraining.md between the marks of this set. */
export function writeLearningReport(results: readonly LearningPoint[], data: string, by: string): void {
  const file = join('docs', 'retraining.md')
  const plot = `learning-${data}-${by}.svg`
  const axis = by === 'identities' ? 'identities confirmed, %' : 'answers'
  writeFileSync(join('docs', plot), curvePlot(`Mean F on held-out identities, ${data}`, axis, curvesOf(results)))
  const [begin, end] = [
    `<!-- learning ${data} ${by}: written by npm run bench:learning -->`,
    `<!-- learning ${data} ${by}: end -->`,
  ]
  const text = [
    begin,
    '',
    ...learningReport(results, data, by),
    `![Mean F over what is confirmed](${plot})`,
    '',
    `Measured on ${cpus()[0].model}, seeds ${[...new Set(results.map(({ seed }) => seed))].join(', ')}.`,
    '',
    end,
  ].join('\n')
  const old = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const [from, to] = [old.indexOf(begin), old.indexOf(end)]
  writeFileSync(
    file,
    from >= 0 && to >= 0 ? old.slice(0, from) + text + old.slice(to + end.length) : `${old.trimEnd()}\n\n${text}\n`,
  )
}
