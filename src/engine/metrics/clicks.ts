import type { Contingency } from './contingency.ts'

/**
 * Share of vertices that are of the majority class of their cluster, 0..1. All singletons give 1: read it beside the
 * number of clusters. Nothing to score gives 1.
 */
export function purity(table: Contingency): number {
  return table.n === 0 ? 1 : majority(table) / table.n
}

/**
 * Effort to label everything by hand from this partition, in clicks an image: one to name each cluster, one for each
 * image that is not of its cluster's majority class. Labelling image by image costs 1.
 *
 * Source: [GUILLAUMIN09] labelling cost. It does not charge for naming one identity twice, beyond that name's click.
 * Nothing to label gives 0.
 */
export function clicksPerImage(table: Contingency): number {
  return table.n === 0 ? 0 : (table.clusterSizes.length + table.n - majority(table)) / table.n
}

function majority({ cellCluster, cellCount, clusterSizes }: Contingency): number {
  const largest = new Float64Array(clusterSizes.length)
  for (let e = 0; e < cellCount.length; e++) {
    largest[cellCluster[e]] = Math.max(largest[cellCluster[e]], cellCount[e])
  }
  let sum = 0
  for (const count of largest) sum += count
  return sum
}
