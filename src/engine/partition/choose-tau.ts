import { heldOutScores } from '../metrics/held-out.ts'
import { meanF } from '../metrics/score.ts'
import { asStrangers } from '../metrics/strangers.ts'
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
  /** The same fold by fold, each judged at the threshold that the other folds choose: no luck in it. */
  readonly crossedScores: readonly number[]
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
 *
 * @param truth int32 [n]; below 0 = not known, a stranger to every class
 * @param given a threshold that is settled already: only scored, with the same curve beside it
 */
export function chooseTau(truth: Labels, folds: readonly TauFold[], given?: number): TauChoice {
  const known = asStrangers(truth)
  const byFold = folds.map(({ isCounted, partition }) =>
    GRID.map((tau): TauPoint => {
      const { pairwise, bcubed } = heldOutScores(partition(tau), known, isCounted)
      return { tau, pairwiseF: pairwise.f, bcubedF: bcubed.f }
    }),
  )
  const curve = meanCurve(byFold)
  if (given !== undefined) {
    const scored = folds.map(({ isCounted, partition }) => heldOutScores(partition(given), known, isCounted))
    const mean = (key: 'pairwise' | 'bcubed') => scored.reduce((sum, scores) => sum + scores[key].f, 0) / scored.length
    const point = { tau: given, pairwiseF: mean('pairwise'), bcubedF: mean('bcubed') }
    return {
      ...point,
      score: scoreOf(point),
      crossedScores: scored.map(meanF),
      curve,
    }
  }
  const best = smoothPeak(curve)
  const crossed = byFold.map((own, fold) => {
    const others = byFold.filter((_, other) => other !== fold)
    return scoreOf(own[others.length > 0 ? smoothPeak(meanCurve(others)) : best])
  })
  return {
    ...curve[best],
    score: scoreOf(curve[best]),
    crossedScores: crossed,
    curve,
  }
}

const scoreOf = ({ pairwiseF, bcubedF }: TauPoint) => (pairwiseF + bcubedF) / 2

function meanCurve(curves: readonly (readonly TauPoint[])[]): TauPoint[] {
  const mean = (i: number, key: 'pairwiseF' | 'bcubedF') =>
    curves.reduce((sum, curve) => sum + curve[i][key], 0) / curves.length
  return GRID.map((tau, i) => ({ tau, pairwiseF: mean(i, 'pairwiseF'), bcubedF: mean(i, 'bcubedF') }))
}

function smoothPeak(curve: readonly TauPoint[]): number {
  const scores = curve.map(scoreOf)
  const smooth = scores.map((m, i) => (2 * m + (scores[i - 1] ?? m) + (scores[i + 1] ?? m)) / 4)
  let best = 0
  for (let i = 1; i < smooth.length; i++) if (smooth[i] >= smooth[best]) best = i
  return best
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
