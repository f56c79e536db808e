import type { DecoderParameters } from './decoder.ts'
import { EngineError, throwIfAborted } from './errors.ts'
import { findMethod, findTrainable, methods, offeredContenders, trainableMethods } from './methods.ts'
import { type ClusteringScores, evaluateClustering } from './metrics/evaluate-clustering.ts'
import { meanF } from './metrics/score.ts'
import { type ClusteringModel, decodeModel, encodeModel } from './model.ts'
import { type ClusterParameters, clusterVertices } from './pipeline.ts'
import { labelFreeChoice } from './selection/choose-method.ts'
import { trainClusteringModel } from './training.ts'
import type { Control, Labels, Matrix } from './types.ts'

export interface LabelledRows {
  /** Embeddings, float32 [n, d]. */
  readonly features: Matrix
  /** int32 [n]; below 0 = not known, left out of training and scores. */
  readonly labels: Labels
}

export interface CompareInput {
  /** Everything is trained and tuned on these. */
  readonly train: LabelledRows
  /** Only scored: no class of it should be among those of `train`. */
  readonly test: LabelledRows
  /** Names as in the API. Default all. */
  readonly methods?: readonly string[]
  /** The mean is reported. Default [1, 2, 3]. */
  readonly seeds?: readonly number[]
  /** Keeps what is done, so that a comparison that was stopped goes on. Default: nothing is kept. */
  readonly memory?: CompareMemory
}

/** Where a comparison keeps its parts, under names that are fit for files. What is kept must be of the same data and methods. */
export interface CompareMemory {
  /** @returns undefined for what has not been kept */
  recall(name: string): Promise<Uint8Array | undefined>
  keep(name: string, bytes: Uint8Array): Promise<void>
}

/** One line of the table. */
export interface CompareRow {
  readonly method: string
  readonly title: string
  /** Of the first seed. */
  readonly parameters: DecoderParameters
  /** Means over the seeds. */
  readonly scores: ClusteringScores
  /** Mean of pairwise and BCubed F, and the lowest and highest of the seeds. */
  readonly meanF: number
  readonly spread: readonly [number, number]
  /** Of one run on the test rows: the method alone, without the neighbour lists. */
  readonly seconds: number
  readonly seeds: number
  /** What the reader must know, such as that the true number of clusters was given. */
  readonly note?: string
}

export interface CompareOutput {
  readonly rows: readonly CompareRow[]
  /** What AUTO chose with each seed, and why. */
  readonly choices: readonly {
    readonly seed: number
    readonly method: string
    readonly explanation: string
    /** Mean of both F on held-out identities, of GCN-V+E as it would run and of the tree without GCN-E. */
    readonly heldOut: ClusteringModel['heldOut']
    readonly usesNetwork: boolean
  }[]
  /** Methods that cannot do this set, and why. */
  readonly leftOut: readonly { readonly title: string; readonly reason: string }[]
  /** Seconds of all training and tuning, of the first seed. */
  readonly trainingSeconds: number
}

/** How a line of the table is made. */
interface Entry {
  readonly name: string
  readonly title: string
  readonly note?: string
  readonly isRandom: boolean
  readonly parameters?: ClusterParameters
  /** False: no model and no labels, the method's own defaults. */
  readonly usesModel: boolean
}

/** What methods are told to expect before there are lists. */
const LONGEST_LISTS = 79
/** A training whose GCN-V nobody will look at. */
const WITHOUT_TREES = { connectivity: false, gcnV: { epochs: 1 } }
/** As in the released script. */
const KMEANS_BATCH = 1000
/** Phases of a run that every method needs. */
const SHARED_PHASES = ['normalize', 'knn', 'review_forest']

/**
 * Every method on the same data: trained and tuned on one part, scored on the other, whose classes are different ones.
 *
 * What AUTO would not try by itself, because it takes long, is trained and run with the first seed only. Parameters of each method are those that its settings do best with on the training identities; nothing looks at the test
 * labels, but for methods that must be told the number of clusters, whose lines say so.
 *
 * @throws EngineError BAD_OPTION for a method that is not there, what `trainClusteringModel` throws, ABORTED.
 * Deterministic for its seeds on one backend, apart from the seconds.
 */
