import { chanceSimilarity } from './knn/chance-similarity.ts'
import { shorterLists } from './knn/sub-lists.ts'
import { logistic, logisticRegression, logit } from './logistic-regression.ts'
import type { Labels, Matrix, NeighbourLists } from './types.ts'

/**
 * Turns an edge into the probability that its two ends are of one identity, in two steps.
 *
 * Any edge: z = bias + similarity s + shared m, with s the cosine and m the share of neighbours that both lists have in
 * common. Then the kind of question: edges that a partition kept are likelier, edges between two of its clusters less
 * likely than their looks, so z becomes bias + slope z for each, and p = 1 / (1 + exp(-z)). The size of the smaller cluster
 * counts as well: how large identities are is a property of the data.
 */
export interface EdgeCalibration {
  /** Neighbours that `shared` compares, the vertex itself not counted. */
  readonly k: number
  readonly bias: number
  readonly similarity: number
  readonly shared: number
  readonly parent: Adjustment
  readonly merge: Adjustment
  /**
   * Of two clusters whose ends are one identity: which share of a cluster belongs to it, on top of what its tree says. A product
   * along paths takes errors for independent, and they are not: a cluster is sound or junk as a whole. Absent: as the tree says.
   */
  readonly company?: Adjustment
  /** Labelled edges behind it; 0 = the prior. */
  readonly edges: number
}

/** z becomes bias + slope z + sizes[floor(log2(size))]; the last of these stands for all larger sizes. */
export interface Adjustment {
  readonly bias: number
  readonly slope: number
  readonly sizes?: readonly number[]
}

/** Something that has come out: what the unadjusted calibration said, and the truth, or the share that was true. */
export interface Outcome {
  readonly probability: number
  readonly truth: number
  /** Of the cluster in question, where its size is to count. */
  readonly size?: number
}

/** What came out of each kind of question, and of the company that a merge was expected to bring together. */
export interface Outcomes {
  readonly parent: readonly Outcome[]
  readonly merge: readonly Outcome[]
  readonly company: readonly Outcome[]
}

/** Neighbours compared where lists are as long. */
export const CALIBRATION_K = 20
/** First neighbours of each vertex that give edges to the fit: those that become parents and merge questions. */
const RANKS = 10
/** Least edges of each kind that a fit needs. */
const EDGES_NEEDED = 20
const UNCHANGED: Adjustment = { bias: 0, slope: 1 }
/** Sizes 1, 2-3, 4-7, ... 128 and more. */
const SIZE_STEPS = 8
/** How hard the weight of a size is pulled to 0, in examples. */
const SIZE_RIDGE = 2
/** Shares of 0 and 1 are finite log-odds. */
const LEAST_SHARE = 1e-6

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
export function adjustCalibration(calibration: EdgeCalibration, outcomes: Outcomes): EdgeCalibration {
  return {
    ...calibration,
    parent: adjustment(outcomes.parent),
    merge: adjustment(outcomes.merge),
    company: adjustment(outcomes.company),
  }
}

const sizeStep = (size: number) => Math.min(SIZE_STEPS - 1, Math.floor(Math.log2(Math.max(1, size))))

/** Weights on top of what is believed, pulled to no change as if by some unanimous examples. */
function adjustment(outcomes: readonly Outcome[]): Adjustment {
  if (outcomes.length < EDGES_NEEDED) return UNCHANGED
  const hasSizes = outcomes.some(({ size }) => size !== undefined)
  const steps = hasSizes ? Array.from({ length: SIZE_STEPS }, (_, step) => step) : []
  const z = outcomes.map(({ probability }) => logit(probability))
  const [bias, slope, ...sizes] = logisticRegression(
    outcomes.map(({ size = 1 }, i) => [1, z[i], ...steps.map((step) => (step === sizeStep(size) ? 1 : 0))]),
    outcomes.map(({ truth }) => truth),
    [1, 1, ...steps.map(() => SIZE_RIDGE)],
    z,
  )
  // A negative slope would turn the order of questions round: then few examples say more than they know.
  return { bias, slope: slope <= -0.8 ? 0.2 : 1 + slope, ...(hasSizes && { sizes }) }
}

const adjusted = ({ bias, slope, sizes }: Adjustment, z: number, size = 1) =>
  logistic(bias + slope * z + (sizes?.[sizeStep(size)] ?? 0))

/** A share of 0..1 as a probability with finite log-odds. */
export const asProbability = (share: number) => Math.min(1 - LEAST_SHARE, Math.max(LEAST_SHARE, share))

/**
 * Members of v's cluster expected to share its identity, given that v is one end of a merge that is right.
 *
 * @param company float64 [n]: what the trees say, from `expectedCompany`
 * @param sizeOf of a vertex' cluster
 */
export function companyInMerges(
  { company: learnt }: EdgeCalibration,
  company: Float64Array,
  sizeOf: (v: number) => number,
): Float64Array {
  if (!learnt) return company
  return company.map((expected, v) => {
    const others = sizeOf(v) - 1
    return others < 1 ? 1 : 1 + others * adjusted(learnt, logit(asProbability((expected - 1) / others)), others + 1)
  })
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
  const { mean, deviation } = chanceSimilarity(x, seed)
  const chance = mean + 2 * deviation
  // In a tiny set the nearest neighbour may be no better than chance: the curve then stays steep, just below it.
  const middle = Math.min((chance + typical) / 2, typical - 0.02)
  const slope = Math.log(9) / (typical - middle)
  return { ...prior, bias: -slope * middle, similarity: slope }
}

/** What a pair of neighbours is asked as. */
export type EdgeKind = 'any' | 'parent' | 'merge'

/** The probability of any pair, given what the calibration has learnt; of a merge also by the size of the smaller cluster. */
export function edgeProbability(
  calibration: EdgeCalibration,
  lists: NeighbourLists,
): (v: number, u: number, similarity: number, kind: EdgeKind, size?: number) => number {
  const { k, bias, similarity: bySimilarity, shared: byShared } = calibration
  const share = byShared === 0 ? () => 0 : sharedNeighbours(shorterLists(lists, k))
  return (v, u, similarity, kind, size) => {
    const z = bias + bySimilarity * similarity + byShared * share(v, u)
    return kind === 'any' ? logistic(z) : adjusted(calibration[kind], z, size)
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
