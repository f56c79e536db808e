import type { Labels, Matrix, NeighbourLists } from '../types.ts'
import { clusterSizes } from './labels.ts'
import { ranking } from './tree-partition.ts'

/** Members of a cluster that a local peak is compared with, the most confident first, when no neighbour will do. */
const MEMBERS_COMPARED = 512

/** One tree a cluster: who hangs on whom. */
export interface Forest {
  /** int32 [n]: a more confident vertex of the same cluster, -1 for the root. */
  readonly parent: Int32Array
  /** float32 [n]: cosine similarity to the parent, 0 for a root. */
  readonly parentSimilarity: Float32Array
  /** int32 [n]: the vertex and all below it. */
  readonly subtreeSize: Int32Array
  /** int32 [clusters] */
  readonly clusterSizes: Int32Array
  /** int32 [clusters]: the most confident vertex of each cluster, ties by lower index. */
  readonly roots: Int32Array
}

/**
 * A tree for every cluster of any partition, so that people can review the links of any method in the same way.
 *
 * The parent is, in this order: the vertex's own choice if given and in the cluster; its most similar more confident
 * neighbour in the cluster; the most similar of those that list it; the most similar of the cluster's most confident
 * members. The most confident vertex is the only root.
 *
 * @param labels dense from 0
 * @param x L2-normalised rows of the embedding: similarities of the result are cosines between these
 * @param chosen int32 [n]: preferred parent or -1; it must be more confident
 * Linear in the lists, except for local peaks. Nothing is changed.
 */
export function clusterForest(
  labels: Labels,
  lists: NeighbourLists,
  confidence: Float32Array,
  x: Matrix,
  chosen?: Int32Array,
): Forest {
  const { n, k, ids, similarities } = lists
  const above = ranking(confidence)
  let count = 0
  for (const label of labels) count = Math.max(count, label + 1)
  const roots = new Int32Array(count).fill(-1)
  for (let v = 0; v < n; v++) if (roots[labels[v]] < 0 || above(v, roots[labels[v]])) roots[labels[v]] = v

  const parent = new Int32Array(n).fill(-1)
  const strength = new Float32Array(n).fill(-Infinity)
  const hasChosen = new Uint8Array(n)
  const mayHang = (v: number, u: number) => u >= 0 && labels[u] === labels[v] && above(u, v)
  for (let v = 0; v < n; v++) {
    if (chosen && mayHang(v, chosen[v])) {
      parent[v] = chosen[v]
      hasChosen[v] = 1
      continue
    }
    for (let e = v * k; e < (v + 1) * k && parent[v] < 0; e++) {
      if (mayHang(v, ids[e])) {
        parent[v] = ids[e]
        hasChosen[v] = 1
      }
    }
  }
  for (let u = 0; u < n; u++) {
    for (let e = u * k; e < (u + 1) * k; e++) {
      const v = ids[e]
      if (v < 0 || hasChosen[v] || !mayHang(v, u) || !(similarities[e] > strength[v])) continue
      parent[v] = u
      strength[v] = similarities[e]
    }
  }
  hangLocalPeaks()

  const parentSimilarity = new Float32Array(n)
  for (let v = 0; v < n; v++) if (parent[v] >= 0) parentSimilarity[v] = dot(x, v, parent[v])
  return {
    parent,
    parentSimilarity,
    subtreeSize: subtreeSizes(parent, confidence),
    clusterSizes: clusterSizes(labels, count),
    roots,
  }

  function hangLocalPeaks(): void {
    const members = new Map<number, number[]>()
    for (let v = 0; v < n; v++) if (parent[v] < 0 && v !== roots[labels[v]]) members.set(labels[v], [])
    if (members.size === 0) return
    for (let v = 0; v < n; v++) members.get(labels[v])?.push(v)
    for (const inside of members.values()) {
      inside.sort((a, b) => (above(a, b) ? -1 : 1))
      for (let rank = 1; rank < inside.length; rank++) {
        const v = inside[rank]
        if (parent[v] >= 0) continue
        for (let i = 0; i < Math.min(rank, MEMBERS_COMPARED); i++) {
          const similarity = dot(x, v, inside[i])
          if (parent[v] >= 0 && !(similarity > strength[v])) continue
          parent[v] = inside[i]
          strength[v] = similarity
        }
      }
    }
  }
}

function subtreeSizes(parent: Int32Array, confidence: Float32Array): Int32Array {
  const above = ranking(confidence)
  // Least confident first: every vertex is counted before its parent is passed on.
  const order = Int32Array.from(parent.keys()).sort((a, b) => (above(a, b) ? 1 : -1))
  const sizes = new Int32Array(parent.length).fill(1)
  for (const v of order) if (parent[v] >= 0) sizes[parent[v]] += sizes[v]
  return sizes
}

export function dot({ data, cols }: Matrix, i: number, j: number): number {
  let sum = 0
  for (let c = 0; c < cols; c++) sum += data[i * cols + c] * data[j * cols + c]
  return sum
}
