import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { clusterMethods } from '../../src/engine/index.ts'
import { type ArmResult, armName, armsOf } from './experiment.ts'
import { type Curve, curvePlot } from './plot.ts'
import { openStore } from './store.ts'

export interface SeedResults {
  readonly seed: number
  readonly arms: readonly ArmResult[]
  readonly clusteringSeconds?: number
}

/** Everything that is on disk so far. */
export function readResults(folder: string, seeds: readonly number[]): SeedResults[] {
  return seeds.flatMap((seed) => {
    const at = join(folder, `seed-${seed}`)
    if (!existsSync(at)) return []
    const store = openStore(at)
    const arms = armsOf(store)
    const report = store.has('clustering-report.json')
      ? store.readJson<{ seconds: number }>('clustering-report')
      : undefined
    return [{ seed, arms, ...(report && { clusteringSeconds: report.seconds }) }]
  })
}

/** Fewer seeds decide nothing. */
const FEWEST_SEEDS = 3
const LOWER = 'labels only'
const UPPER = 'true labels'

const find = ({ arms }: SeedResults, arm: string, parts: number) =>
  arms.find((result) => result.arm === arm && (result.parts === parts || arm === LOWER))

const rank1 = (result: ArmResult) => result.scores.rank1

/** Share of the way from labels only to true labels, seed by seed; undefined where a seed lacks one of the three. */
export function gapClosed(results: readonly SeedResults[], arm: string, parts: number): number[] {
  return results.flatMap((seed) => {
    const [lower, mine, upper] = [find(seed, LOWER, parts), find(seed, arm, parts), find(seed, UPPER, parts)]
    if (!lower || !mine || !upper) return []
    return [(rank1(mine) - rank1(lower)) / (rank1(upper) - rank1(lower))]
  })
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length
const percent = (share: number) => (100 * share).toFixed(1)
const spread = (numbers: readonly number[]) =>
  numbers.length === 0
    ? ''
    : numbers.length === 1
      ? percent(numbers[0])
      : `${percent(mean(numbers))} (${percent(Math.min(...numbers))} to ${percent(Math.max(...numbers))})`

/** The three bars that were set before anything was measured; the second in both of its readings. */
export function bars(results: readonly SeedResults[], main: string, parts: number): string[] {
  const pairs = results.flatMap((seed) => {
    const [lower, mine, shuffled] = [find(seed, LOWER, parts), find(seed, main, parts), find(seed, 'shuffled', parts)]
    return lower && mine ? [{ seed: seed.seed, lower, mine, shuffled }] : []
  })
  if (pairs.length === 0) return []
  const closed = gapClosed(results, main, parts)
  const controls = pairs.flatMap(({ seed, lower, shuffled }) =>
    shuffled
      ? [
          {
            seed,
            gain: rank1(shuffled) - rank1(lower),
            says: `seed ${seed} ${percent(rank1(lower))} -> ${percent(rank1(shuffled))}`,
          },
        ]
      : [],
  )
  const above = controls.filter(({ gain }) => gain > 0)
  const isOpen = pairs.length < FEWEST_SEEDS
  const say = (isMet: boolean, text: string) =>
    `- **${isOpen ? `open, ${pairs.length} of at least ${FEWEST_SEEDS} seeds, ` : ''}${isMet ? 'met' : 'not met'}**: ${text}`
  return [
    say(
      pairs.every(({ lower, mine }) => rank1(mine) > rank1(lower)),
      `pseudo-labels of ${main} beat labels only on every seed at ${parts} parts: ${pairs.map(({ seed, lower, mine }) => `seed ${seed} ${percent(rank1(lower))} -> ${percent(rank1(mine))}`).join(', ')}`,
    ),
    say(
      controls.some(({ gain }) => gain <= 0),
      `the shuffled control does not: ${controls.map(({ says }) => says).join(', ')}; ${percent(mean(controls.map(({ gain }) => gain)))} points on average`,
    ),
    say(
      above.length === 0,
      `read strictly, that it does so on no seed: ${above.length === 0 ? 'on none' : `on ${above.length} of ${controls.length}, seed ${above.map(({ seed, gain }) => `${seed} by ${percent(gain)}`).join(', ')}`}`,
    ),
    say(
      closed.length > 0 && mean(closed) >= 0.5,
      `at least half of the gap to the upper bound is closed: ${spread(closed)} %`,
    ),
  ]
}

/** What bars and curve are about. */
const MAIN = [UPPER, 'AUTO', LOWER, 'shuffled']
/** What other arms are compared with. */
const COMPARED = [UPPER, 'AUTO', LOWER]
const HEAD = [
  '| arm | parts | rank-1, % | TAR at FAR 1e-2 | TAR at FAR 1e-3 | nearest | gap closed, % | pseudo F pairwise | BCubed | classes | images | seeds | CPU s | |',
  '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|',
]

interface ArmKey {
  readonly arm: string
  readonly parts: number
}

/** Bars and tables in Markdown, one line an arm. */
export function reportLines(results: readonly SeedResults[], data: string): string[] {
  const keys = keysOf(results)
  const most = Math.max(...keys.map(({ parts }) => parts))
  const others = keys.filter(({ arm, parts }) => parts === most && !MAIN.includes(arm))
  const isMethod = ({ arm }: ArmKey) => clusterMethods().some((method) => method === arm)
  const main = mainArm(results)
  return [
    `## ${data}`,
    '',
    ...(main ? bars(results, main, most) : []),
    '',
    ...table(
      `At ${most} parts:`,
      results,
      keys.filter(({ arm, parts }) => MAIN.includes(arm) && (parts === most || parts === 0)),
    ),
    ...table(
      'With fewer parts:',
      results,
      keys.filter(({ parts }) => parts !== most && parts > 0),
    ),
    ...comparison(`Pseudo-labels of every method, at ${most} parts:`, results, others.filter(isMethod)),
    ...comparison(
      `Choices, each different from AUTO in one thing, at ${most} parts:`,
      results,
      others.filter((key) => !isMethod(key)),
    ),
  ]
}

function keysOf(results: readonly SeedResults[]): ArmKey[] {
  const keys = new Map<string, ArmKey>()
  for (const { arm, parts } of results.flatMap(({ arms }) => arms)) keys.set(armName(arm, parts), { arm, parts })
  return [...keys.values()]
}

/** Arms beside those that all are compared with, over the seeds that have them: other seeds would compare nothing. */
function comparison(title: string, results: readonly SeedResults[], keys: readonly ArmKey[]): string[] {
  const seeds = results.filter((seed) => keys.some(({ arm, parts }) => find(seed, arm, parts)))
  const parts = keys[0]?.parts
  const compared = keysOf(seeds).filter((key) => COMPARED.includes(key.arm) && (key.parts === parts || key.parts === 0))
  return keys.length === 0 ? [] : table(title, seeds, [...keys, ...compared])
}

/** Fewer parts first, then the best first. */
function table(title: string, results: readonly SeedResults[], keys: readonly ArmKey[]): string[] {
  if (keys.length === 0) return []
  const partsOf = ({ arm, parts }: ArmKey) => (arm === LOWER ? Math.max(...keys.map((key) => key.parts)) : parts)
  const score = ({ arm, parts }: ArmKey) => mean(results.flatMap((seed) => find(seed, arm, parts) ?? []).map(rank1))
  const inOrder = keys.toSorted((a, b) => partsOf(a) - partsOf(b) || score(b) - score(a))
  return [title, '', ...HEAD, ...inOrder.map((key) => row(results, key)), '']
}

function row(results: readonly SeedResults[], { arm, parts }: ArmKey): string {
  const mine = results.flatMap((seed) => find(seed, arm, parts) ?? [])
  const known = (value: (result: ArmResult) => number | undefined) => mine.flatMap((result) => value(result) ?? [])
  const share = (value: (result: ArmResult) => number | undefined) =>
    known(value).length === 0 ? '' : percent(mean(known(value)))
  const count = (value: (result: ArmResult) => number | undefined) =>
    known(value).length === 0 ? '' : String(Math.round(mean(known(value))))
  const notes = [...new Set(mine.flatMap(({ note }) => note || []))].join(', ')
  return `| ${[
    arm,
    arm === LOWER ? '' : parts,
    spread(mine.map(rank1)),
    share(({ scores }) => scores.tarAtFar['0.01']),
    share(({ scores }) => scores.tarAtFar['0.001']),
    share(({ scores }) => scores.nearest),
    arm === LOWER || arm === UPPER ? '' : spread(gapClosed(results, arm, parts)),
    share(({ clustering }) => clustering?.pairwise.f),
    share(({ clustering }) => clustering?.bcubed.f),
    count(({ pseudo }) => pseudo?.classes),
    count(({ pseudo }) => pseudo?.images),
    mine.length,
    mean(mine.map(({ cpuSeconds }) => cpuSeconds)).toFixed(1),
    notes,
  ].join(' | ')} |`
}

/** The method that the shuffled control belongs to. */
const mainArm = (results: readonly SeedResults[]) =>
  results.some(({ arms }) => arms.some(({ arm }) => arm === 'AUTO')) ? 'AUTO' : undefined

/** The seeds that have pseudo-labels at every number of parts, or all where none has. */
function wholeCurves(results: readonly SeedResults[]): readonly SeedResults[] {
  const counts = keysOf(results).flatMap(({ arm, parts }) => (arm === 'AUTO' ? parts : []))
  const whole = results.filter((seed) => counts.every((parts) => find(seed, 'AUTO', parts)))
  return whole.length > 0 ? whole : results
}

/** The curve over the parts: mean of the seeds, with lowest and highest. */
export function curveOf(results: readonly SeedResults[], name: string, arm: string): Curve {
  const parts = [...new Set(results.flatMap(({ arms }) => arms.filter((a) => a.arm === arm).map((a) => a.parts)))]
  const wanted = arm === LOWER ? [...new Set(results.flatMap(({ arms }) => arms.map((a) => a.parts)))] : parts
  return {
    name,
    points: wanted
      .filter((count) => count > 0)
      .sort((a, b) => a - b)
      .map((count) => {
        const scores = results.flatMap((seed) => find(seed, arm, count) ?? []).map(rank1)
        return { x: count, y: mean(scores), low: Math.min(...scores), high: Math.max(...scores) }
      }),
  }
}

const BEGIN = (data: string) => `<!-- ${data}: written by npm run bench:retraining -->`
const END = (data: string) => `<!-- ${data}: end -->`

/** Puts tables and plot into docs/retraining.md between the marks of this set. */
export function writeReport(results: readonly SeedResults[], data: string): void {
  const file = join('docs', 'retraining.md')
  const plot = `retraining-${data}.svg`
  const whole = wholeCurves(results)
  const all = whole.flatMap((seed) => seed.arms)
  const others = [...new Set(all.map(({ arm }) => arm))].filter(
    (arm) => !MAIN.includes(arm) && curveOf(whole, arm, arm).points.length > 1,
  )
  const arms = [UPPER, 'AUTO', ...others, LOWER, 'shuffled'].filter((arm) => all.some((result) => result.arm === arm))
  mkdirSync('docs', { recursive: true })
  writeFileSync(
    join('docs', plot),
    curvePlot(
      `Rank-1 identification with distractors, ${data}`,
      'unlabelled parts',
      arms.map((arm) => curveOf(whole, arm === 'AUTO' ? 'pseudo-labels (AUTO)' : arm, arm)),
    ),
  )
  const cpu = results.flatMap(({ arms: all }) => all.map(({ cpuSeconds }) => cpuSeconds))
  const text = [
    BEGIN(data),
    '',
    ...reportLines(results, data),
    `![Rank-1 over the number of unlabelled parts](${plot})`,
    '',
    `The plot is of ${whole.length === 1 ? 'seed' : 'seeds'} ${whole.map(({ seed }) => seed).join(', ')}.`,
    '',
    `${cpu.length} trainings took ${Math.round(cpu.reduce((a, b) => a + b, 0))} CPU seconds, ${mean(cpu).toFixed(1)} each, on ${cpus()[0].model}.`,
    '',
    END(data),
  ].join('\n')
  const old = existsSync(file) ? readFileSync(file, 'utf8') : '# Retraining\n'
  const from = old.indexOf(BEGIN(data))
  const to = old.indexOf(END(data))
  writeFileSync(
    file,
    from >= 0 && to >= 0
      ? old.slice(0, from) + text + old.slice(to + END(data).length)
      : `${old.trimEnd()}\n\n${text}\n`,
  )
}
