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

/** Mean of pairwise and BCubed F: the one number that methods and settings are compared by. */
export const meanF = ({
  pairwise,
  bcubed,
}: {
  readonly pairwise: PrecisionRecall
  readonly bcubed: PrecisionRecall
}): number => (pairwise.f + bcubed.f) / 2
