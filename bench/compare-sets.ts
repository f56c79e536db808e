/**
 * `tributary compare` on the four labelled sets: trained and tuned on split 0, scored on split 1, written to docs/results.md.
 *
 * Usage: npx tsx bench/compare-sets.ts [set...] [--seeds=3] [--part=main|slow] [--table-only]. Needs ../shared/data. Goes on where an earlier run was stopped; delete
 * .cache/compare after a change to a method.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import type { CompareOutput, CompareRow } from '../src/engine/index.ts'
import { hasLabelledSet, loadLabelledSet } from './labelled-sets.ts'

const CACHE = new URL('../.cache/compare/', import.meta.url)
const RESULTS = new URL('../docs/results.md', import.meta.url)
const SETS = {
  lfw_facenet128_subset: 'Faces, FaceNet vectors',
  omniglot242_mnv2_256: 'Handwritten characters, 20 of each',
  caltech101_mnv2_256: 'Object categories, large uneven classes',
  emoji8styles_mnv2_256: 'Emoji of eight vendors, long tail',
} as const
type SetName = keyof typeof SETS

/** Two commands a set, so that what takes longest can wait: their tables are one when no methods are named. */
const PARTS = {
  main: [
    ...['auto', 'gcn-v', 'gcn-ve', 'structure', 'infomap', 'fc-es', 'chinese-whispers', 'hac', 'aro', 'cdp', 'dbscan'],
    ...['threshold', 'k-means', 'spectral', 'mean-shift'],
  ],
  slow: ['ltc', 'l-gcn', 'cdp-voted'],
} as const
type PartName = keyof typeof PARTS

if (!hasLabelledSet('lfw_facenet128_subset')) {
  console.log('the labelled sets in ../shared/data are absent: nothing to compare on')
  process.exit(0)
}
const given = process.argv.slice(2)
const seeds = given.find((option) => option.startsWith('--seeds='))?.slice(8) ?? '3'
const names = Object.keys(SETS) as SetName[]
const chosen = given.filter((option) => !option.startsWith('--'))
const wanted = names.filter((name) => chosen.length === 0 || chosen.includes(name))
const part = given.find((option) => option.startsWith('--part='))?.slice(7)
const parts = (Object.keys(PARTS) as PartName[]).filter((name) => part === undefined || name === part)
if (!given.includes('--table-only')) {
  for (const name of wanted) for (const part of parts) compare(name, part)
}
const done = names.flatMap((name) => {
  const outputs = (Object.keys(PARTS) as PartName[]).flatMap((part) => {
    const file = new URL(`${name}-${part}.json`, CACHE)
    return existsSync(file) ? [JSON.parse(readFileSync(file, 'utf8')) as CompareOutput & Facts] : []
  })
  if (outputs.length === 0) return []
  const rows = outputs.flatMap(({ rows }) => rows).sort((a, b) => b.meanF - a.meanF)
  const leftOut = outputs.flatMap(({ leftOut }) => leftOut)
  const trainingSeconds = outputs.reduce((sum, output) => sum + output.trainingSeconds, 0)
  return [{ ...outputs[0], name, rows, leftOut, trainingSeconds }]
})

interface Facts {
  readonly size: { readonly train: number; readonly test: number }
  readonly classes: { readonly train: number; readonly test: number }
  readonly dim: number
}

