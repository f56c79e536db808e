import type { Labels } from '../types.ts'
import { adjustedRandIndex } from './ari.ts'
import { bcubed } from './bcubed.ts'
import { clicksPerImage, purity } from './clicks.ts'
import { contingency } from './contingency.ts'
import { nmi } from './nmi.ts'
import { pairwise } from './pairwise.ts'
import type { PrecisionRecall } from './score.ts'

/** Every score of one partition against the truth. */
export interface ClusteringScores {
  readonly pairwise: PrecisionRecall
  readonly bcubed: PrecisionRecall
  /** Arithmetic normalisation. */
  readonly nmi: number
  readonly nmiGeometric: number
  readonly ari: number
  readonly purity: number
  readonly clicksPerImage: number
  readonly clusters: number
  readonly classes: number
  /** Vertices whose class is known. */
  readonly n: number
}

/**
 * Scores a partition against known classes; each score's own function says what it means and what happens at the
 * edges.
 *
 * @param predicted int32 [n]; below 0 = noise, a cluster of its own
 * @param truth int32 [n]; below 0 = not known, left out
 * @throws EngineError SHAPE_MISMATCH. Inputs are not changed; O(n).
 */
export function evaluateClustering(predicted: Labels, truth: Labels): ClusteringScores {
  const table = contingency(predicted, truth)
  return {
    pairwise: pairwise(table),
    bcubed: bcubed(table),
    nmi: nmi(table),
    nmiGeometric: nmi(table, 'geometric'),
    ari: adjustedRandIndex(table),
    purity: purity(table),
    clicksPerImage: clicksPerImage(table),
    clusters: table.clusterSizes.length,
    classes: table.classSizes.length,
    n: table.n,
  }
}
