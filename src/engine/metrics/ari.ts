import type { Contingency } from './contingency.ts'

/**
 * Rand index adjusted for chance: 1 = the same partition, 0 = as good as a random one with the same sizes, may be
 * negative; symmetric.
 *
 * Source: [HUBERT85] eq. 5. Where the index cannot vary (both trivial, or n < 2) the partitions are equal: 1.
 */
export function adjustedRandIndex({ n, cellCount, clusterSizes, classSizes }: Contingency): number {
  const shared = unorderedPairs(cellCount)
  const predicted = unorderedPairs(clusterSizes)
  const actual = unorderedPairs(classSizes)
  const all = (n * (n - 1)) / 2
  const expected = all === 0 ? 0 : predicted * (actual / all)
  const best = (predicted + actual) / 2
  return best === expected ? 1 : (shared - expected) / (best - expected)
}

function unorderedPairs(sizes: Float64Array): number {
  let pairs = 0
  for (const size of sizes) pairs += (size * (size - 1)) / 2
  return pairs
}
