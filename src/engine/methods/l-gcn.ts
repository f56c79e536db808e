import type { Decoder } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { chooseBackend } from '../gcn/backend.ts'
import type { SubgraphBatch } from '../gcn/candidate-sets.ts'
import { gcnEForward, gcnEStep, initGcnE } from '../gcn/gcn-e.ts'
import { disposeParameters, toParameters, type WeightArrays } from '../gcn/parameters.ts'
import { trainByBatches } from '../gcn/train.ts'
import { nextTurn } from '../next-turn.ts'
import { denseLabels } from '../partition/labels.ts'
import { createRng } from '../rng.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'
import { dynamicThreshold } from './dynamic-threshold.ts'
import { listPairs } from './list-pairs.ts'
import type { TrainableMethod } from './method.ts'
import { countOf, numberOf } from './parameter.ts'

/** Nodes of a subgraph: neighbours of the pivot, neighbours of each of them, and how many each is connected to. */
export interface PivotHops {
  readonly first: number
  readonly second: number
  readonly connections: number
}

/** The released fashion settings, near enough to small sets; MS1M's are 200 or 80, 10 and 10. */
const HOPS: PivotHops = { first: 19, second: 5, connections: 5 }
const CONVOLUTIONS = [256, 256, 128, 128] as const
const PIVOTS_A_BATCH = 16
/** Pivots a training looks at, at most, over all epochs. */
const PIVOTS_TO_LEARN = 6000
const EPOCHS = 3
/** Many decodings of one set are asked for in a row, when parameters are chosen. */
const remembered = new WeakMap<WeightArrays, { similarities: Float32Array; probability: Float32Array }>()

/**
 * Nodes of a pivot's subgraph: its neighbours, then theirs, without the pivot; and which of them are neighbours of the pivot.
 *
 * Source: the released `cluster_dataset.py` of L-GCN.
 */
export function pivotNodes(
  { k, ids }: NeighbourLists,
  pivot: number,
  { first, second }: PivotHops,
): { nodes: number[]; oneHop: number } {
  const seen = new Set([pivot])
  const nodes: number[] = []
  const add = (u: number) => {
    if (u < 0 || seen.has(u)) return
    seen.add(u)
    nodes.push(u)
  }
  for (let slot = 0; slot < Math.min(first, k); slot++) add(ids[pivot * k + slot])
  const oneHop = nodes.length
  for (let i = 0; i < oneHop; i++) for (let slot = 0; slot < Math.min(second, k); slot++) add(ids[nodes[i] * k + slot])
  return { nodes, oneHop }
}

/**
 * Subgraphs of some pivots, the pivot itself the last node of each. Every node is connected, both ways, to those of its nearest
 * neighbours that are inside; rows are divided by their sums.
 */
export function pivotBatch(lists: NeighbourLists, x: Matrix, pivots: Int32Array, hops: PivotHops): SubgraphBatch {
  const { k, ids } = lists
  const { cols: d, data } = x
  const graphs = Array.from(pivots, (pivot) => pivotNodes(lists, pivot, hops))
  const size = Math.max(...graphs.map(({ nodes }) => nodes.length)) + 1
  const nodes = new Int32Array(pivots.length * size).fill(-1)
  const counted = new Uint8Array(nodes.length)
  const features = new Float32Array(nodes.length * d)
  const adjacency = new Float32Array(pivots.length * size * size)
  const transposed = new Float32Array(adjacency.length)
  for (const [s, { nodes: inside, oneHop }] of graphs.entries()) {
    const pivot = pivots[s]
    const all = [...inside, pivot]
    const rowOf = new Map(all.map((u, row) => [u, row]))
    const block = s * size * size
    for (const [row, u] of all.entries()) {
      nodes[s * size + row] = u
      counted[s * size + row] = row < oneHop ? 1 : 0
      for (let c = 0; c < d; c++) features[(s * size + row) * d + c] = data[u * d + c] - data[pivot * d + c]
      for (let slot = 0; slot < Math.min(hops.connections, k); slot++) {
        const other = rowOf.get(ids[u * k + slot])
        if (other === undefined) continue
        adjacency[block + row * size + other] = 1
        adjacency[block + other * size + row] = 1
      }
    }
    for (let row = 0; row < all.length; row++) {
      let sum = 0
      for (let c = 0; c < all.length; c++) sum += adjacency[block + row * size + c]
      for (let c = 0; c < all.length; c++) {
        if (sum > 0) adjacency[block + row * size + c] /= sum
        transposed[block + c * size + row] = adjacency[block + row * size + c]
      }
    }
  }
  return { centres: pivots, size, nodes, features, adjacency, transposed, counted }
}

