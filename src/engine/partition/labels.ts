import type { Labels } from '../types.ts'

/** Cluster numbers dense from 0 in order of first appearance; a label below 0 becomes a cluster of its own. */
export function denseLabels(labels: Int32Array): { labels: Labels; count: number } {
  const dense = new Int32Array(labels.length)
  const seen = new Map<number, number>()
  let count = 0
  for (let v = 0; v < labels.length; v++) {
    const known = labels[v] < 0 ? undefined : seen.get(labels[v])
    dense[v] = known ?? count
    if (known !== undefined) continue
    if (labels[v] >= 0) seen.set(labels[v], count)
    count++
  }
  return { labels: dense, count }
}

/** int32 [count]: vertices of each cluster. */
export function clusterSizes(labels: Labels, count: number): Int32Array {
  const sizes = new Int32Array(count)
  for (const label of labels) sizes[label]++
  return sizes
}
