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
  readonly scores: Partial<Record<'AUTO' | 'GCN_V', Score>>
  readonly choice?: string
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length
const percent = (share: number) => (100 * share).toFixed(1)
const meanF = ({ pairwise, bcubed }: Score) => (pairwise + bcubed) / 2

/** Table and sentences in Markdown. */
export function learningReport(results: readonly LearningPoint[], data: string, by: string): string[] {
  const points = pointsOf(results)
  const unit = by === 'identities' ? 'confirmed, %' : 'answers'
  const spread = (scores: readonly Score[]) => {
    const known = scores.map(meanF)
    if (known.length === 0) return ''
    return `${percent(mean(known))} (${percent(Math.min(...known))} to ${percent(Math.max(...known))})`
  }
  const inUse = whatRunsUse(results)
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
      spread(inUse.filter((used) => used.point === point).map(({ scores }) => scores)),
      spread(own.flatMap(({ scores }) => scores.AUTO ?? [])),
      spread(own.flatMap(({ scores }) => scores.GCN_V ?? [])),
      [...new Set(own.flatMap(({ choice }) => choice ?? []))].join(', '),
      gates.length === 0 ? '' : `${gates.filter(({ verdict }) => verdict === 'REJECTED').length} of ${gates.length}`,
      average(({ trainingCpuSeconds }) => trainingCpuSeconds),
    ].join(' | ')} |`
  })
  return [
    `### ${data}, by ${by}`,
    '',
    `| ${unit} | identities | images | what runs use | the new model, whatever the gate says | its GCN-V | AUTO took | gate refused | training CPU s |`,
    '|---:|---:|---:|---|---|---|---|---|---:|',
    ...rows,
    '',
    ...riseLines(results, points),
    ...gateLines(results),
  ]
}

/** What runs use after each point of each seed: the last model that the gate let pass, or none. */
function whatRunsUse(results: readonly LearningPoint[]): { seed: number; point: number; scores: Score }[] {
  return [...new Set(results.map(({ seed }) => seed))].flatMap((seed) => {
    let active: Score | undefined
    return pointsOf(results).flatMap((point) => {
      const own = results.find((result) => result.seed === seed && result.point === point)
      if (own && (point === 0 || own.gates?.inCompany.verdict === 'ACCEPTED')) active = own.scores.AUTO
      return own && active ? [{ seed, point, scores: active }] : []
    })
  })
}

/** Says where a curve falls instead of rising, on average and seed by seed. */
function riseLines(results: readonly LearningPoint[], points: readonly number[]): string[] {
  const lineOf = (name: string, known: readonly { seed: number; point: number; scores: Score }[]) => {
    const measured = points.filter((point) => known.some((result) => result.point === point))
    const at = (point: number) =>
      mean(known.filter((result) => result.point === point).map(({ scores }) => meanF(scores)))
    const [first, last] = [measured[0], measured.at(-1)]
    if (first === undefined || last === undefined) return `- ${name}: not measured.`
    // Over the seeds that have a model at both points: averages of other seeds say nothing.
    const falls = measured.filter((point, i) => {
      const steps = known.flatMap(({ seed, point: own, scores }) => {
        const before = known.find((result) => i > 0 && result.seed === seed && result.point === measured[i - 1])
        return own === point && before ? [meanF(scores) - meanF(before.scores)] : []
      })
      return steps.length > 0 && mean(steps) < 0
    })
    const single = [...new Set(known.map(({ seed }) => seed))].flatMap((seed) => {
      const own = known.filter((result) => result.seed === seed).sort((a, b) => a.point - b.point)
      return own.flatMap((one, i) =>
        i > 0 && meanF(one.scores) < meanF(own[i - 1].scores) ? [`seed ${seed} at ${one.point}`] : [],
      )
    })
    return (
      `- ${name}: ${percent(at(first))} at ${first}, ${percent(at(last))} at ${last}; on average ` +
      `${falls.length === 0 ? 'never falls' : `falls at ${falls.join(', ')}`}, single seeds ${single.length === 0 ? 'never' : `fall: ${single.join(', ')}`}.`
    )
  }
  const ungated = results.flatMap(({ seed, point, scores }) =>
    scores.AUTO && point >= 0 ? [{ seed, point, scores: scores.AUTO }] : [],
  )
  return [lineOf('What runs use', whatRunsUse(results)), lineOf('Every new model, without a gate', ungated)]
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
  const ofMethod = (method: keyof LearningPoint['scores']) =>
    results.flatMap(({ point, scores }) => (scores[method] ? [{ point, scores: scores[method] }] : []))
  const curveOf = (name: string, known: readonly { point: number; scores: Score }[]): Curve => ({
    name,
    points: pointsOf(results).flatMap((point) => {
      const own = known.filter((result) => result.point === point).map(({ scores }) => meanF(scores))
      return own.length === 0 ? [] : [{ x: point, y: mean(own), low: Math.min(...own), high: Math.max(...own) }]
    }),
  })
  return [
    curveOf('what runs use', whatRunsUse(results)),
    curveOf('every new model', ofMethod('AUTO')),
    curveOf('its GCN-V', ofMethod('GCN_V')),
  ]
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
