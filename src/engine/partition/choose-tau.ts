import { heldOutScores } from '../metrics/held-out.ts'
import type { Labels, NeighbourLists } from '../types.ts'
import { treePartition } from './tree-partition.ts'

/** How one threshold does on labelled data. */
export interface TauPoint {
  readonly tau: number
  readonly pairwiseF: number
  readonly bcubedF: number
}

export interface TauChoice extends TauPoint {
  /** Mean of both F: what the choice goes by. */
  readonly score: number
  readonly curve: readonly TauPoint[]
}

/** Thresholds tried, ascending. */
const GRID = Array.from({ length: 50 }, (_, i) => i * 0.02)

/** One way to split identities, and how the whole set is partitioned without having learnt from the counted ones. */
export interface TauFold {
  /** By class label: is it held out in this fold? */
  readonly isCounted: (label: number) => boolean
  readonly partition: (tau: number) => Labels
}

/**
 * The threshold with the best mean of pairwise and BCubed F on held-out identities, averaged over the folds, with the
 * whole curve.
 *
 * The curve is smoothed over its neighbours before the best is taken, so that one lucky cut does not decide; ties go to
 * the higher tau, which merges less.
 */
export function chooseTau(truth: Labels, folds: readonly TauFold[]): TauChoice {
  const curve = GRID.map((tau): TauPoint => {
    let pairwiseF = 0
    let bcubedF = 0
    for (const { isCounted, partition } of folds) {
      const { pairwise, bcubed } = heldOutScores(partition(tau), truth, isCounted)
      pairwiseF += pairwise.f / folds.length
      bcubedF += bcubed.f / folds.length
    }
    return { tau, pairwiseF, bcubedF }
  })
  const mean = curve.map(({ pairwiseF, bcubedF }) => (pairwiseF + bcubedF) / 2)
  const smooth = mean.map((m, i) => (2 * m + (mean[i - 1] ?? m) + (mean[i + 1] ?? m)) / 4)
  let best = 0
  for (let i = 1; i < smooth.length; i++) if (smooth[i] >= smooth[best]) best = i
  return { ...curve[best], score: mean[best], curve }
}

/** A fold whose partition is the confidence tree's. */
export function treeFold(fold: {
  readonly isCounted: (label: number) => boolean
  readonly lists: NeighbourLists
  readonly confidence: Float32Array
  readonly preferred?: Int32Array
}): TauFold {
  const { isCounted, lists, confidence, preferred } = fold
  return { isCounted, partition: (tau) => treePartition(lists, confidence, { tau, preferred }).labels }
}
