import type { Labels } from '../types.ts'
import { contingency } from './contingency.ts'
import { type PrecisionRecall, precisionRecall } from './score.ts'

/**
 * Pairwise and BCubed scores of some classes while they are clustered in the company of others: pairs with at least
 * one end in a counted class, and the vertices of counted classes.
 *
 * So a model can be judged on held-out identities at the density of the whole set, where a threshold that is right for
 * a few of them alone would be too low. With every class counted these are the plain scores.
 *
 * @param isCounted by class label
 */
export function heldOutScores(
  predicted: Labels,
  truth: Labels,
  isCounted: (label: number) => boolean,
): { pairwise: PrecisionRecall; bcubed: PrecisionRecall } {
  const { cellCluster, cellClass, cellCount, clusterSizes, classSizes } = contingency(predicted, truth)
  const counted = countedClasses(truth, isCounted, classSizes.length)
  const others = new Float64Array(clusterSizes.length)
  let shared = 0
  let actual = 0
  let vertices = 0
  let precision = 0
  let recall = 0
  for (let g = 0; g < classSizes.length; g++) {
    if (!counted[g]) continue
    actual += classSizes[g] * (classSizes[g] - 1)
    vertices += classSizes[g]
  }
  for (let e = 0; e < cellCount.length; e++) {
    const count = cellCount[e]
    if (!counted[cellClass[e]]) {
      others[cellCluster[e]] += count
      continue
    }
    shared += count * (count - 1)
    precision += (count * count) / clusterSizes[cellCluster[e]]
    recall += (count * count) / classSizes[cellClass[e]]
  }
  let claimed = 0
  for (let c = 0; c < clusterSizes.length; c++) {
    claimed += clusterSizes[c] * (clusterSizes[c] - 1) - others[c] * (others[c] - 1)
  }
  return {
    pairwise: precisionRecall(claimed === 0 ? 1 : shared / claimed, actual === 0 ? 1 : shared / actual),
    bcubed: vertices === 0 ? precisionRecall(1, 1) : precisionRecall(precision / vertices, recall / vertices),
  }
}

/** Classes in the contingency's own numbering: order of first appearance among known labels. */
function countedClasses(truth: Labels, isCounted: (label: number) => boolean, count: number): Uint8Array {
  const counted = new Uint8Array(count)
  const seen = new Set<number>()
  for (const label of truth) {
    if (label < 0 || seen.has(label)) continue
    counted[seen.size] = isCounted(label) ? 1 : 0
    seen.add(label)
  }
  return counted
}
