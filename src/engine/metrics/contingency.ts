import { EngineError } from '../errors.ts'

/** How many vertices each cluster shares with each class: only the cells that are not empty. */
export interface Contingency {
  /** Vertices counted. */
  readonly n: number
  /** float64 [clusters] */
  readonly clusterSizes: Float64Array
  /** float64 [classes] */
  readonly classSizes: Float64Array
  /** Cluster of each cell, int32 [cells], ascending. */
  readonly cellCluster: Int32Array
  /** Class of each cell, int32 [cells]. */
  readonly cellClass: Int32Array
  /** float64 [cells], so that squares of counts in the millions stay exact. */
  readonly cellCount: Float64Array
}

/**
 * Counts the vertices of every (cluster, class) pair, in O(n) time and without a hash of pairs.
 *
 * A predicted label below 0 is noise: that vertex is a cluster of its own. A true label below 0 means "not
 * known": that vertex is left out.
 *
 * @param predicted int32 [n]
 * @param truth int32 [n]
 * @throws EngineError SHAPE_MISMATCH when the lengths differ.
 */
export function contingency(predicted: Int32Array, truth: Int32Array): Contingency {
  if (predicted.length !== truth.length) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `predicted must have one label per true label: got ${predicted.length}, expected ${truth.length}`,
    )
  }
  const known = new Int32Array(truth.length)
  let n = 0
  for (let i = 0; i < truth.length; i++) if (truth[i] >= 0) known[n++] = i
  const clusters = denseNumbers(n, (v) => predicted[known[v]])
  const classes = denseNumbers(n, (v) => truth[known[v]])
  const clusterSizes = new Float64Array(clusters.count)
  const classSizes = new Float64Array(classes.count)
  for (let v = 0; v < n; v++) {
    clusterSizes[clusters.numbers[v]]++
    classSizes[classes.numbers[v]]++
  }

  // Vertices in order of their cluster (counting sort), then one scratch row of classes a cluster.
  const starts = new Float64Array(clusters.count + 1)
  for (let c = 0; c < clusters.count; c++) starts[c + 1] = starts[c] + clusterSizes[c]
  const order = new Int32Array(n)
  const next = starts.slice()
  for (let v = 0; v < n; v++) order[next[clusters.numbers[v]]++] = v
  const cellCluster: number[] = []
  const cellClass: number[] = []
  const cellCount: number[] = []
  const cellOfClass = new Int32Array(classes.count).fill(-1)
  for (let c = 0; c < clusters.count; c++) {
    const firstCell = cellCount.length
    for (let e = starts[c]; e < starts[c + 1]; e++) {
      const g = classes.numbers[order[e]]
      if (cellOfClass[g] < firstCell) {
        cellOfClass[g] = cellCount.length
        cellCluster.push(c)
        cellClass.push(g)
        cellCount.push(0)
      }
      cellCount[cellOfClass[g]]++
    }
  }
  return {
    n,
    clusterSizes,
    classSizes,
    cellCluster: Int32Array.from(cellCluster),
    cellClass: Int32Array.from(cellClass),
    cellCount: Float64Array.from(cellCount),
  }
}

function denseNumbers(n: number, label: (v: number) => number): { numbers: Int32Array; count: number } {
  const numbers = new Int32Array(n)
  const seen = new Map<number, number>()
  let count = 0
  for (let v = 0; v < n; v++) {
    const value = label(v)
    const number = value < 0 ? undefined : seen.get(value)
    numbers[v] = number ?? count
    if (number !== undefined) continue
    if (value >= 0) seen.set(value, count)
    count++
  }
  return { numbers, count }
}
