import { throwIfAborted } from '../errors.ts'
import { shorterLists } from '../knn/sub-lists.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'
import { neighbourOverlap } from './neighbour-overlap.ts'

/** Neighbourhoods that facts compare: near and wide. */
const NEAR = 10
const WIDE = 40
const ROWS_A_TURN = 8192

export const EDGE_FACTS = [
  'similarity',
  'similarity over the nearest of the vertex',
  'similarity over the nearest of the neighbour',
  'mean similarity of the near list of the vertex',
  'mean similarity of the near list of the neighbour',
  'mean similarity of the wide list of the vertex',
  'mean similarity of the wide list of the neighbour',
  'log rank',
  'log rank the other way round',
  'near overlap',
  'wide overlap',
  'log near in-degree of the vertex',
  'log near in-degree of the neighbour',
  'log wide in-degree of the vertex',
  'log wide in-degree of the neighbour',
] as const

/**
 * What the surroundings of the first `slots` slots of each list look like: similarities, ranks, overlaps and in-degrees. Nothing
 * depends on the embedding's dimension, and nothing on labels.
 *
 * @returns float32 [n * slots, 15]; rows of slots without a neighbour are zeros
 */
export async function edgeFacts(lists: NeighbourLists, slots: number, { signal }: Control = {}): Promise<Matrix> {
  const { n, k, ids, similarities } = lists
  const near = shorterLists(lists, Math.min(NEAR, k))
  const wide = shorterLists(lists, Math.min(WIDE, k))
  const nearOverlap = await neighbourOverlap(near, 0, { signal })
  const wideOverlap = await neighbourOverlap(wide, 0, { signal })
  const [nearIn, wideIn] = [near, wide].map(logInDegrees)
  const [nearMean, wideMean] = [near, wide].map(meanSimilarities)
  const f = EDGE_FACTS.length
  const data = new Float32Array(n * slots * f)
  const pairs = createPairOverlap(wide)
  const nearPairs = createPairOverlap(near)
  for (let v = 0; v < n; v++) {
    if (v % ROWS_A_TURN === 0) {
      await nextTurn()
      throwIfAborted(signal)
    }
    const own = Math.max(1e-3, similarities[v * k])
    for (let slot = 0; slot < slots; slot++) {
      const u = ids[v * k + slot]
      if (u < 0) break
      const s = similarities[v * k + slot]
      const at = (v * slots + slot) * f
      data[at] = s
      data[at + 1] = s / own
      data[at + 2] = s / Math.max(1e-3, similarities[u * k])
      data[at + 3] = nearMean[v]
      data[at + 4] = nearMean[u]
      data[at + 5] = wideMean[v]
      data[at + 6] = wideMean[u]
      data[at + 7] = Math.log1p(slot)
      data[at + 8] = Math.log1p(rankOf(lists, u, v))
      data[at + 9] = slot < near.k ? nearOverlap[v * near.k + slot] : nearPairs(v, u)
      data[at + 10] = slot < wide.k ? wideOverlap[v * wide.k + slot] : pairs(v, u)
      data[at + 11] = nearIn[v]
      data[at + 12] = nearIn[u]
      data[at + 13] = wideIn[v]
      data[at + 14] = wideIn[u]
    }
  }
  return { data, rows: n * slots, cols: f }
}

function rankOf({ k, ids }: NeighbourLists, v: number, u: number): number {
  for (let slot = 0; slot < k; slot++) if (ids[v * k + slot] === u) return slot
  return 2 * k
}

function logInDegrees({ n, ids }: NeighbourLists): Float32Array {
  const degrees = new Float32Array(n)
  for (const u of ids) if (u >= 0) degrees[u]++
  return degrees.map(Math.log1p)
}

function meanSimilarities({ n, k, similarities }: NeighbourLists): Float32Array {
  return Float32Array.from({ length: n }, (_, v) => {
    let sum = 0
    for (let e = v * k; e < (v + 1) * k; e++) sum += similarities[e]
    return sum / k
  })
}

/** Share of list entries in common, for pairs that are not in each other's shorter list; the vertex that comes first is kept in mind. */
function createPairOverlap({ n, k, ids }: NeighbourLists): (v: number, u: number) => number {
  const listedBy = new Int32Array(n).fill(-1)
  let marked = -1
  return (v, u) => {
    if (marked !== v) {
      marked = v
      for (let e = v * k; e < (v + 1) * k; e++) if (ids[e] >= 0) listedBy[ids[e]] = v
      listedBy[v] = v
    }
    let common = listedBy[u] === v ? 1 : 0
    for (let e = u * k; e < (u + 1) * k; e++) if (ids[e] >= 0 && listedBy[ids[e]] === v) common++
    return common / (k + 1)
  }
}
