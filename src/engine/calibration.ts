import { createRng } from './rng.ts'
import type { Labels, Matrix, NeighbourLists } from './types.ts'

/**
 * Turns an edge into the probability that its two ends are of one identity:
 * p = 1 / (1 + exp(-(bias + similarity s + shared m))), with s the cosine and m the share of neighbours that the two
 * lists have in common.
 */
export interface EdgeCalibration {
  readonly bias: number
  readonly similarity: number
  readonly shared: number
  /** Labelled edges behind it; 0 = the prior. */
  readonly edges: number
}

/** Least edges of each kind that a fit needs. */
const EDGES_NEEDED = 20
/** Strength of the pull towards small weights, as so many edges. */
const RIDGE = 1
const NEWTON_STEPS = 30
const RANDOM_PAIRS = 2000

/**
 * Logistic fit on the edges of the neighbour lists whose two ends are labelled, by Newton's method.
 *
 * Source: [PLATT99]. Every vertex gives its first `rank` edges: the ones that become parents and merge questions.
 *
 * @param labels int32 [n]; below 0 = not known
 * @param isCounted which vertices may give edges, e.g. held-out ones; default all
 * @returns undefined when there are too few edges of either kind: then use `priorCalibration`
 */
export function fitCalibration(
  lists: NeighbourLists,
  labels: Labels,
  isCounted: (v: number) => boolean = () => true,
  rank = 10,
): EdgeCalibration | undefined {
  const { n, k, ids, similarities } = lists
  const share = sharedNeighbours(lists)
  const rows: number[] = []
  const truths: number[] = []
  for (let v = 0; v < n; v++) {
    if (labels[v] < 0 || !isCounted(v)) continue
    for (let e = v * k; e < v * k + Math.min(rank, k); e++) {
      if (ids[e] < 0 || labels[ids[e]] < 0) continue
      rows.push(similarities[e], share(v, ids[e]))
      truths.push(labels[ids[e]] === labels[v] ? 1 : 0)
    }
  }
  const positives = truths.reduce((sum, y) => sum + y, 0)
  if (positives < EDGES_NEEDED || truths.length - positives < EDGES_NEEDED) return undefined
  const [bias, similarity, shared] = newtonLogistic(rows, truths)
  return { bias, similarity, shared, edges: truths.length }
}

/**
 * What to believe without labels: .5 halfway between chance and the typical nearest neighbour, .9 at that neighbour.
 * Chance is the mean plus two deviations of the similarity of random pairs. It is a ranking with a plausible scale,
 * not a measured probability, and says so by `edges: 0`.
 */
export function priorCalibration(lists: NeighbourLists, x: Matrix, seed: number): EdgeCalibration {
  const { n, k, ids, similarities } = lists
  const nearest: number[] = []
  for (let v = 0; v < n; v++) if (k > 0 && ids[v * k] >= 0) nearest.push(similarities[v * k])
  if (nearest.length === 0) return { bias: 0, similarity: 0, shared: 0, edges: 0 }
  nearest.sort((a, b) => a - b)
  const typical = nearest[nearest.length >> 1]
  const rng = createRng(seed)
  let sum = 0
  let squares = 0
  for (let i = 0; i < RANDOM_PAIRS; i++) {
    const a = rng.int(n)
    const b = (a + 1 + rng.int(n - 1)) % n
    let s = 0
    for (let c = 0; c < x.cols; c++) s += x.data[a * x.cols + c] * x.data[b * x.cols + c]
    sum += s
    squares += s * s
  }
  const mean = sum / RANDOM_PAIRS
  const chance = mean + 2 * Math.sqrt(Math.max(0, squares / RANDOM_PAIRS - mean * mean))
  // In a tiny set the nearest neighbour may be no better than chance: the curve then stays steep, just below it.
  const middle = Math.min((chance + typical) / 2, typical - 0.02)
  const slope = Math.log(9) / (typical - middle)
  return { bias: -slope * middle, similarity: slope, shared: 0, edges: 0 }
}

/** The probability of any pair, given what the calibration has learnt. */
export function edgeProbability(
  calibration: EdgeCalibration,
  lists: NeighbourLists,
): (v: number, u: number, similarity: number) => number {
  const { bias, similarity: bySimilarity, shared: byShared } = calibration
  const share = byShared === 0 ? () => 0 : sharedNeighbours(lists)
  return (v, u, similarity) => logistic(bias + bySimilarity * similarity + byShared * share(v, u))
}

export const logistic = (z: number): number => 1 / (1 + Math.exp(-z))

/** Share of two vertices' lists that they have in common, each counted as its own neighbour; 0..1. */
function sharedNeighbours({ n, k, ids }: NeighbourLists): (v: number, u: number) => number {
  const stamp = new Int32Array(n).fill(-1)
  let marked = -1
  return (v, u) => {
    if (marked !== v) {
      for (let e = v * k; e < (v + 1) * k; e++) if (ids[e] >= 0) stamp[ids[e]] = v
      stamp[v] = v
      marked = v
    }
    let common = stamp[u] === v ? 1 : 0
    for (let e = u * k; e < (u + 1) * k; e++) if (ids[e] >= 0 && stamp[ids[e]] === v) common++
    return common / (k + 1)
  }
}

/** Weights (bias, a, b) of a two-feature logistic regression; rows are a, b one after the other. */
function newtonLogistic(rows: number[], truths: number[]): [number, number, number] {
  const w: [number, number, number] = [0, 0, 0]
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const g = [0, -RIDGE * 0.01 * w[1], -RIDGE * 0.01 * w[2]]
    const h = [1e-9, 0, 0, RIDGE * 0.01, 0, RIDGE * 0.01]
    for (let i = 0; i < truths.length; i++) {
      const a = rows[2 * i]
      const b = rows[2 * i + 1]
      const p = logistic(w[0] + w[1] * a + w[2] * b)
      const error = truths[i] - p
      const curve = p * (1 - p)
      g[0] += error
      g[1] += error * a
      g[2] += error * b
      h[0] += curve
      h[1] += curve * a
      h[2] += curve * b
      h[3] += curve * a * a
      h[4] += curve * a * b
      h[5] += curve * b * b
    }
    const [h00, h01, h02, h11, h12, h22] = h
    const c00 = h11 * h22 - h12 * h12
    const c01 = h02 * h12 - h01 * h22
    const c02 = h01 * h12 - h02 * h11
    const determinant = h00 * c00 + h01 * c01 + h02 * c02
    if (!(Math.abs(determinant) > 1e-30)) break
    const c11 = h00 * h22 - h02 * h02
    const c12 = h01 * h02 - h00 * h12
    const c22 = h00 * h11 - h01 * h01
    const move = [
      (c00 * g[0] + c01 * g[1] + c02 * g[2]) / determinant,
      (c01 * g[0] + c11 * g[1] + c12 * g[2]) / determinant,
      (c02 * g[0] + c12 * g[1] + c22 * g[2]) / determinant,
    ]
    for (let i = 0; i < 3; i++) w[i] += Math.max(-20, Math.min(20, move[i]))
    if (Math.max(...move.map(Math.abs)) < 1e-7) break
  }
  return w
}
