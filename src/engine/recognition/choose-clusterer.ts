import { EngineError } from '../errors.ts'
import { evaluateClustering } from '../metrics/evaluate-clustering.ts'
import { meanF } from '../metrics/score.ts'
import type { ClusteringModel } from '../model.ts'
import type { ClusterInput, ClusterResult } from '../pipeline.ts'
import { createRng } from '../rng.ts'
import { LEARNED_SPACE } from '../selection/choose-method.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import type { RecognitionModel } from './recognition-model.ts'
import { type Samples, selectSamples } from './samples.ts'

export interface ClustererInput {
  readonly samples: Samples
  /** int32 [n]; below 0 = not known. */
  readonly labels: Labels
  /** Its table says what to choose among, and with which parameters. */
  readonly clustering: ClusteringModel
  readonly parameters: ClusterInput['parameters']
  readonly seed: number
}

export interface ClustererSteps {
  /** A recognition model that learns from these rows alone. */
  trainOn(rows: Int32Array, half: number): Promise<RecognitionModel>
  embed(model: RecognitionModel, samples: Samples): Promise<Matrix>
  cluster(input: ClusterInput, control?: Control): Promise<ClusterResult>
}

export interface ClustererChoice {
  readonly method: string
  /** Mean of pairwise and BCubed F on identities that the recognition model had not seen, best first. */
  readonly table: readonly { readonly method: string; readonly score: number }[]
  readonly explanation: string
}

/** Fewer identities cannot be halved. */
const FEWEST_IDENTITIES = 8
/** More unlabelled samples keep no better company, and take longer. */
const MOST_COMPANY = 5_000
/** Their weights are of one space of embeddings, and say nothing in another. */
const OF_ONE_SPACE: readonly string[] = ['GCN_V', 'GCN_VE']

/**
 * Chooses what clusters unlabelled samples, by identities that the recognition model has not seen, among the unlabelled samples.
 *
 * A recognition model has learnt its labelled identities by heart: on their embeddings nearly every method is right, a threshold that
 * merges all others too. So the identities are halved; a model that learns from one half embeds the other half and the unlabelled
 * samples; each method clusters these together, and is scored on the half.
 *
 * @returns undefined with fewer than eight identities of two samples, or when there is nothing to choose among
 * Deterministic for a seed on one backend.
 */
export async function chooseClusterer(
  { samples, labels, clustering, parameters, seed }: ClustererInput,
  steps: ClustererSteps,
  control: Control = {},
): Promise<ClustererChoice | undefined> {
  const candidates = (clustering.choice?.table ?? [])
    .filter((row) => !OF_ONE_SPACE.includes(row.method) && row.parameters.space !== LEARNED_SPACE)
    .map(({ method }) => method)
  const methods = [...new Set(candidates)]
  const halves = halve(labels, seed)
  if (methods.length < 2 || !halves) return undefined
  const rng = createRng(seed + 2)
  const unlabelled = Int32Array.from(labels.keys()).filter((row) => labels[row] < 0)
  const company = rng.shuffle(unlabelled).subarray(0, MOST_COMPANY)
  const scores = new Map(methods.map((method) => [method, 0]))
  for (const [half, own] of halves.entries()) {
    const model = await steps.trainOn(own, half)
    const unseen = halves[1 - half]
    const rows = Int32Array.from([...unseen, ...company])
    const features = await steps.embed(model, selectSamples(samples, rows))
    const truth = rows.map((row) => labels[row])
    for (const method of methods) {
      const score = await scoreOf(method)
      scores.set(method, (scores.get(method) as number) + score / halves.length)
    }

    async function scoreOf(method: string): Promise<number> {
      try {
        const run = { features, method, model: clustering, parameters, seed }
        const { labels: found } = await steps.cluster(run, control)
        return meanF(evaluateClustering(found, truth))
      } catch (error) {
        // A method that this set is too large for is none to choose.
        if (error instanceof EngineError && error.code === 'BAD_OPTION') return 0
        throw error
      }
    }
  }
  const table = methods
    .map((method) => ({ method, score: scores.get(method) as number }))
    .sort((a, b) => b.score - a.score)
  const [best, second] = table
  const percent = (score: number) => (100 * score).toFixed(1)
  return {
    method: best.method,
    table,
    explanation:
      `${best.method} clusters labelled identities best that a recognition model has not seen, among ${company.length} unlabelled ` +
      `samples: mean of pairwise and BCubed F ${percent(best.score)}; next is ${second.method} with ${percent(second.score)}, of ${table.length} methods.`,
  }
}

/** Labelled rows in two halves that share no identity, each with identities of two samples. */
function halve(labels: Labels, seed: number): [Int32Array, Int32Array] | undefined {
  const sizes = new Map<number, number>()
  for (const label of labels) if (label >= 0) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const several = Int32Array.from([...sizes].filter(([, size]) => size > 1).map(([label]) => label)).sort()
  if (several.length < FEWEST_IDENTITIES) return undefined
  const first = new Set(
    createRng(seed + 1)
      .shuffle(several)
      .subarray(0, several.length >> 1),
  )
  const rows = Int32Array.from(labels.keys()).filter((row) => labels[row] >= 0)
  return [rows.filter((row) => first.has(labels[row])), rows.filter((row) => !first.has(labels[row]))]
}