/** P(same as the pivot) of the first slots of every list, float32 [n * k]; later slots 0. */
async function linkage(
  weights: WeightArrays,
  lists: NeighbourLists,
  x: Matrix,
  { signal, onProgress }: Control,
): Promise<Float32Array> {
  const { n, k } = lists
  const probability = new Float32Array(n * k)
  const parameters = toParameters(weights)
  try {
    for (let from = 0; from < n; from += PIVOTS_A_BATCH) {
      await nextTurn()
      throwIfAborted(signal)
      onProgress?.({ phase: 'l_gcn', completed: from, total: n })
      const pivots = Int32Array.from({ length: Math.min(PIVOTS_A_BATCH, n - from) }, (_, i) => from + i)
      const batch = pivotBatch(lists, x, pivots, HOPS)
      const scores = gcnEForward(parameters, batch)
      for (const [s, pivot] of pivots.entries()) {
        // One-hop nodes come first, in the order of the list.
        for (let slot = 0, row = s * batch.size; slot < Math.min(HOPS.first, k); slot++) {
          if (ids(lists, pivot, slot) < 0) break
          probability[pivot * k + slot] = Math.exp(scores[row++])
        }
      }
    }
    return probability
  } finally {
    disposeParameters(parameters)
  }
}

const ids = ({ k, ids }: NeighbourLists, v: number, slot: number) => ids[v * k + slot]

/**
 * Linkage by graph convolution: around every vertex a network judges which neighbours are of its class, then pairs are
 * joined by rising thresholds.
 *
 * `maxSize`: largest cluster that is not split further, default 300; `step` of the threshold: default 0.5.
 *
 * Source: [WANG19]; hops and decoding as in the released code of [YANG20] (its fashion settings), both judgements of a pair averaged.
 * Differs: no batch normalisation of the inputs, the pivot is a node as there, pivots are sampled instead of all taken four times.
 */
export const lGcn: TrainableMethod = {
  name: 'L_GCN',
  title: 'L-GCN',
  isRandom: true,
  async train({ lists, features, labels, seed }, control = {}) {
    await chooseBackend()
    const rng = createRng(seed)
    const all = Int32Array.from({ length: lists.n }, (_, v) => v)
    const each = Math.min(lists.n, Math.floor(PIVOTS_TO_LEARN / EPOCHS))
    const recipe = {
      optimiser: { kind: 'adam' as const, learningRate: 1e-3, weightDecay: 1e-4, milestones: [0.6, 0.85] },
      epochs: EPOCHS,
      batchSize: PIVOTS_A_BATCH,
    }
    const start = initGcnE({ features: features.cols, convolutions: CONVOLUTIONS, loss: 'nll' }, seed)
    const { weights } = await trainByBatches('train_l_gcn', toParameters(start), recipe, control, {
      batches: () => {
        const pivots = rng.shuffle(all.slice()).subarray(0, each)
        return Array.from({ length: Math.ceil(each / PIVOTS_A_BATCH) }, (_, b) =>
          pivots.slice(b * PIVOTS_A_BATCH, (b + 1) * PIVOTS_A_BATCH),
        )
      },
      step: (parameters, pivots) => gcnEStep(parameters, pivotBatch(lists, features, pivots, HOPS), labels),
      heldOutLoss: async () => undefined,
    })
    return weights
  },
  decoder:
    (weights): Decoder =>
    async ({ lists, features, parameters }, control = {}) => {
      const maxSize = countOf(parameters, 'maxSize', 300, [1, 100_000_000])
      const step = numberOf(parameters, 'step', 0.5, [0.001, 0.999])
      await chooseBackend()
      const known = remembered.get(weights)
      const probability =
        known?.similarities === lists.similarities
          ? known.probability
          : await linkage(weights, lists, features, control)
      remembered.set(weights, { similarities: lists.similarities, probability })
      const wanted = Math.min(HOPS.first, lists.k)
      const pairs = listPairs(
        lists,
        (e) => e % lists.k < wanted,
        'mean',
        (e) => probability[e],
      )
      const { labels } = denseLabels(dynamicThreshold(lists.n, pairs, { maxSize, step }))
      return { labels, parametersChosen: { maxSize, step } }
    },
  settings: ({ n, classes, k }) =>
    [2, 5, 20].flatMap((times) =>
      [0.05, 0.2, 0.5].map((step) => ({
        k: Math.min(k, HOPS.first),
        maxSize: Math.max(10, Math.round((times * n) / classes)),
        step,
      })),
    ),
}
