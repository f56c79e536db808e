import { type ShareInterval, shareInterval, weightedShareInterval } from './binomial-interval.ts'

/** Answers of a random share of questions, and what they were drawn from. */
export interface AuditSample {
  /** Pairs drawn evenly from all that share a cluster. */
  readonly within: readonly boolean[]
  /** Pairs drawn across likely merges, each with the pairs it stands for. */
  readonly across: readonly { readonly isSame: boolean; readonly weight: number }[]
  /** Pairs that share a cluster. */
  readonly withinPairs: number
  /** Pairs across all likely merges. */
  readonly acrossPairs: number
}

/** Pairwise precision and recall of a clustering, as a random sample of answers tells. */
export interface EstimatedQuality {
  readonly precision: ShareInterval
  /** Among pairs that share a cluster or stand across a likely merge: what no neighbour list connects is not seen. */
  readonly recall: ShareInterval
}

/**
 * Estimates pairwise precision and recall from audit answers alone; each interval holds with at least 95 %.
 *
 * Right pairs inside are `precision * withinPairs`, missed ones `share of SAME across * acrossPairs`. The interval of recall
 * takes both at their ends at once, each at 97.5 %, so that it errs on the wide side.
 */
export function estimateQuality({ within, across, withinPairs, acrossPairs }: AuditSample): EstimatedQuality {
  const same = within.reduce((sum, isSame) => sum + (isSame ? 1 : 0), 0)
  const precision = shareInterval(same, within.length)
  const inside = shareInterval(same, within.length, 0.975)
  const missed = weightedShareInterval(
    across.map(({ isSame, weight }) => ({ isTrue: isSame, weight })),
    0.975,
  )
  const recallOf = (right: number, lost: number) =>
    right * withinPairs + lost * acrossPairs === 0
      ? 1
      : (right * withinPairs) / (right * withinPairs + lost * acrossPairs)
  const hasAcross = acrossPairs > 0
  return {
    precision,
    recall: {
      value: recallOf(precision.value, hasAcross && across.length > 0 ? missed.value : 0),
      low: recallOf(inside.low, hasAcross ? missed.high : 0),
      high: recallOf(inside.high, hasAcross ? missed.low : 0),
      sampleSize: within.length + across.length,
    },
  }
}
