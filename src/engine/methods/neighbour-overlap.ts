import { throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, NeighbourLists } from '../types.ts'

/** Share of mass that two neighbourhoods have in common; spread of the mass over squared distances. */
const SIGMA = 0.5
const ROWS_A_TURN = 8192

/**
 * Neighbour-set similarity (NEP) of the slots of every list, float32 [n * k]:
 *
 *   P_i(m) = exp(-d_im^2 / sigma) / sum over i's list and itself;  NEP(i, j) = 1/2 sum over m in both of P_i(m) + P_j(m)
 *
 * @param stopBelow each list is walked from the most similar on and left at the first value below this; the rest stays 0
 * Source: FC-ES, the published code of its authors. Time n k^2.
 */
export async function neighbourOverlap(
  { n, k, ids, similarities }: NeighbourLists,
  stopBelow = 0,
  { signal }: Control = {},
): Promise<Float32Array> {
  const mass = new Float32Array(n * k)
  const own = new Float32Array(n)
  for (let v = 0; v < n; v++) {
    let sum = 1
    for (let e = v * k; e < (v + 1) * k && ids[e] >= 0; e++) {
      mass[e] = Math.exp(-Math.max(0, 2 - 2 * similarities[e]) / SIGMA)
      sum += mass[e]
    }
    own[v] = 1 / sum
    for (let e = v * k; e < (v + 1) * k; e++) mass[e] /= sum
  }
  const overlap = new Float32Array(n * k)
  const listedBy = new Int32Array(n).fill(-1)
  const massOf = new Float32Array(n)
  for (let v = 0; v < n; v++) {
    if (v % ROWS_A_TURN === 0) {
      await nextTurn()
      throwIfAborted(signal)
    }
    listedBy[v] = v
    massOf[v] = own[v]
    for (let e = v * k; e < (v + 1) * k && ids[e] >= 0; e++) {
      listedBy[ids[e]] = v
      massOf[ids[e]] = mass[e]
    }
    for (let e = v * k; e < (v + 1) * k && ids[e] >= 0; e++) {
      const u = ids[e]
      let sum = own[u] + massOf[u]
      for (let f = u * k; f < (u + 1) * k && ids[f] >= 0; f++) {
        if (listedBy[ids[f]] === v) sum += mass[f] + massOf[ids[f]]
      }
      if (sum / 2 < stopBelow) break
      overlap[e] = sum / 2
    }
  }
  return overlap
}
