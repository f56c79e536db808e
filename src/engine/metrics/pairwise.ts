import type { Contingency } from './contingency.ts'
import { type PrecisionRecall, precisionRecall } from './score.ts'

/**
 * Precision and recall over pairs of vertices: of the pairs put together, how many belong together, and the other
 * way round.
 *
 * Source: [YANG20] section 4.1; P = sum n_ij (n_ij - 1) / sum p_i (p_i - 1), R with g_j.
 * Differs: the released code gives NaN where no pair is predicted. Here an empty claim is not wrong: precision is 1
 * without predicted pairs, recall is 1 without true pairs. All singletons against real classes give 1 / 0 / 0.
 *
 * 1.0 means the same pairs; swapping the two labelings swaps precision and recall. Exact up to 2^53 pairs.
 */
export function pairwise({ cellCount, clusterSizes, classSizes }: Contingency): PrecisionRecall {
  const shared = orderedPairs(cellCount)
  const predicted = orderedPairs(clusterSizes)
  const actual = orderedPairs(classSizes)
  return precisionRecall(predicted === 0 ? 1 : shared / predicted, actual === 0 ? 1 : shared / actual)
}

function orderedPairs(sizes: Float64Array): number {
  let pairs = 0
  for (const size of sizes) pairs += size * (size - 1)
  return pairs
}
