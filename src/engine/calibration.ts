import { shorterLists } from './knn/sub-lists.ts'
import { logistic, logisticRegression, logit } from './logistic-regression.ts'
import { createRng } from './rng.ts'
import type { Labels, Matrix, NeighbourLists } from './types.ts'

/**
 * Turns an edge into the probability that its two ends are of one identity, in two steps.
 *
 * Any edge: z = bias + similarity s + shared m, with s the cosine and m the share of neighbours that both lists have in
 * common. Then the kind of question: edges that a partition kept are likelier, edges between two of its clusters less
 * likely than their looks, so z becomes bias + slope z for each, and p = 1 / (1 + exp(-z)).
 */
export interface EdgeCalibration {
  /** Neighbours that `shared` compares, the vertex itself not counted. */
  readonly k: number
  readonly bias: number
  readonly similarity: number
  readonly shared: number
  readonly parent: Adjustment
  readonly merge: Adjustment
  /** Labelled edges behind it; 0 = the prior. */
  readonly edges: number
}

/** z becomes bias + slope z. */
export interface Adjustment {
  readonly bias: number
  readonly slope: number
}

/** A question that has been answered: what the unadjusted calibration said, and the truth. */
export interface Outcome {
  readonly probability: number
  readonly isSame: boolean
}

/** Neighbours compared where lists are as long. */
export const CALIBRATION_K = 20
/** First neighbours of each vertex that give edges to the fit: those that become parents and merge questions. */
const RANKS = 10
/** Least edges of each kind that a fit needs. */
const EDGES_NEEDED = 20
const RANDOM_PAIRS = 2000
const UNCHANGED: Adjustment = { bias: 0, slope: 1 }

/**
 * Logistic fit on the edges of the neighbour lists whose two ends are labelled.
 *
 * Source: [PLATT99].
 *
 * @param labels int32 [n]; below 0 = not known
 * @returns undefined when there are too few edges of either kind: then use `priorCalibration`
 */
export function fitCalibration(lists: NeighbourLists, labels: Labels): EdgeCalibration | undefined {
  const near = shorterLists(lists, CALIBRATION_K)
  const share = sharedNeighbours(near)
  const rows: number[][] = []
  const truths: number[] = []
  for (let v = 0; v < near.n; v++) {
    if (labels[v] < 0) continue
    for (let e = v * near.k; e < v * near.k + Math.min(RANKS, near.k); e++) {
      const u = near.ids[e]
      if (u < 0 || labels[u] < 0) continue
      rows.push([1, near.similarities[e], share(v, u)])
      truths.push(labels[u] === labels[v] ? 1 : 0)
    }
  }
  const positives = truths.reduce((sum, y) => sum + y, 0)
  if (positives < EDGES_NEEDED || truths.length - positives < EDGES_NEEDED) return undefined
  const [bias, similarity, shared] = logisticRegression(rows, truths, [0, 0.01, 0.01])
  return { k: near.k, bias, similarity, shared, parent: UNCHANGED, merge: UNCHANGED, edges: truths.length }
}

/** The same calibration, adjusted to how often kept edges and merge questions turned out true. */
export function adjustCalibration(
  calibration: EdgeCalibration,
  outcomes: { readonly parent: readonly Outcome[]; readonly merge: readonly Outcome[] },
): EdgeCalibration {
  return { ...calibration, parent: adjustment(outcomes.parent), merge: adjustment(outcomes.merge) }
}

/** Two weights on top of what is believed, pulled to no change as if by some unanimous examples. */
function adjustment(outcomes: readonly Outcome[]): Adjustment {
  if (outcomes.length < EDGES_NEEDED) return UNCHANGED
  const z = outcomes.map(({ probability }) => logit(probability))
  const [bias, slope] = logisticRegression(
    z.map((value) => [1, value]),
    outcomes.map(({ isSame }) => (isSame ? 1 : 0)),
    [1, 1],
    z,
  )
  // A negative slope would turn the order of questions round: then few examples say more than they know.
  return slope <= -0.8 ? { bias, slope: 0.2 } : { bias, slope: 1 + slope }
}

/**
 * What to believe without labels: .5 halfway between chance and the typical nearest neighbour, .9 at that neighbour.
 * Chance is the mean plus two deviations of the similarity of random pairs. It is a ranking with a plausible scale,
 * not a measured probability, and says so by `edges: 0`.
 */
export function priorCalibration(lists: NeighbourLists, x: Matrix, seed: number): EdgeCalibration {
  const { n, k, ids, similarities } = lists
  const prior = { k: Math.min(k, CALIBRATION_K), shared: 0, parent: UNCHANGED, merge: UNCHANGED, edges: 0 }
  const nearest: number[] = []
  for (let v = 0; v < n; v++) if (k > 0 && ids[v * k] >= 0) nearest.push(similarities[v * k])
  if (nearest.length === 0) return { ...prior, bias: 0, similarity: 0 }
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
  return { ...prior, bias: -slope * middle, similarity: slope }
}

/** What a pair of neighbours is asked as. */
export type EdgeKind = 'any' | 'parent' | 'merge'

/** The probability of any pair, given what the calibration has learnt. */
export function edgeProbability(
  calibration: EdgeCalibration,
  lists: NeighbourLists,
): (v: number, u: number, similarity: number, kind: EdgeKind) => number {
  const { k, bias, similarity: bySimilarity, shared: byShared } = calibration
  const share = byShared === 0 ? () => 0 : sharedNeighbours(shorterLists(lists, k))
  return (v, u, similarity, kind) => {
    const z = bias + bySimilarity * similarity + byShared * share(v, u)
    if (kind === 'any') return logistic(z)
    return logistic(calibration[kind].bias + calibration[kind].slope * z)
  }
}

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
