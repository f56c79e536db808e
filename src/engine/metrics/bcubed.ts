import type { Contingency } from './contingency.ts'
import { type PrecisionRecall, precisionRecall } from './score.ts'

/**
 * Precision and recall averaged over vertices: the share of a vertex's cluster that is of its class, and the share of
 * its class that is in its cluster.
 *
 * Source: [AMIGO09]; P = 1/n sum n_ij^2 / p_i, R = 1/n sum n_ij^2 / g_j.
 *
 * A singleton has precision 1. 1.0 means the same partition; swapping the labelings swaps precision and recall.
 * Nothing to score (n = 0) gives 1.
 */
export function bcubed({
  n,
  cellCluster,
  cellClass,
  cellCount,
  clusterSizes,
  classSizes,
}: Contingency): PrecisionRecall {
  if (n === 0) return precisionRecall(1, 1)
  let precision = 0
  let recall = 0
  for (let e = 0; e < cellCount.length; e++) {
    const squared = cellCount[e] * cellCount[e]
    precision += squared / clusterSizes[cellCluster[e]]
    recall += squared / classSizes[cellClass[e]]
  }
  return precisionRecall(precision / n, recall / n)
}
