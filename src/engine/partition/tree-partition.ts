import { EngineError } from '../errors.ts'
import type { Labels, NeighbourLists } from '../types.ts'
import { UnionFind } from './union-find.ts'

export interface PartitionOptions {
  /** Only edges with a similarity strictly above this connect, -1..1. */
  readonly tau: number
  /** Edges each vertex may keep: 1 gives trees, more a directed acyclic graph. Default 1. */
  readonly maxConnections?: number
  /**
   * What equal confidences do. `index`: the lower index counts as the more confident one, so that duplicates connect.
   * `never`: they do not connect, as in the released code. Default `index`.
   */
  readonly ties?: 'index' | 'never'
  /**
   * int32 [n]: the neighbour that each vertex connects to first, -1 = the most similar one. GCN-E's choice; it must be
   * in the vertex's list and more confident.
   */
  readonly preferred?: Int32Array
  /**
   * Take the preferred neighbour whatever its confidence: the ablation M = -1 of the paper, without candidate sets. Circles
   * then become one cluster. Default false.
   */
  readonly ignoresOrder?: boolean
}

export interface TreePartition {
  readonly labels: Labels
  /** int32 [n]: the more confident neighbour each vertex hangs on, -1 for a root. */
  readonly parent: Int32Array
  /** float32 [n]: similarity of that edge, 0 for a root. */
  readonly parentSimilarity: Float32Array
}

/**
 * Connects every vertex to its most similar more confident neighbour and cuts what is not similar enough: each tree
 * is a cluster.
 *
 * Source: [YANG20] section 3.3 and algorithm 1; the released `confidence_to_peaks` and `peaks_to_labels`.
 * Differs: `ties` (the released code leaves equal confidences unconnected). With maxConnections > 1 the most similar
 * candidates are taken, also after GCN-E, where the released code takes the least similar ones.
 *
 * An edge that tau cuts is not replaced by a weaker one, which tau would cut as well.
 *
 * @param lists most similar first
 * @param confidence float32 [n]; only its order counts
 * @throws EngineError SHAPE_MISMATCH, NOT_FINITE for a NaN confidence, BAD_OPTION.
 * Linear in the length of the lists; nothing is changed.
 */
export function treePartition(
  lists: NeighbourLists,
  confidence: Float32Array,
  options: PartitionOptions,
): TreePartition {
  checkPartition(lists, confidence, options)
  const { n, k, ids, similarities } = lists
  const { tau, maxConnections = 1, preferred, ignoresOrder = false } = options
  const above = ranking(confidence, options.ties)
  const sets = new UnionFind(n)
  const parent = new Int32Array(n).fill(-1)
  const parentSimilarity = new Float32Array(n)
  for (let v = 0; v < n; v++) {
    let kept = 0
    const first = preferred && preferred[v] >= 0 ? slotOf(lists, v, preferred[v]) : -1
    if (first >= 0 && (ignoresOrder || above(ids[first], v))) {
      kept++
      if (similarities[first] > tau) connect(v, first)
    }
    for (let e = v * k; e < (v + 1) * k && kept < maxConnections; e++) {
      if (!(similarities[e] > tau)) break
      if (ids[e] < 0 || e === first || !above(ids[e], v)) continue
      kept++
      connect(v, e)
    }
  }
  return { labels: sets.labels(), parent, parentSimilarity }

  function connect(v: number, e: number): void {
    sets.union(v, ids[e])
    if (parent[v] >= 0) return
    parent[v] = ids[e]
    parentSimilarity[v] = similarities[e]
  }
}

/** Is u more confident than v? Strict, so that following it never runs in a circle. */
export function ranking(
  confidence: Float32Array,
  ties: 'index' | 'never' = 'index',
): (u: number, v: number) => boolean {
  if (ties === 'never') return (u, v) => confidence[u] > confidence[v]
  return (u, v) => confidence[u] > confidence[v] || (confidence[u] === confidence[v] && u < v)
}

/** Position of u in v's list, -1 when it is not there. */
export function slotOf({ k, ids }: NeighbourLists, v: number, u: number): number {
  for (let e = v * k; e < (v + 1) * k; e++) if (ids[e] === u) return e
  return -1
}

export function checkPartition(lists: NeighbourLists, confidence: Float32Array, options: PartitionOptions): void {
  const { tau, maxConnections = 1, preferred } = options
  if (confidence.length !== lists.n) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `confidence must have one value per vertex: got ${confidence.length}, expected ${lists.n}`,
    )
  }
  const bad = confidence.findIndex(Number.isNaN)
  if (bad >= 0) throw new EngineError('NOT_FINITE', `confidence must be ordered: got NaN at vertex ${bad}`)
  if (!(tau >= -1 && tau <= 1)) throw new EngineError('BAD_OPTION', `tau must be a similarity, -1 to 1: got ${tau}`)
  if (!Number.isInteger(maxConnections) || maxConnections < 1) {
    throw new EngineError('BAD_OPTION', `maxConnections must be a positive integer: got ${maxConnections}`)
  }
  if (preferred && preferred.length !== lists.n) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `preferred must have one neighbour per vertex: got ${preferred.length}, expected ${lists.n}`,
    )
  }
}
