import { knn } from '../knn/knn.ts'
import { normalizeRows } from '../knn/normalize-rows.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import { dot } from './forest.ts'
import { clusterSizes } from './labels.ts'
import { ranking } from './tree-partition.ts'

/** Edges between vertices of different clusters; arrays of equal length. */
export interface CrossEdges {
  /** int32 */
  readonly from: Int32Array
  /** int32 */
  readonly to: Int32Array
  /** Cosine, float32. */
  readonly similarity: Float32Array
}

/** Nearest centroids of each cluster that are looked at. */
const NEAREST = 8
/** Members of each cluster that are compared, the most confident first. */
const EXEMPLARS = 8
/** With more clusters than this their centroids would take more memory than they are worth: neighbour lists must do. */
const MOST_CLUSTERS = 100_000

/**
 * For each two clusters whose centroids are near each other, the most similar pair of their most confident members: two
 * halves of one identity that no neighbour list connects, since the lists of both are full of their own.
 *
 * Clusters of one vertex are left out; their lists reach everywhere. Multi-modal clusters are why the centroid only
 * proposes and the best cross edge decides.
 *
 * @param labels dense from 0
 * @param x L2-normalised rows
 * Deterministic. c 8 nearest centroids, and 64 products a pair.
 */
export async function centroidEdges(
  labels: Labels,
  x: Matrix,
  confidence: Float32Array,
  control: Control = {},
): Promise<CrossEdges> {
  const none = { from: new Int32Array(0), to: new Int32Array(0), similarity: new Float32Array(0) }
  let count = 0
  for (const label of labels) count = Math.max(count, label + 1)
  const sizes = clusterSizes(labels, count)
  const large = Int32Array.from(sizes.keys()).filter((c) => sizes[c] > 1)
  if (large.length < 2 || large.length > MOST_CLUSTERS) return none
  const place = new Int32Array(count).fill(-1)
  for (let i = 0; i < large.length; i++) place[large[i]] = i

  const sums = new Float32Array(large.length * x.cols)
  const exemplars: number[][] = Array.from(large, () => [])
  const above = ranking(confidence)
  for (let v = 0; v < labels.length; v++) {
    const i = place[labels[v]]
    if (i < 0) continue
    for (let c = 0; c < x.cols; c++) sums[i * x.cols + c] += x.data[v * x.cols + c]
    keepMostConfident(exemplars[i], v)
  }
  // Members that cancel each other out have no middle: any direction will do, their edges decide.
  for (let i = 0; i < large.length; i++) sums[i * x.cols] += 1e-12
  const centroids = await normalizeRows({ data: sums, rows: large.length, cols: x.cols })
  const near = await knn(centroids, Math.min(NEAREST, large.length - 1), { signal: control.signal })

  const seen = new Set<number>()
  const from: number[] = []
  const to: number[] = []
  const similarity: number[] = []
  for (let i = 0; i < large.length; i++) {
    for (let e = i * near.k; e < (i + 1) * near.k; e++) {
      const j = near.ids[e]
      const key = Math.min(i, j) * large.length + Math.max(i, j)
      if (j < 0 || seen.has(key)) continue
      seen.add(key)
      let best = { v: -1, u: -1, s: Number.NEGATIVE_INFINITY }
      for (const v of exemplars[i]) {
        for (const u of exemplars[j]) {
          const s = dot(x, v, u)
          if (s > best.s) best = { v, u, s }
        }
      }
      from.push(best.v)
      to.push(best.u)
      similarity.push(best.s)
    }
  }
  return { from: Int32Array.from(from), to: Int32Array.from(to), similarity: Float32Array.from(similarity) }

  function keepMostConfident(kept: number[], v: number): void {
    kept.push(v)
    if (kept.length <= EXEMPLARS) return
    let least = 0
    for (let i = 1; i < kept.length; i++) if (above(kept[least], kept[i])) least = i
    kept.splice(least, 1)
  }
}
