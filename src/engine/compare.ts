import type { DecoderParameters } from './decoder.ts'
import { EngineError, throwIfAborted } from './errors.ts'
import { findMethod, findTrainable, methods, trainableMethods } from './methods.ts'
import { type ClusteringScores, evaluateClustering } from './metrics/evaluate-clustering.ts'
import type { ClusteringModel } from './model.ts'
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
  readonly choices: readonly { readonly seed: number; readonly method: string; readonly explanation: string }[]
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

/** Phases of a run that every method needs. */
const SHARED_PHASES = ['normalize', 'knn', 'review_forest']

/**
 * Every method on the same data: trained and tuned on one part, scored on the other, whose classes are different ones.
 *
 * Parameters of each method are those that its settings do best with on the training identities; nothing looks at the test
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
  const entries = entriesOf(wanted, test)
  const contenders = [...methods, ...trainableMethods].map(nameOf).filter((name) => wanted.includes(name))
  const runs = new Map<Entry, { scores: ClusteringScores; seconds: number; parameters: DecoderParameters }[]>()
  const choices: CompareOutput['choices'][number][] = []
  const now = () => control.now?.() ?? 0
  const leftOut: CompareOutput['leftOut'][number][] = []
  let trainingSeconds = 0
  for (const seed of seeds) {
    const start = now()
    const { model } = await trainClusteringModel(
      { ...train, embedderId: 'compare', seed, parameters: { contenders } },
      control,
    )
    if (seed === seeds[0]) trainingSeconds = (now() - start) / 1000
    if (model.choice) choices.push({ seed, method: model.choice.method, explanation: model.choice.explanation })
    for (const entry of entries) {
      throwIfAborted(control.signal)
      if (!entry.isRandom && seed !== seeds[0]) continue
      try {
        runs.set(entry, [...(runs.get(entry) ?? []), await runEntry(entry, test, model, seed, control)])
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

async function runEntry(entry: Entry, test: LabelledRows, model: ClusteringModel, seed: number, control: Control) {
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
    return [{ ...tuned, parameters: { clusterCount: classes }, note: 'told the true number of clusters' }]
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
const meanF = ({ pairwise, bcubed }: ClusteringScores) => (pairwise.f + bcubed.f) / 2
