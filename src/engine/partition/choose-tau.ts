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

/**
 * The threshold with the best mean of pairwise and BCubed F on counted identities, with the whole curve.
 *
 * The curve is smoothed over its neighbours before the best is taken, so that one lucky cut does not decide; ties go to the higher
 * tau, which merges less.
 *
 * @param partition labels at a threshold; by default the confidence tree's
 */
export function chooseTau(
  truth: Labels,
  isCounted: (label: number) => boolean,
  partition: (tau: number) => Labels,
): TauChoice {
  const curve = GRID.map((tau): TauPoint => {
    const { pairwise, bcubed } = heldOutScores(partition(tau), truth, isCounted)
    return { tau, pairwiseF: pairwise.f, bcubedF: bcubed.f }
  })
  const mean = curve.map(({ pairwiseF, bcubedF }) => (pairwiseF + bcubedF) / 2)
  const smooth = mean.map((m, i) => (2 * m + (mean[i - 1] ?? m) + (mean[i + 1] ?? m)) / 4)
  let best = 0
  for (let i = 1; i < smooth.length; i++) if (smooth[i] >= smooth[best]) best = i
  return { ...curve[best], score: mean[best], curve }
}

export function chooseTreeTau(
  lists: NeighbourLists,
  confidence: Float32Array,
  truth: Labels,
  isCounted: (label: number) => boolean,
  preferred?: Int32Array,
): TauChoice {
  return chooseTau(truth, isCounted, (tau) => treePartition(lists, confidence, { tau, preferred }).labels)
}
