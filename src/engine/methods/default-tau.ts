import { priorCalibration } from '../calibration.ts'
import type { Matrix, NeighbourLists } from '../types.ts'

/** Copies of one image connect, whatever the rest looks like. */
const HIGHEST_TAU = 0.98

/**
 * The similarity at which a label-free prior believes so much: .5 lies half way between chance and the typical nearest
 * neighbour, .9 at that neighbour.
 */
export function similarityAt(lists: NeighbourLists, features: Matrix, seed: number, belief: number): number {
  const { similarity, bias } = priorCalibration(lists, features, seed)
  if (!(similarity > 0)) return 0
  return Math.min(HIGHEST_TAU, (Math.log(belief / (1 - belief)) - bias) / similarity)
}