export async function compareMethods(input: CompareInput, control: Control = {}): Promise<CompareOutput> {
  const { train, test, seeds = [1, 2, 3] } = input
  const known = ['AUTO', 'GCN_V', 'GCN_VE', ...methods.map(nameOf), ...trainableMethods.map(nameOf)]
  const wanted = input.methods ?? known
  const unknown = wanted.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new EngineError('BAD_OPTION', `methods must be among ${known.join(', ')}: got ${unknown.join(', ')}`)
  }
  const facts = { n: train.labels.length, k: LONGEST_LISTS, classes: new Set(train.labels).size }
  const untuned = methods.filter(
    ({ needsClusterCount, settings }) => !needsClusterCount && settings(facts).length === 0,
  )
  const entries = entriesOf(wanted, test).filter(({ name }) => !untuned.map(nameOf).includes(name))
  // AUTO chooses among what it would choose among by itself; the others are tuned as well.
  const offered = offeredContenders(train.labels.length)
  const others = [...methods, ...trainableMethods].map(nameOf).filter((name) => !offered.includes(name))
  const tuning = {
    contenders: offered.filter((name) => wanted.includes(name)),
    alsoTuned: others.filter((name) => wanted.includes(name)),
  }
  const usesTrees = wanted.some((name) => ['AUTO', 'GCN_V', 'GCN_VE'].includes(name))
  const runs = new Map<Entry, EntryRun[]>()
  const choices: CompareOutput['choices'][number][] = []
  const now = () => control.now?.() ?? 0
  const leftOut: CompareOutput['leftOut'][number][] = untuned
    .filter(({ name }) => wanted.includes(name))
    .map(({ title }) => ({ title, reason: `takes too long to be tuned on ${facts.n} rows` }))
  let trainingSeconds = 0
  for (const seed of seeds) {
    const { model, seconds } = await remembered(input.memory, `training-${seed}`, trainingFormat, async () => {
      const start = now()
      const parameters = { ...tuning, ...(seed !== seeds[0] && { alsoTuned: [] }), ...(!usesTrees && WITHOUT_TREES) }
      const { model } = await trainClusteringModel({ ...train, embedderId: 'compare', seed, parameters }, control)
      return { model, seconds: (now() - start) / 1000 }
    })
    if (seed === seeds[0]) trainingSeconds = seconds
    if (model.choice) {
      choices.push({
        seed,
        method: model.choice.method,
        explanation: model.choice.explanation,
        heldOut: model.heldOut,
        usesNetwork: model.connectivity.usesNetwork,
      })
    }
    for (const entry of entries) {
      throwIfAborted(control.signal)
      if (seed !== seeds[0] && (!entry.isRandom || tuning.alsoTuned.includes(entry.name))) continue
      try {
        const run = await remembered(input.memory, `run-${seed}-${fileNameOf(entry.title)}`, runFormat, () =>
          runEntry(entry, test, model, seed, control),
        )
        runs.set(entry, [...(runs.get(entry) ?? []), run])
      } catch (error) {
        if (!(error instanceof EngineError) || error.code !== 'BAD_OPTION') throw error
        if (seed === seeds[0]) leftOut.push({ title: entry.title, reason: error.message })
      }
    }
  }
  const rows = [...runs].map(([{ name, title, note }, done]): CompareRow => {
    const scores = meanScores(done.map((run) => run.scores))
    const each = done.map((run) => meanF(run.scores))
    return {
      method: name,
      title,
      parameters: done[0].parameters,
      scores,
      meanF: meanF(scores),
      spread: [Math.min(...each), Math.max(...each)],
      seconds: done.reduce((sum, run) => sum + run.seconds, 0) / done.length,
      seeds: done.length,
      ...(note && { note }),
    }
  })
  return { rows: rows.sort((a, b) => b.meanF - a.meanF), choices, leftOut, trainingSeconds }
}

interface EntryRun {
  readonly scores: ClusteringScores
  readonly seconds: number
  readonly parameters: DecoderParameters
}

/** How a part of a comparison is kept. */
interface Format<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): T
}

