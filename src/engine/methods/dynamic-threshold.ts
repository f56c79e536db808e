import { EngineError } from '../errors.ts'
import type { Labels } from '../types.ts'

/** Undirected pairs with a score each; which end comes first makes no difference. */
export interface ScoredPairs {
  /** int32 [m] */
  readonly left: Int32Array
  readonly right: Int32Array
  /** float32 [m]: higher = more likely one class. */
  readonly scores: Float32Array
}

const MAX_ROUNDS = 100

/**
 * Components of pairs, those larger than `maxSize` again with a higher threshold, until all are small enough.
 *
 * The first round takes every pair; each later one raises the threshold, th + (1 - th) step, beginning at the lowest
 * score, and looks only at vertices of components that were too large. After a hundred rounds the rest is one cluster.
 *
 * Source: the released code of [ZHAN18] and [YANG20], "graph_propagation".
 *
 * @returns int32 [n], -1 for vertices without a pair
 */
export function dynamicThreshold(
  n: number,
  { left, right, scores }: ScoredPairs,
  { maxSize, step }: { readonly maxSize: number; readonly step: number },
): Labels {
  if (!(step > 0 && step < 1)) throw new EngineError('BAD_OPTION', `step must lie between 0 and 1: got ${step}`)
  const { offsets, targets, weights } = adjacency(n, left, right, scores)
  const labels = new Int32Array(n).fill(-1)
  let clusters = 0
  let threshold = scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY)
  let rest = Int32Array.from(offsets.subarray(0, n).keys()).filter((v) => offsets[v + 1] > offsets[v])
  const isLeft = new Uint8Array(n)
  for (const v of rest) isLeft[v] = 1
  const component: number[] = []
  for (let round = 0; round <= MAX_ROUNDS && rest.length > 0; round++) {
    const tooLarge: number[] = []
    const isFree = isLeft.slice()
    for (const start of rest) {
      if (isFree[start] === 0) continue
      component.length = 0
      component.push(start)
      isFree[start] = 0
      for (let i = 0; i < component.length; i++) {
        const v = component[i]
        for (let e = offsets[v]; e < offsets[v + 1]; e++) {
          if (isFree[targets[e]] === 0 || (round > 0 && weights[e] < threshold)) continue
          isFree[targets[e]] = 0
          component.push(targets[e])
        }
      }
      if (component.length > maxSize && round < MAX_ROUNDS) {
        // One by one: a component may have more members than a call can have arguments.
        for (const v of component) tooLarge.push(v)
        continue
      }
      const number = round === MAX_ROUNDS ? clusters : clusters++
      for (const v of component) {
        labels[v] = number
        isLeft[v] = 0
      }
    }
    rest = Int32Array.from(tooLarge).sort()
    threshold += (1 - threshold) * step
  }
  return labels
}

function adjacency(n: number, left: Int32Array, right: Int32Array, scores: Float32Array) {
  const offsets = new Float64Array(n + 1)
  for (let i = 0; i < left.length; i++) {
    offsets[left[i] + 1]++
    offsets[right[i] + 1]++
  }
  for (let v = 0; v < n; v++) offsets[v + 1] += offsets[v]
  const next = offsets.slice()
  const targets = new Int32Array(2 * left.length)
  const weights = new Float32Array(2 * left.length)
  for (let i = 0; i < left.length; i++) {
    for (const [v, u] of [
      [left[i], right[i]],
      [right[i], left[i]],
    ]) {
      targets[next[v]] = u
      weights[next[v]++] = scores[i]
    }
  }
  return { offsets, targets, weights }
}
