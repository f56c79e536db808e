/** Precision, recall and their harmonic mean, each 0..1. */
export interface PrecisionRecall {
  readonly precision: number
  readonly recall: number
  readonly f: number
}

/** F is 0 where both parts are 0. */
export function precisionRecall(precision: number, recall: number): PrecisionRecall {
  const f = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall)
  return { precision, recall, f }
}

/** Both F of one partition. */
export interface BothF {
  readonly pairwise: PrecisionRecall
  readonly bcubed: PrecisionRecall
}

/**
 * Geometric mean of both F: near 0 where either is. One giant cluster beside singletons can have a BCubed F of .44 at a pairwise F of .02,
 * and as lessons it is worth nothing.
 */
export const geometricF = ({ pairwise, bcubed }: BothF): number => Math.sqrt(pairwise.f * bcubed.f)

/** Mean of pairwise and BCubed F: the one number that methods and settings are compared by. */
export const meanF = ({ pairwise, bcubed }: BothF): number => (pairwise.f + bcubed.f) / 2