const runFormat: Format<EntryRun> = {
  encode: (run) => new TextEncoder().encode(JSON.stringify(run)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
}

/** The seconds in eight bytes, then the model. */
const trainingFormat: Format<{ readonly model: ClusteringModel; readonly seconds: number }> = {
  encode({ model, seconds }) {
    const weights = encodeModel(model)
    const bytes = new Uint8Array(8 + weights.length)
    new DataView(bytes.buffer).setFloat64(0, seconds, true)
    bytes.set(weights, 8)
    return bytes
  },
  decode: (bytes) => ({
    seconds: new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true),
    model: decodeModel(bytes.slice(8)),
  }),
}

async function remembered<T>(
  memory: CompareMemory | undefined,
  name: string,
  format: Format<T>,
  compute: () => Promise<T>,
): Promise<T> {
  const kept = await memory?.recall(name)
  if (kept) return format.decode(kept)
  const value = await compute()
  await memory?.keep(name, format.encode(value))
  return value
}

const fileNameOf = (title: string) => title.toLowerCase().replaceAll(/[^a-z0-9+]+/g, '-')

async function runEntry(
  entry: Entry,
  test: LabelledRows,
  model: ClusteringModel,
  seed: number,
  control: Control,
): Promise<EntryRun> {
  const { name, parameters, usesModel } = entry
  const { features } = test
  const run = await clusterVertices({ features, method: name, seed, parameters, ...(usesModel && { model }) }, control)
  const own = run.phases.filter((phase) => !SHARED_PHASES.includes(phase.name))
  return {
    scores: evaluateClustering(run.labels, test.labels),
    seconds: own.reduce((sum, phase) => sum + phase.seconds, 0),
    parameters: run.parametersChosen,
  }
}

function entriesOf(wanted: readonly string[], test: LabelledRows): Entry[] {
  const classes = new Set(test.labels.filter((label) => label >= 0)).size
  const labelFree = labelFreeChoice().method
  return wanted.flatMap((name): Entry[] => {
    if (name === 'AUTO') {
      return [
        { name, title: 'auto', isRandom: true, usesModel: true },
        ...(wanted.includes(labelFree)
          ? [{ name, title: 'auto without labels', isRandom: true, usesModel: false, note: 'nothing tuned' }]
          : []),
      ]
    }
    if (name === 'GCN_V') {
      return [
        { name, title: 'GCN-V', isRandom: true, usesModel: true, parameters: { graph: 'rebuilt' } },
        { name, title: 'GCN-V, raw graph', isRandom: true, usesModel: true, parameters: { graph: 'raw' } },
      ]
    }
    if (name === 'GCN_VE') return [{ name, title: 'GCN-V+E', isRandom: true, usesModel: true }]
    const plain = findMethod(name)
    const { title, isRandom = false } = plain ?? findTrainable(name) ?? { title: name }
    const tuned: Entry = { name, title, isRandom: isRandom || !plain, usesModel: true }
    if (!plain?.needsClusterCount) return [tuned]
    const told: Entry = { ...tuned, parameters: { clusterCount: classes }, note: 'told the true number of clusters' }
    if (name !== 'K_MEANS') return [told]
    const inBatches = { clusterCount: classes, batchSize: KMEANS_BATCH }
    return [told, { ...told, title: `${title}, mini-batches`, parameters: inBatches }]
  })
}

function meanScores(all: readonly ClusteringScores[]): ClusteringScores {
  const mean = (of: (scores: ClusteringScores) => number) => all.reduce((sum, s) => sum + of(s), 0) / all.length
  const triple = (key: 'pairwise' | 'bcubed') => ({
    precision: mean((s) => s[key].precision),
    recall: mean((s) => s[key].recall),
    f: mean((s) => s[key].f),
  })
  return {
    ...all[0],
    pairwise: triple('pairwise'),
    bcubed: triple('bcubed'),
    nmi: mean((s) => s.nmi),
    nmiGeometric: mean((s) => s.nmiGeometric),
    ari: mean((s) => s.ari),
    purity: mean((s) => s.purity),
    clicksPerImage: mean((s) => s.clicksPerImage),
    clusters: mean((s) => s.clusters),
  }
}

const nameOf = ({ name }: { readonly name: string }) => name
