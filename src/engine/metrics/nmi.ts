import type { Contingency } from './contingency.ts'

/**
 * Mutual information of the two labelings, divided by the arithmetic or the geometric mean of their entropies; 0..1,
 * symmetric.
 *
 * Source: [STREHL02]. Papers before 2019 mostly used the geometric mean, scikit-learn since 0.22 the arithmetic one.
 *
 * Two labelings without information (one cluster each, or n = 0) are the same partition: 1. One of them without
 * information: 0.
 */
export function nmi(
  { n, cellCluster, cellClass, cellCount, clusterSizes, classSizes }: Contingency,
  mean: 'arithmetic' | 'geometric' = 'arithmetic',
): number {
  const clusterEntropy = entropy(clusterSizes, n)
  const classEntropy = entropy(classSizes, n)
  if (clusterSizes.length <= 1 && classSizes.length <= 1) return 1
  if (clusterSizes.length <= 1 || classSizes.length <= 1) return 0
  let information = 0
  for (let e = 0; e < cellCount.length; e++) {
    const p = cellCount[e] / n
    // Logs apart, so that the product of two sizes in the millions cannot lose digits.
    information +=
      p * (Math.log(p) - Math.log(clusterSizes[cellCluster[e]] / n) - Math.log(classSizes[cellClass[e]] / n))
  }
  const normaliser =
    mean === 'arithmetic' ? (clusterEntropy + classEntropy) / 2 : Math.sqrt(clusterEntropy * classEntropy)
  return Math.min(1, Math.max(0, information / normaliser))
}

function entropy(sizes: Float64Array, n: number): number {
  let h = 0
  for (const size of sizes) h -= (size / n) * Math.log(size / n)
  return h
}
