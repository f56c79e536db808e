import type { CsrGraph, NeighbourLists } from '../types.ts'

/**
 * The undirected graph of weighted list slots: the weight between v and u is what v's list gives u plus what u's list
 * gives v, so that neighbours of each other are tied twice as strongly as where only one has listed the other.
 *
 * @param weights float32 [n * k], one a slot; a slot without an id, or whose weight is not above 0, is no edge
 * @returns symmetric CSR without self loops, targets of a row ascending. Linear in the number of slots.
 */
export function edgeGraph({ n, k, ids }: NeighbourLists, weights: Float32Array): CsrGraph {
  const offsets = new Float64Array(n + 1)
  for (let v = 0; v < n; v++) {
    for (let e = v * k; e < (v + 1) * k; e++) {
      const u = ids[e]
      if (u < 0 || u === v || !(weights[e] > 0)) continue
      offsets[v + 1]++
      offsets[u + 1]++
    }
  }
  for (let v = 0; v < n; v++) offsets[v + 1] += offsets[v]
  const next = offsets.slice()
  const targets = new Int32Array(offsets[n])
  const sums = new Float32Array(offsets[n])
  // Rows as sources of both directions: each row is filled with ascending targets, except for its own list.
  for (let v = 0; v < n; v++) {
    for (let e = v * k; e < (v + 1) * k; e++) {
      const u = ids[e]
      if (u < 0 || u === v || !(weights[e] > 0)) continue
      targets[next[u]] = v
      sums[next[u]++] = weights[e]
    }
  }
  const keys = new Float64Array(k)
  for (let v = 0; v < n; v++) {
    let kept = 0
    for (let slot = 0; slot < k; slot++) {
      const u = ids[v * k + slot]
      // Target and slot in one number: sorting numbers needs no comparing function.
      if (u >= 0 && u !== v && weights[v * k + slot] > 0) keys[kept++] = u * k + slot
    }
    keys.subarray(0, kept).sort()
    for (let i = 0; i < kept; i++) {
      const e = v * k + (keys[i] % k)
      targets[next[v]] = ids[e]
      sums[next[v]++] = weights[e]
    }
  }
  return mergeRuns({ n, offsets, targets, weights: sums })
}

/** Adds up entries of one row with the same target, in place. A row is at most two ascending runs, one after the other. */
function mergeRuns({ n, offsets, targets, weights }: CsrGraph): CsrGraph {
  let longest = 0
  for (let v = 0; v < n; v++) longest = Math.max(longest, offsets[v + 1] - offsets[v])
  const rowTargets = new Int32Array(longest)
  const rowWeights = new Float32Array(longest)
  const merged = new Float64Array(n + 1)
  let m = 0
  for (let v = 0; v < n; v++) {
    const from = offsets[v]
    const size = offsets[v + 1] - from
    rowTargets.set(targets.subarray(from, from + size))
    rowWeights.set(weights.subarray(from, from + size))
    let second = 1
    while (second < size && rowTargets[second] > rowTargets[second - 1]) second++
    const middle = Math.min(second, size)
    let i = 0
    let j = middle
    while (i < middle || j < size) {
      const left = i < middle ? rowTargets[i] : Number.POSITIVE_INFINITY
      const right = j < size ? rowTargets[j] : Number.POSITIVE_INFINITY
      const target = Math.min(left, right)
      targets[m] = target
      weights[m++] = (left === target ? rowWeights[i++] : 0) + (right === target ? rowWeights[j++] : 0)
    }
    merged[v + 1] = m
  }
  return { n, offsets: merged, targets: targets.subarray(0, m), weights: weights.subarray(0, m) }
}
