import { logistic, logisticRegression, logit } from '../logistic-regression.ts'

/** An answered question: what the model had said, and what people say. */
export interface AnsweredLink {
  /** 0..1 */
  readonly probability: number
  readonly isSame: boolean
}

/**
 * From the model's probability to one that answers agree with. Piecewise linear through `x`, `y`, both ascending; empty =
 * as it is.
 */
export interface ProbabilityMap {
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly method: 'NONE' | 'PLATT' | 'ISOTONIC'
  /** Answers behind it. */
  readonly answers: number
}

/** So few answers say nothing. */
const LEAST = 20
/** From here on the shape is learnt too; isotonic regression on less is staircase and noise. */
const ISOTONIC_FROM = 200
/** Knots of the curve that stands for a Platt fit. */
const KNOTS = [0.001, 0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99, 0.999]

export const NO_CHANGE: ProbabilityMap = { x: [], y: [], method: 'NONE', answers: 0 }

/**
 * Fits a map on answered questions, which must be a random sample: Platt scaling, pulled to no change as if by a few
 * unanimous examples; isotonic regression once there are many.
 *
 * Sources: [PLATT99], [ZADROZNY02] by pool-adjacent-violators. Differs: blocks are shrunk by half an example of each kind,
 * so that nothing is ever certain, and joined linearly between their means.
 */
export function fitProbabilityMap(answers: readonly AnsweredLink[]): ProbabilityMap {
  if (answers.length < LEAST) return NO_CHANGE
  return answers.length < ISOTONIC_FROM ? fitPlatt(answers) : fitIsotonic(answers)
}

function fitPlatt(answers: readonly AnsweredLink[]): ProbabilityMap {
  const z = answers.map(({ probability }) => logit(probability))
  const [bias, slope] = logisticRegression(
    z.map((value) => [1, value]),
    answers.map(({ isSame }) => (isSame ? 1 : 0)),
    [1, 1],
    z,
  )
  // A map that turns the order round would say that the model knows less than nothing: few answers can not.
  const steepness = Math.max(0.2, 1 + slope)
  return {
    x: KNOTS,
    y: KNOTS.map((p) => logistic(bias + steepness * logit(p))),
    method: 'PLATT',
    answers: answers.length,
  }
}

function fitIsotonic(answers: readonly AnsweredLink[]): ProbabilityMap {
  const ascending = [...answers].sort((a, b) => a.probability - b.probability)
  const blocks: { count: number; same: number; sum: number }[] = []
  for (const { probability, isSame } of ascending) {
    let block = { count: 1, same: isSame ? 1 : 0, sum: probability }
    for (let last = blocks.at(-1); last && last.same * block.count >= block.same * last.count; last = blocks.at(-1)) {
      blocks.pop()
      block = { count: last.count + block.count, same: last.same + block.same, sum: last.sum + block.sum }
    }
    blocks.push(block)
  }
  const x: number[] = []
  const y: number[] = []
  for (const { count, same, sum } of blocks) {
    // Shrinking small blocks may break the order by a hair: the running maximum restores it.
    const share = Math.max(y.at(-1) ?? 0, (same + 0.5) / (count + 1))
    if (x.at(-1) === sum / count) y[y.length - 1] = share
    else {
      x.push(sum / count)
      y.push(share)
    }
  }
  return { x, y, method: 'ISOTONIC', answers: answers.length }
}

/** The mapped probability; constant beyond the outermost knots. Never turns the order of two probabilities round. */
export function mapProbability({ x, y }: ProbabilityMap, probability: number): number {
  if (x.length === 0) return probability
  if (probability <= x[0]) return y[0]
  const last = x.length - 1
  if (probability >= x[last]) return y[last]
  let i = 1
  while (x[i] < probability) i++
  const share = (probability - x[i - 1]) / (x[i] - x[i - 1])
  return y[i - 1] + share * (y[i] - y[i - 1])
}
