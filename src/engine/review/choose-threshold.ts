import { incompleteBeta, shareLowerBound } from './binomial-interval.ts'
import type { AnsweredLink } from './probability-map.ts'

/** The threshold from which on links need no person, and what is known of it. */
export interface ThresholdChoice {
  /** Links of at least this probability are accepted; null when none can be guaranteed. */
  readonly threshold: number | null
  /** Of their share of right ones, with error delta. */
  readonly precisionLowerBound: number | null
  readonly labelsUsed: number
  /** Share of all links at or above the threshold. */
  readonly acceptedShare: number
  /** More labels that would probably do, when threshold is null; 1,000,000 where no number is foreseen to do. */
  readonly labelsNeeded: number | null
}

/** Steps of the walk: shares of links accepted, each this much larger than the one before. */
const STEP = 1.15
/** Walks that share delta. */
const WALKS = 3
/** Nobody labels more than this for a threshold: what would need more is out of reach. */
const MOST_LABELS = 1_000_000

/**
 * Chooses the lowest probability threshold at which the share of right links is at least `target`, with a chance of at
 * most `delta` that the choice is wrong, for any sample size and any quality of the model.
 *
 * Sources: [KANG20] for the problem; [ANGELOPOULOS21] for the test: shares of the population to accept are fixed before
 * any label is seen, and tested upwards until the first one fails, each with an exact binomial bound [CLOPPER34]. Three such
 * walks share delta evenly: from the smallest share that the sample can support, from the middle, and from everything.
 * Differs: uniform samples instead of importance weights, whose bounds need many more labels at the precisions asked for.
 *
 * @param sample a uniform random sample of the links, in any order; its size must not depend on its labels
 * @param population the probability of every link, from the same scale
 */
export function chooseThreshold(
  sample: readonly AnsweredLink[],
  population: Float32Array | Float64Array,
  target: number,
  delta: number,
): ThresholdChoice {
  const ascending = Float64Array.from(population).sort()
  const n = ascending.length
  /** The probability that this share of links reaches, ties included. */
  const thresholdAt = (share: number) =>
    share >= 1 ? (ascending[0] ?? 0) : ascending[Math.max(0, Math.ceil(n - share * n))]
  const countAt = (threshold: number) => {
    let [right, all] = [0, 0]
    for (const { probability, isSame } of sample) {
      if (probability < threshold) continue
      all++
      if (isSame) right++
    }
    return { right, all }
  }
  let best: number | undefined
  for (const walk of n > 0 ? planWalks(sample.length, target, delta) : []) {
    for (const share of walk) {
      const threshold = thresholdAt(share)
      if (!isProven(countAt(threshold), target, delta)) break
      best = Math.min(best ?? threshold, threshold)
    }
  }
  if (best === undefined) {
    const labelsNeeded = estimateLabels(sample, ascending, thresholdAt, target, delta)
    return { threshold: null, precisionLowerBound: null, labelsUsed: sample.length, acceptedShare: 0, labelsNeeded }
  }
  let accepted = 0
  for (const probability of ascending) if (probability >= best) accepted++
  const { right, all } = countAt(best)
  return {
    threshold: best,
    precisionLowerBound: shareLowerBound(right, all, delta / WALKS),
    labelsUsed: sample.length,
    acceptedShare: accepted / n,
    labelsNeeded: null,
  }
}

/** Whether so many right ones refute any share below the target, with error delta / WALKS: the bound is at or above it. */
function isProven({ right, all }: { right: number; all: number }, target: number, delta: number): boolean {
  if (all === 0 || right / all < target) return false
  return incompleteBeta(target, right, all - right + 1) <= delta / WALKS
}

/** Labels that prove the target if none of them is wrong. */
const fewest = (target: number, delta: number) => Math.ceil(Math.log(delta / WALKS) / Math.log(target))

/**
 * Shares of links to test, each walk ascending: from where the sample is just large enough to pass, from the middle, and
 * everything alone.
 */
function planWalks(labels: number, target: number, delta: number): number[][] {
  const first = Math.min(1, (1.2 * fewest(target, delta)) / Math.max(1, labels))
  return [first, Math.sqrt(first), 1].map((start) => {
    const walk: number[] = []
    for (let share = start; share < 1; share *= STEP) walk.push(share)
    return [...walk, 1]
  })
}

/**
 * Labels still missing, if links go on being right as often as those answered so far: for each share of links the
 * smallest sample that would probably pass, and of these the least.
 */
function estimateLabels(
  sample: readonly AnsweredLink[],
  ascending: Float64Array,
  thresholdAt: (share: number) => number,
  target: number,
  delta: number,
): number {
  let least = MOST_LABELS
  for (const share of [1, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05]) {
    if (ascending.length === 0) break
    const threshold = thresholdAt(share)
    let [right, all] = [0, 0]
    for (const { probability, isSame } of sample) {
      if (probability < threshold) continue
      all++
      if (isSame) right++
    }
    // What the model believes counts as ten answers, so that a handful of answers does not decide.
    let [believed, count] = [0, 0]
    for (const probability of ascending) {
      if (probability < threshold) continue
      believed += probability
      count++
    }
    const expected = (right + 10 * (believed / Math.max(1, count))) / (all + 10)
    least = Math.min(least, samplePassing(expected, target, delta) / share)
  }
  return least >= MOST_LABELS ? MOST_LABELS : Math.max(1, Math.ceil(least) - sample.length)
}

/** The smallest sample whose bound reaches the target if it is right as often as expected. */
function samplePassing(expected: number, target: number, delta: number): number {
  if (expected <= target) return Number.POSITIVE_INFINITY
  for (let n = fewest(target, delta); n < MOST_LABELS; n = Math.ceil(n * 1.05)) {
    if (isProven({ right: Math.floor(n * expected), all: n }, target, delta)) return n
  }
  return Number.POSITIVE_INFINITY
}
