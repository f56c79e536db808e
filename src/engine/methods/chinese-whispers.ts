import type { Decoder } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import { denseLabels } from '../partition/labels.ts'
import { createRng } from '../rng.ts'
import type { CsrGraph, NeighbourLists } from '../types.ts'
import { similarityAt } from './default-tau.ts'
import type { Method } from './method.ts'
import { choiceOf, countOf, numberOf } from './parameter.ts'

const decode: Decoder = async ({ lists, features, parameters, seed }, { signal, onProgress } = {}) => {
  const tau = numberOf(parameters, 'tau', similarityAt(lists, features, seed, 0.5), [-1, 1])
  const iterations = countOf(parameters, 'iterations', 20, [1, 10_000])
  const order = choiceOf(parameters, 'order', 'random', ['random', 'fixed'])
  const { n, offsets, targets, weights } = insertionOrderGraph(lists, tau)
  const rng = createRng(seed)
  const labels = Int32Array.from({ length: n }, (_, v) => v)
  const sums = new Float64Array(n)
  const visits = Int32Array.from(labels)
  for (let i = 0; i < iterations; i++) {
    await nextTurn()
    throwIfAborted(signal)
    onProgress?.({ phase: 'chinese_whispers', completed: i, total: iterations })
    if (order === 'random') rng.shuffle(visits)
    let changes = 0
    for (const v of visits) {
      const from = offsets[v]
      const to = offsets[v + 1]
      if (from === to) continue
      for (let e = from; e < to; e++) sums[labels[targets[e]]] += weights[e]
      let best = labels[targets[from]]
      for (let e = from + 1; e < to; e++) {
        const label = labels[targets[e]]
        if (sums[label] > sums[best]) best = label
      }
      for (let e = from; e < to; e++) sums[labels[targets[e]]] = 0
      if (labels[v] !== best) changes++
      labels[v] = best
    }
    if (changes === 0) break
  }
  return { labels: denseLabels(labels).labels, parametersChosen: { tau, iterations, order } }
}

/**
 * The undirected graph of list edges at or above tau, each vertex's neighbours in the order in which row after row would
 * insert them: ties go to the label that is met first.
 */
function insertionOrderGraph({ n, k, ids, similarities }: NeighbourLists, tau: number): CsrGraph {
  const sources: number[] = []
  const ends: number[] = []
  const values: number[] = []
  const listed = new Int32Array(n).fill(-1)
  // Which later vertices an earlier one has already listed: its edges are there.
  const degrees = new Float64Array(n + 1)
  const earlier = new Map<number, Set<number>>()
  for (let v = 0; v < n; v++) {
    const known = earlier.get(v)
    for (let e = v * k; e < (v + 1) * k; e++) {
      const u = ids[e]
      if (u < 0 || u === v || !(similarities[e] >= tau) || listed[u] === v || known?.has(u)) continue
      listed[u] = v
      sources.push(v)
      ends.push(u)
      values.push(similarities[e])
      degrees[v + 1]++
      degrees[u + 1]++
      if (u > v) {
        const set = earlier.get(u)
        if (set) set.add(v)
        else earlier.set(u, new Set([v]))
      }
    }
    earlier.delete(v)
  }
  for (let v = 0; v < n; v++) degrees[v + 1] += degrees[v]
  const next = degrees.slice()
  const targets = new Int32Array(degrees[n])
  const weights = new Float32Array(degrees[n])
  for (let i = 0; i < sources.length; i++) {
    for (const [v, u] of [
      [sources[i], ends[i]],
      [ends[i], sources[i]],
    ]) {
      targets[next[v]] = u
      weights[next[v]++] = values[i]
    }
  }
  return { n, offsets: degrees, targets, weights }
}

/**
 * Labels spread: every vertex takes the label with the largest sum of similarities among its neighbours, again and again.
 *
 * `tau`: least similarity of an edge, default from a label-free prior; `iterations`: default 20; `order`: `random`, or
 * `fixed` from the first vertex to the last.
 *
 * Source: [BIEMANN06], as run by the released code of [YANG20]; ties go to the neighbour inserted first.
 * Differs: the released code returns labels in the order of clusters instead of images. Stops when nothing changes.
 */
export const chineseWhispers: Method = {
  name: 'CHINESE_WHISPERS',
  title: 'Chinese Whispers',
  decode,
  isRandom: true,
  contendsUpTo: 100_000,
  settings: () => [{}, ...[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7].map((tau) => ({ tau }))],
}
