import { EngineError } from '../errors.ts'
import { affinityGraph } from '../knn/graph.ts'
import { ranking } from '../partition/tree-partition.ts'
import type { CsrGraph, Matrix, NeighbourLists } from '../types.ts'

export interface CandidateOptions {
  /** Share of vertices, the most confident first, that GCN-E looks at; the others take their nearest candidate. 0..1 */
  readonly rho: number
  /** `confident`: neighbours that are more confident. `all`: every neighbour, the ablation M = -1. Default `confident`. */
  readonly candidates?: 'confident' | 'all'
  /** As for the partition. Default `index`. */
  readonly ties?: 'index' | 'never'
}

/** Everything that GCN-E's subgraphs are cut from; nothing is materialised until a batch is asked for. */
export interface CandidateSets {
  readonly lists: NeighbourLists
  /** L2-normalised F_L, float32 [n, d]. */
  readonly features: Matrix
  /** Row-normalised affinity graph of the lists. */
  readonly graph: CsrGraph
  /** int32: vertices with at least two candidates, ascending; the network decides for these only. */
  readonly vertices: Int32Array
  /** Candidates of v are `targets[offsets[v] .. offsets[v + 1])`, most similar first. float64 [n + 1] */
  readonly offsets: Float64Array
  readonly targets: Int32Array
}

/**
 * The candidate set of every vertex: the neighbours it might connect to.
 *
 * Source: [YANG20] section 3.3, S_i = {v_j | c_j > c_i, v_j in N_i}; the released `GCNEDataset`.
 * A vertex below the rho cut has an empty set, so that memory follows rho.
 *
 * @param features L2-normalised F_L, the rows the lists were built from
 */
export function candidateSets(
  lists: NeighbourLists,
  features: Matrix,
  confidence: Float32Array,
  options: CandidateOptions,
): CandidateSets {
  const { n, k, ids } = lists
  const { rho, candidates = 'confident', ties } = options
  if (!(rho >= 0 && rho <= 1)) throw new EngineError('BAD_OPTION', `rho must be a share, 0 to 1: got ${rho}`)
  if (features.rows !== n || confidence.length !== n) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `features and confidence must have one row per vertex: got ${features.rows} and ${confidence.length}, expected ${n}`,
    )
  }
  const above = ranking(confidence, ties)
  const ignored = leastConfident(confidence, Math.floor(n * (1 - rho) + 1e-9))
  const offsets = new Float64Array(n + 1)
  const targets: number[] = []
  const vertices: number[] = []
  for (let v = 0; v < n; v++) {
    const before = targets.length
    for (let e = v * k; e < (v + 1) * k && !ignored[v]; e++) {
      if (ids[e] >= 0 && (candidates === 'all' || above(ids[e], v))) targets.push(ids[e])
    }
    offsets[v + 1] = targets.length
    if (targets.length - before > 1) vertices.push(v)
  }
  return {
    lists,
    features,
    graph: affinityGraph(lists),
    vertices: Int32Array.from(vertices),
    offsets,
    targets: Int32Array.from(targets),
  }
}

/** 1 for the `count` least confident vertices, ties by lower index. */
function leastConfident(confidence: Float32Array, count: number): Uint8Array {
  const order = Int32Array.from(confidence.keys()).sort((a, b) => confidence[a] - confidence[b] || a - b)
  const ignored = new Uint8Array(confidence.length)
  for (let i = 0; i < count; i++) ignored[order[i]] = 1
  return ignored
}

/** Some subgraphs of one size, smaller ones padded with empty rows. */
export interface SubgraphBatch {
  /** int32 [s]: the vertex each subgraph belongs to; it is no node of it. */
  readonly centres: Int32Array
  /** Rows a subgraph. */
  readonly size: number
  /** int32 [s * size]: node of each row, -1 for padding. */
  readonly nodes: Int32Array
  /** float32 [s * size, d]: feature of the node minus that of the centre. */
  readonly features: Float32Array
  /** float32 [s, size, size]: the affinity graph among the nodes, rows divided by their sums. */
  readonly adjacency: Float32Array
  /** The same, rows and columns swapped. */
  readonly transposed: Float32Array
  /** uint8 [s * size]: rows that count in the loss. Default all nodes. */
  readonly counted?: Uint8Array
}

/** Cuts the subgraphs of some vertices. Cost follows the edges of their candidates. */
export function subgraphBatch(sets: CandidateSets, centres: Int32Array): SubgraphBatch {
  const { features: x, graph, offsets, targets } = sets
  const { cols: d } = x
  let size = 0
  for (const v of centres) size = Math.max(size, offsets[v + 1] - offsets[v])
  const nodes = new Int32Array(centres.length * size).fill(-1)
  const features = new Float32Array(centres.length * size * d)
  const adjacency = new Float32Array(centres.length * size * size)
  const transposed = new Float32Array(adjacency.length)
  const rowOf = new Map<number, number>()
  for (let s = 0; s < centres.length; s++) {
    const v = centres[s]
    const count = offsets[v + 1] - offsets[v]
    rowOf.clear()
    for (let i = 0; i < count; i++) {
      const u = targets[offsets[v] + i]
      rowOf.set(u, i)
      nodes[s * size + i] = u
      const at = (s * size + i) * d
      for (let c = 0; c < d; c++) features[at + c] = x.data[u * d + c] - x.data[v * d + c]
    }
    const block = s * size * size
    for (let i = 0; i < count; i++) {
      const u = nodes[s * size + i]
      let sum = 0
      for (let e = graph.offsets[u]; e < graph.offsets[u + 1]; e++) {
        const j = rowOf.get(graph.targets[e])
        if (j === undefined) continue
        adjacency[block + i * size + j] = graph.weights[e]
        sum += graph.weights[e]
      }
      for (let j = 0; j < count; j++) {
        if (sum > 0) adjacency[block + i * size + j] /= sum
        transposed[block + j * size + i] = adjacency[block + i * size + j]
      }
    }
  }
  return { centres, size, nodes, features, adjacency, transposed }
}

/**
 * Groups vertices so that no batch holds more than `maxRows` rows or `maxGraphs` subgraphs; sets of like size go together,
 * which keeps the padding small.
 */
export function planBatches(
  { offsets }: CandidateSets,
  vertices: Int32Array,
  limits: { readonly maxRows: number; readonly maxGraphs: number },
): Int32Array[] {
  const sizeOf = (v: number) => offsets[v + 1] - offsets[v]
  const order = vertices.slice().sort((a, b) => sizeOf(a) - sizeOf(b) || a - b)
  const batches: Int32Array[] = []
  let from = 0
  for (let at = 1; at <= order.length; at++) {
    // Sizes ascend, so the newest vertex decides how far all are padded.
    const isFull =
      at === order.length || at - from >= limits.maxGraphs || (at - from + 1) * sizeOf(order[at]) > limits.maxRows
    if (!isFull) continue
    batches.push(order.slice(from, at))
    from = at
  }
  return batches
}
