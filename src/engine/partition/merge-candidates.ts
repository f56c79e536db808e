import { mergePriority } from '../review/question-priority.ts'
import type { Constraints, Labels, NeighbourLists } from '../types.ts'
import type { CrossEdges } from './centroid-edges.ts'
import { clusterSizes } from './labels.ts'
import { ranking } from './tree-partition.ts'

export interface MergeOptions {
  /** Pairs of clusters kept in all, highest priority first. Default: as many as there are clusters, at least 1000. */
  readonly limit?: number
  /** Pairs kept of each cluster. Default 10. */
  readonly perCluster?: number
  /** Edges beside those of the lists: see centroid-edges.ts. */
  readonly between?: CrossEdges
}

/** The best edge between each two clusters that might be one, highest priority first; all arrays of equal length. */
export interface MergeCandidates {
  readonly count: number
  /** int32: the lower cluster of each pair. */
  readonly left: Int32Array
  /** int32: the higher cluster. */
  readonly right: Int32Array
  /** int32: the less confident end of the edge. */
  readonly child: Int32Array
  /** int32: the more confident end. */
  readonly parent: Int32Array
  /** Cosine, float32. */
  readonly similarity: Float32Array
  /** Of being one identity, 0..1, float32. */
  readonly probability: Float32Array
  /** Expected wrong pairs that the question removes: see mergePriority. float64 */
  readonly priority: Float64Array
}

/**
 * The cluster pairs worth asking about: those that neighbour lists or near centroids connect, each with its most probable
 * edge.
 *
 * Source: [TIAN07] in spirit; the currency is that of the review queue, expected wrong pairs. Pairs that a cannot-link
 * already decides and excluded vertices are left out.
 *
 * @param company float64 [n]: members of v's cluster expected to share its identity (expected-company.ts). Cluster sizes
 *   in its place would spend the answers on junk: the product is largest where two large clusters of many identities meet.
 * @param probability calibrated probability that two neighbours are of one identity
 */
export function mergeCandidates(
  labels: Labels,
  company: Float64Array,
  lists: NeighbourLists,
  confidence: Float32Array,
  probability: (v: number, u: number, similarity: number) => number,
  constraints?: Constraints,
  options: MergeOptions = {},
): MergeCandidates {
  const { n, k, ids, similarities } = lists
  const { between } = options
  const edges: EdgeSource = (visit) => {
    for (let v = 0; v < n; v++) {
      for (let e = v * k; e < (v + 1) * k; e++) {
        if (ids[e] >= 0) visit(v, ids[e], similarities[e], () => probability(v, ids[e], similarities[e]))
      }
    }
    for (const [i, v] of between?.from.entries() ?? []) {
      const [u, s] = [between?.to[i] as number, between?.similarity[i] as number]
      visit(v, u, s, () => probability(v, u, s))
    }
  }
  return rankMerges(labels, company, confidence, edges, constraints, options)
}

/** Shows every edge to the visitor; its probability is asked for only where the edge counts. */
export type EdgeSource = (visit: (v: number, u: number, similarity: number, probability: () => number) => void) => void

/** `mergeCandidates` over edges from anywhere. */
export function rankMerges(
  labels: Labels,
  company: Float64Array,
  confidence: Float32Array,
  edges: EdgeSource,
  constraints?: Constraints,
  options: MergeOptions = {},
): MergeCandidates {
  let clusters = 0
  for (const label of labels) clusters = Math.max(clusters, label + 1)
  const { limit = Math.max(1000, clusters), perCluster = 10 } = options
  const above = ranking(confidence)
  const keyOf = (a: number, b: number) => Math.min(labels[a], labels[b]) * clusters + Math.max(labels[a], labels[b])
  const decided = new Set<number>()
  const cannotLinks = constraints?.cannotLinks ?? new Int32Array(0)
  for (let e = 0; e < cannotLinks.length; e += 2) decided.add(keyOf(cannotLinks[e], cannotLinks[e + 1]))
  const sizes = clusterSizes(labels, clusters)
  const priorityOf = (v: number, u: number, p: number) =>
    mergePriority(p, company[v], company[u], sizes[labels[v]], sizes[labels[u]])
  const isExcluded = new Uint8Array(labels.length)
  for (const v of constraints?.excluded ?? []) isExcluded[v] = 1

  const best = new Map<number, { v: number; u: number; similarity: number; p: number }>()
  edges((v, u, similarity, probability) => {
    if (labels[u] === labels[v] || isExcluded[v] || isExcluded[u]) return
    const key = keyOf(v, u)
    if (decided.has(key)) return
    const p = probability()
    const held = best.get(key)
    if (!held || p > held.p) best.set(key, { v, u, similarity, p })
  })
  const ranked = [...best]
    .map(([key, edge]) => {
      const left = Math.floor(key / clusters)
      const right = key % clusters
      return { ...edge, left, right, key, priority: priorityOf(edge.v, edge.u, edge.p) }
    })
    .sort((a, b) => b.priority - a.priority || b.p - a.p || a.key - b.key)
  const taken = new Int32Array(clusters)
  const kept = ranked
    .filter(({ left, right }) => {
      if (taken[left] >= perCluster && taken[right] >= perCluster) return false
      taken[left]++
      taken[right]++
      return true
    })
    .slice(0, limit)
  return {
    count: kept.length,
    left: Int32Array.from(kept, ({ left }) => left),
    right: Int32Array.from(kept, ({ right }) => right),
    child: Int32Array.from(kept, ({ v, u }) => (above(v, u) ? u : v)),
    parent: Int32Array.from(kept, ({ v, u }) => (above(v, u) ? v : u)),
    similarity: Float32Array.from(kept, ({ similarity }) => similarity),
    probability: Float32Array.from(kept, ({ p }) => p),
    priority: Float64Array.from(kept, ({ priority }) => priority),
  }
}
