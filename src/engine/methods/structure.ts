import type { Decoder, DecoderOutput } from '../decoder.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import { shorterLists } from '../knn/sub-lists.ts'
import { predictMlp, trainMlp } from '../mlp.ts'
import { treePartition } from '../partition/tree-partition.ts'
import { createRng } from '../rng.ts'
import type { NeighbourLists } from '../types.ts'
import { EDGE_FACTS, edgeFacts } from './edge-facts.ts'
import { edgeGraph } from './edge-graph.ts'
import { minimiseMapEquation } from './map-equation.ts'
import type { TrainableMethod } from './method.ts'
import { choiceOf, countOf, numberOf } from './parameter.ts'

/** Edges a training looks at, at most. */
const EDGES_TO_LEARN = 100_000
const RECIPE = { hidden: [32, 16], epochs: 5, batchSize: 64, learningRate: 2e-3 }
const LONGEST = 79
/** Many cuts of one set are asked for in a row, when parameters are chosen. */
type Remembered = Map<Float32Array, { readonly slots: number; readonly probability: Float32Array }>
const remembered = new WeakMap<WeightArrays, Remembered>()

/** @returns P(same) of the first slots of every list, float32 [n * slots] */
async function probabilities(
  weights: WeightArrays,
  lists: NeighbourLists,
  slots: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const x = await edgeFacts(lists, slots, { signal })
  return predictMlp(weights, x, { signal })
}

/**
 * Edges judged by what surrounds them, then the map equation on the odds: confidence and connectivity from structure alone.
 *
 * A small network learns from labelled identities which edges of the neighbour graph hold, from similarities, ranks, neighbour-set
 * similarity and in-degrees: nothing depends on the embedding's dimension. Confidence of a vertex is eq. 1 of [YANG20] in
 * expectation, sum over neighbours of (2 P - 1) a. `partition`: `infomap` (default) on edges above `leastProbability` (default
 * 0.3) weighed by P to the power of `power` (default 2), or `tree`, the paper's, of edges above it.
 */
export const structure: TrainableMethod = {
  name: 'STRUCTURE',
  title: 'Structural edges, Infomap',
  isRandom: true,
  contendsUpTo: 200_000,
  async train({ lists, labels, seed }, control) {
    const slots = Math.min(lists.k, LONGEST)
    const x = await edgeFacts(lists, slots, control)
    const known: number[] = []
    for (let v = 0; v < lists.n; v++) {
      for (let slot = 0; slot < slots; slot++) if (lists.ids[v * lists.k + slot] >= 0) known.push(v * slots + slot)
    }
    const chosen = createRng(seed).shuffle(Int32Array.from(known)).subarray(0, EDGES_TO_LEARN)
    const data = new Float32Array(chosen.length * x.cols)
    const y = new Uint8Array(chosen.length)
    for (const [i, e] of chosen.entries()) {
      data.set(x.data.subarray(e * x.cols, (e + 1) * x.cols), i * x.cols)
      const v = Math.floor(e / slots)
      y[i] = labels[v] === labels[lists.ids[v * lists.k + (e % slots)]] ? 1 : 0
    }
    return trainMlp({ data, rows: chosen.length, cols: x.cols }, y, RECIPE, seed, control)
  },
  decoder: (weights): Decoder => {
    if (weights['input.mean']?.shape[0] !== EDGE_FACTS.length) throw new Error('weights are of other edge facts')
    return async ({ lists, parameters, seed }, control = {}): Promise<DecoderOutput> => {
      const partition = choiceOf(parameters, 'partition', 'infomap', ['infomap', 'tree'])
      const leastProbability = numberOf(parameters, 'leastProbability', 0.3, [0, 1])
      const power = numberOf(parameters, 'power', 2, [0, 32])
      const slots = Math.min(lists.k, countOf(parameters, 'edges', LONGEST, [1, 1024]))
      const known: Remembered = remembered.get(weights) ?? new Map()
      remembered.set(weights, known)
      const entry = known.get(lists.similarities)
      const probability =
        entry?.slots === slots ? entry.probability : await probabilities(weights, lists, slots, control.signal)
      known.clear()
      known.set(lists.similarities, { slots, probability })
      const near = shorterLists(lists, slots)
      const confidence = expectedConfidence(near, probability)
      if (partition === 'tree') {
        const odds = { ...near, similarities: probability }
        const { labels } = treePartition(byProbability(odds), confidence, { tau: leastProbability })
        return { labels, confidence, parametersChosen: { partition, leastProbability, edges: slots } }
      }
      const weight = probability.map((p) => (p < leastProbability ? 0 : p ** power))
      const { labels } = await minimiseMapEquation(edgeGraph(near, weight), { seed }, control)
      return { labels, confidence, parametersChosen: { partition, leastProbability, power, edges: slots } }
    }
  },
  settings: ({ k }) =>
    [k, 40, 20, 10]
      .filter((edges, i) => edges <= k && (i === 0 || edges < k))
      .flatMap((edges) => [
        ...[0.3, 0.5, 0.7].map((leastProbability) => ({ k, edges, leastProbability, power: 3 })),
        ...(edges <= 20 ? [{ k, edges, partition: 'tree', leastProbability: 0.5 }] : []),
      ]),
}

function expectedConfidence({ n, k, ids, similarities }: NeighbourLists, probability: Float32Array): Float32Array {
  return Float32Array.from({ length: n }, (_, v) => {
    let sum = 1
    for (let e = v * k; e < (v + 1) * k; e++) if (ids[e] >= 0) sum += (2 * probability[e] - 1) * similarities[e]
    return sum / (k + 1)
  })
}

/** Lists with the likeliest neighbour first. */
function byProbability({ n, k, ids, similarities }: NeighbourLists): NeighbourLists {
  const sortedIds = new Int32Array(n * k).fill(-1)
  const sorted = new Float32Array(n * k)
  for (let v = 0; v < n; v++) {
    const order: number[] = []
    for (let e = v * k; e < (v + 1) * k; e++) if (ids[e] >= 0) order.push(e)
    order.sort((a, b) => similarities[b] - similarities[a] || a - b)
    for (const [slot, e] of order.entries()) {
      sortedIds[v * k + slot] = ids[e]
      sorted[v * k + slot] = similarities[e]
    }
  }
  return { n, k, ids: sortedIds, similarities: sorted }
}
