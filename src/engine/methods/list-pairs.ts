import type { NeighbourLists } from '../types.ts'
import type { ScoredPairs } from './dynamic-threshold.ts'

/** What becomes of a pair that both lists name, with a score each. */
export type Pooling = 'last' | 'mean' | 'max'

/**
 * Unordered pairs of the slots that are wanted, each once, in the order in which they are first met.
 *
 * @param score of slot e, by default its similarity
 */
export function listPairs(
  { n, k, ids, similarities }: NeighbourLists,
  isWanted: (e: number) => boolean,
  pooling: Pooling = 'max',
  score: (e: number) => number = (e) => similarities[e],
): ScoredPairs {
  const left: number[] = []
  const right: number[] = []
  const scores: number[] = []
  const counts: number[] = []
  // Pairs by their lower end; looked up in the few that it has.
  const byLower: number[][] = Array.from({ length: n }, () => [])
  for (let v = 0; v < n; v++) {
    for (let e = v * k; e < (v + 1) * k; e++) {
      const u = ids[e]
      if (u < 0 || u === v || !isWanted(e)) continue
      const lower = Math.min(v, u)
      const upper = Math.max(v, u)
      const known = byLower[lower].find((i) => right[i] === upper)
      if (known === undefined) {
        byLower[lower].push(left.length)
        left.push(lower)
        right.push(upper)
        scores.push(score(e))
        counts.push(1)
      } else if (pooling === 'max') scores[known] = Math.max(scores[known], score(e))
      else if (pooling === 'last') scores[known] = score(e)
      else {
        counts[known]++
        scores[known] += score(e)
      }
    }
  }
  return {
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    scores: Float32Array.from(scores, (value, i) => (pooling === 'mean' ? value / counts[i] : value)),
  }
}