/** Both halves as files, then the command, whose answer is kept. */
function compare(name: SetName, part: PartName): void {
  const halves = { train: loadLabelledSet(name, 0), test: loadLabelledSet(name, 1) }
  const dim = halves.train.features.cols
  const folder = new URL(`${name}/`, CACHE)
  mkdirSync(folder, { recursive: true })
  for (const [half, { features, labels }] of Object.entries(halves)) {
    writeFileSync(new URL(`${half}.f32`, folder), bytesOf(features.data))
    writeFileSync(new URL(`${half}.i32`, folder), bytesOf(labels))
  }
  const out = execFileSync(
    process.execPath,
    ['--import', 'tsx', 'src/cli.ts', 'compare', ...argumentsOf(`.cache/compare/${name}/`, dim, part), '--json'],
    { cwd: new URL('..', import.meta.url), maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const result = JSON.parse(out.toString()) as CompareOutput
  const count = (of: (half: (typeof halves)['train']) => number) => ({ train: of(halves.train), test: of(halves.test) })
  const facts = {
    size: count(({ labels }) => labels.length),
    classes: count(({ labels }) => new Set(labels).size),
    dim,
  }
  writeFileSync(new URL(`${name}-${part}.json`, CACHE), JSON.stringify({ ...result, ...facts }, null, 1))
}

function argumentsOf(folder: string, dim: number, part: PartName): string[] {
  const files = ['train', 'test'].flatMap((half) => [
    `--${half}-features`,
    `${folder}${half}.f32`,
    `--${half}-labels`,
    `${folder}${half}.i32`,
  ])
  return [
    ...files,
    '--dim',
    String(dim),
    '--methods',
    PARTS[part].join(','),
    '--seeds',
    seeds,
    '--resume',
    `${folder}parts`,
  ]
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

type SetResult = (typeof done)[number]

function document(sets: readonly SetResult[]): string {
  const parts = [
    '# Results',
    'Every method on four labelled sets, trained and tuned on one half of the identities, scored on the other half. Nothing looks at ' +
      'the test labels, but for methods that must be told the number of clusters, whose lines say so. Written by `npm run results`, ' +
      'which splits the sets and runs, for each of them, once with the methods that take longest and once with the others,',
    '```sh\nnpx tributary compare --train-features train.f32 --train-labels train.i32 \\\n' +
      '  --test-features test.f32 --test-labels test.i32 --dim 256 --json\n```',
    'F is a percentage; "mean" is the mean of pairwise and BCubed F. Random methods are means over seeds, with their range in brackets ' +
      `(${seedsOf(sets)}); what takes longest is run once. ` +
      'Seconds are those of one run on the test half, without the neighbour lists, on a busy machine with two cores: an order of magnitude. ' +
      '`auto` is what a run does by default; unlike the single methods, which see the embedding as it is, it may look at it through a metric ' +
      'that the labelled identities have taught (docs/methods.md). "auto without labels" has no model and no labels.',
    '## Mean of pairwise and BCubed F',
    summary(sets),
    '## What was asked of it',
    ...(sets.length === names.length
      ? []
      : [`Only ${sets.length} of the ${names.length} sets have been run; averages are over these.`]),
    bars(sets),
    ...sets.flatMap(section),
  ]
  return `${parts.join('\n\n')}\n`
}

const of = (set: SetResult, title: string) => set.rows.find((row) => row.title === title)
const isSingle = ({ method }: CompareRow) => method !== 'AUTO'
const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const percent = (share: number) => (100 * share).toFixed(1)

/** Titles with their average over the sets, best first; methods that cannot do a set have none. */
function averages(sets: readonly SetResult[]): { title: string; method: string; note?: string; mean?: number }[] {
  const rows = new Map(sets.flatMap(({ rows }) => rows.map((row) => [row.title, row] as const)))
  return [...rows.values()]
    .map(({ title, method, note }) => {
      const scores = sets.flatMap((set) => of(set, title)?.meanF ?? [])
      return { title, method, note, mean: scores.length === sets.length ? average(scores) : undefined }
    })
    .sort((a, b) => (b.mean ?? -1) - (a.mean ?? -1))
}

/** How many seeds each set has had so far. */
function seedsOf(sets: readonly SetResult[]): string {
  return sets.map(({ name, choices }) => `${name.split('_')[0]}: ${choices.length}`).join(', ')
}

function summary(sets: readonly SetResult[]): string {
  const best = (set: SetResult) => Math.max(...set.rows.filter(isSingle).map(({ meanF }) => meanF))
  return table([
    ['method', ...sets.map(({ name }) => name.split('_')[0]), 'average'],
    ...averages(sets).map(({ title, note, mean }) => [
      title + (note ? ` (${note})` : ''),
      ...sets.map((set) => {
        const row = of(set, title)
        if (!row) return '-'
        return isSingle(row) && row.meanF === best(set) ? `**${percent(row.meanF)}**` : percent(row.meanF)
      }),
      mean === undefined ? '-' : percent(mean),
    ]),
  ])
}

function bars(sets: readonly SetResult[]): string {
  const lines: string[] = []
  const verdict = (isMet: boolean) => (isMet ? 'met' : '**not met**')
  for (const set of sets) {
    const single = set.rows.filter(isSingle).reduce((a, b) => (b.meanF > a.meanF ? b : a))
    const auto = of(set, 'auto')?.meanF ?? 0
    lines.push(
      `- ${set.name}: \`auto\` ${percent(auto)}, best single method ${single.title} ${percent(single.meanF)}: ` +
        `${difference(auto - single.meanF)} (asked: at most 1 point behind; ${verdict(auto >= single.meanF - 0.01)})`,
    )
  }
  const all = averages(sets)
  const mean = (title: string) => all.find((row) => row.title === title)?.mean ?? 0
  const [single] = all.filter(({ method }) => method !== 'AUTO')
  const lead = mean('auto') - (single.mean ?? 0)
  lines.push(
    `- Average: \`auto\` ${percent(mean('auto'))}, best single method ${single.title} ${percent(single.mean ?? 0)}: ` +
      `${difference(lead)} (asked: 3 points ahead; ${verdict(lead >= 0.03)})`,
  )
  const free = mean('auto without labels')
  const gap = free - (single.mean ?? 0)
  lines.push(
    `- Without any labels ${percent(free)}: ${difference(gap)} to the best label-tuned method, ` +
      `${difference(free - mean('auto'))} to \`auto\` (asked: at most 5 points behind; ${verdict(gap >= -0.05)})`,
  )
  lines.push(
    '',
    'GCN-V and GCN-V+E against the released code on the same halves, tau chosen on train identities by both, F in points:',
    '',
  )
  lines.push(...releasedLines(sets))
  lines.push(
    '',
    'GCN-E against its nearest-candidate fallback (GCN-V on the same graph) on held-out identities of the training half:',
    '',
  )
  for (const { name, choices } of sets) {
    for (const { seed, heldOut, usesNetwork } of choices) {
      lines.push(
        `- ${name}, seed ${seed}: GCN-V ${percent(heldOut.gcnV)}, GCN-V+E ${percent(heldOut.gcnVE)}` +
          (usesNetwork ? '' : ' (GCN-E was measured, and passed over)'),
      )
    }
  }
  return lines.join('\n')
}

/** Pairwise and BCubed F of the released code on the test halves, tau tuned on the train halves: the better of its two K. */
const RELEASED: Partial<Record<SetName, Readonly<Record<string, readonly [pairwise: number, bcubed: number]>>>> = {
  omniglot242_mnv2_256: { 'GCN-V': [46.5, 58.9], 'GCN-V, raw graph': [44.1, 56.0], 'GCN-V+E': [44.4, 56.8] },
  caltech101_mnv2_256: { 'GCN-V': [61.2, 71.0], 'GCN-V, raw graph': [62.2, 71.4], 'GCN-V+E': [60.8, 68.0] },
  emoji8styles_mnv2_256: { 'GCN-V': [28.9, 49.7], 'GCN-V, raw graph': [28.8, 49.8], 'GCN-V+E': [30.0, 50.8] },
}

function releasedLines(sets: readonly SetResult[]): string[] {
  return table([
    ['set', 'method', 'pairwise F: here, released', 'BCubed F: here, released', 'at most 3 and 1.5 behind'],
    ...sets.flatMap((set) =>
      Object.entries(RELEASED[set.name] ?? {}).flatMap(([title, [pairwise, bcubed]]) => {
        const row = of(set, title)
        if (!row) return []
        const [p, b] = [100 * row.scores.pairwise.f, 100 * row.scores.bcubed.f]
        const isMet = p >= pairwise - 3 && b >= bcubed - 1.5
        return [
          [
            set.name.split('_')[0],
            title,
            `${p.toFixed(1)}, ${pairwise}`,
            `${b.toFixed(1)}, ${bcubed}`,
            isMet ? 'met' : '**not met**',
          ],
        ]
      }),
    ),
  ]).split('\n')
}

function section(set: SetResult): string[] {
  const { name, size, classes, dim } = set
  const triple = ({ precision, recall, f }: CompareRow['scores']['pairwise']) =>
    `${percent(precision)} / ${percent(recall)} / ${percent(f)}`
  return [
    `## ${name}`,
    `${SETS[name]}. ${dim} dimensions; trained on ${size.train} images of ${classes.train} identities, scored on ${size.test} of ` +
      `${classes.test} others. Training and tuning of everything took ${set.trainingSeconds.toFixed(0)} s a seed.`,
    table([
      ['method', 'parameters', 'clusters', 'pairwise P/R/F', 'BCubed P/R/F', 'NMI', 'mean F', 's'],
      ...set.rows.map((row) => [
        row.title + (row.note ? ` (${row.note})` : ''),
        Object.entries(row.parameters)
          .map(([key, value]) => `${key}=${typeof value === 'number' ? Number(value.toFixed(3)) : value}`)
          .join(' '),
        row.scores.clusters.toFixed(0),
        triple(row.scores.pairwise),
        triple(row.scores.bcubed),
        percent(row.scores.nmi),
        percent(row.meanF) + (row.seeds > 1 ? ` (${percent(row.spread[0])}-${percent(row.spread[1])})` : ''),
        row.seconds.toFixed(2),
      ]),
    ]),
    [
      ...set.choices.map(({ seed, explanation }) => `- auto, seed ${seed}: ${explanation}`),
      ...set.leftOut.map(({ title, reason }) => `- left out: ${title}: ${reason}`),
    ].join('\n'),
  ]
}

function table([head, ...body]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...body.map(line)].join('\n')
}

function difference(share: number): string {
  return `${share >= 0 ? '+' : ''}${percent(share)}`
}

writeFileSync(RESULTS, document(done))
