import type { Decoder } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import type { NeighbourLists } from '../types.ts'
import type { Method } from './method.ts'
import { numberOf } from './parameter.ts'

/** What the released code gives neighbours that are not mutual. */
const FAR = 9999
const ROWS_A_TURN = 4096

const decode: Decoder = async ({ lists, parameters }, { signal, onProgress } = {}) => {
  const maxDistance = numberOf(parameters, 'maxDistance', 0.5, [0, FAR])
  const distances = await rankOrderDistances(lists, async (v) => {
    await nextTurn()
    throwIfAborted(signal)
    onProgress?.({ phase: 'aro', completed: v, total: lists.n })
  })
  // Distances are float32: 3/5 is a little above .6 there, and must still be within .6.
  const limit = Math.fround(maxDistance)
  return { labels: directedComponents(lists, (e) => distances[e] <= limit), parametersChosen: { maxDistance } }
}

/**
 * Approximate rank-order distance of every list slot, float32 [n * k]; 9999 where two vertices are not in each other's list.
 *
 * D(a, b) = (d(a, b) + d(b, a)) / min(O_a(b), O_b(a)), d(a, b) = how many of a's entries before b are not in b's list at all.
 * Ranks count the vertex itself, as released: O_a(b) from 0, O_b(a) from 1.
 */
export async function rankOrderDistances(
  { n, k, ids }: NeighbourLists,
  onTurn: (v: number) => Promise<void> = async () => {},
): Promise<Float32Array> {
  const distances = new Float32Array(n * k).fill(FAR)
  const rankOfB = new Int32Array(n).fill(-1)
  const inA = new Int32Array(n).fill(-1)
  let stamp = 0
  for (let a = 0; a < n; a++) {
    if (a % ROWS_A_TURN === 0) await onTurn(a)
    for (let slot = 0; slot < k; slot++) {
      const b = ids[a * k + slot]
      if (b < 0) break
      // b's list, itself at rank 0.
      let index = -1
      stamp++
      rankOfB[b] = stamp
      for (let e = 0; e < k; e++) {
        const other = ids[b * k + e]
        if (other < 0) break
        rankOfB[other] = stamp
        if (other === a) index = e + 1
      }
      if (index < 0) continue
      inA[a] = stamp
      for (let e = 0; e < k; e++) if (ids[a * k + e] >= 0) inA[ids[a * k + e]] = stamp
      const fromA = slot + 1
      const fromB = index + 1
      let missing = rankOfB[a] === stamp ? 0 : 1
      for (let e = 0; e < fromA - 1; e++) if (rankOfB[ids[a * k + e]] !== stamp) missing++
      if (inA[b] !== stamp) missing++
      for (let e = 0; e < fromB - 1; e++) if (inA[ids[b * k + e]] !== stamp) missing++
      distances[a * k + slot] = missing / Math.min(fromA, fromB)
    }
  }
  return distances
}

/** What each vertex reaches over slots that link, from the lowest vertex that is still free; links have a direction. */
function directedComponents({ n, k, ids }: NeighbourLists, isLink: (e: number) => boolean): Int32Array {
  const labels = new Int32Array(n).fill(-1)
  const waiting: number[] = []
  let count = 0
  for (let start = 0; start < n; start++) {
    if (labels[start] >= 0) continue
    labels[start] = count
    waiting.push(start)
    for (let v = waiting.pop(); v !== undefined; v = waiting.pop()) {
      for (let e = v * k; e < (v + 1) * k; e++) {
        const u = ids[e]
        if (u < 0 || labels[u] >= 0 || !isLink(e)) continue
        labels[u] = count
        waiting.push(u)
      }
    }
    count++
  }
  return labels
}

/**
 * Approximate rank order: neighbours that share their nearest neighbours are one cluster, transitively.
 *
 * `maxDistance`: largest rank-order distance of a link, default 0.5; the released code's constant is 1.
 *
 * Source: [OTTO18], as run by the released code of [YANG20]: links keep their direction, searches begin at the lowest vertex.
 * Differs: exact neighbour lists instead of randomised trees.
 */
export const aro: Method = {
  name: 'ARO',
  title: 'Approximate rank order',
  decode,
  contendsUpTo: 100_000,
  settings: () => [{}, ...Array.from({ length: 12 }, (_, i) => ({ maxDistance: Number(((i + 1) / 10).toFixed(1)) }))],
}
