import type { Decoder } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { denseLabels } from '../partition/labels.ts'
import type { Labels, NeighbourLists } from '../types.ts'
import { similarityAt } from './default-tau.ts'
import type { Method } from './method.ts'
import { countOf, numberOf } from './parameter.ts'

const decode: Decoder = async ({ lists, features, parameters, seed }, { signal } = {}) => {
  throwIfAborted(signal)
  const eps = numberOf(parameters, 'eps', 1 - similarityAt(lists, features, seed, 0.9), [0, 2])
  const minPoints = countOf(parameters, 'minPoints', 1, [1, 1_000_000])
  const labels = dbscan(lists, eps, minPoints)
  return { labels: denseLabels(labels).labels, parametersChosen: { eps, minPoints } }
}

/** @returns int32 [n], -1 for noise */
export function dbscan({ n, k, ids, similarities }: NeighbourLists, eps: number, minPoints: number): Labels {
  const isNear = (e: number) => ids[e] >= 0 && 1 - similarities[e] <= eps
  const isCore = new Uint8Array(n)
  for (let v = 0; v < n; v++) {
    let near = 1
    for (let e = v * k; e < (v + 1) * k; e++) if (isNear(e)) near++
    isCore[v] = near >= minPoints ? 1 : 0
  }
  const labels = new Int32Array(n).fill(-1)
  const waiting: number[] = []
  let count = 0
  for (let start = 0; start < n; start++) {
    if (labels[start] >= 0 || isCore[start] === 0) continue
    labels[start] = count
    waiting.push(start)
    for (let v = waiting.pop(); v !== undefined; v = waiting.pop()) {
      if (isCore[v] === 0) continue
      for (let e = v * k; e < (v + 1) * k; e++) {
        if (!isNear(e) || labels[ids[e]] >= 0) continue
        labels[ids[e]] = count
        waiting.push(ids[e])
      }
    }
    count++
  }
  return labels
}

/**
 * Density-based clusters on the neighbour graph; noise is a cluster of its own.
 *
 * `eps`: largest cosine distance, default from a label-free prior; `minPoints`: vertices within eps that make a core, itself
 * counted, default 1.
 *
 * Source: [ESTER96], as scikit-learn runs it on the sparse distances in the released code of [YANG20]: lists keep their direction.
 */
export const dbscanMethod: Method = {
  name: 'DBSCAN',
  title: 'DBSCAN on the neighbour graph',
  decode,
  contendsUpTo: 1_000_000,
  settings: () => [
    {},
    ...[1, 2, 4, 8].flatMap((minPoints) =>
      Array.from({ length: 15 }, (_, i) => ({ eps: Number((0.08 + i * 0.04).toFixed(2)), minPoints })),
    ),
  ],
}
