import type { Constraints, Labels } from '../types.ts'
import { UnionFind } from './union-find.ts'

/**
 * Cuts the tree edges that are more likely wrong than `minProbability` allows; must-links hold what they hold. Cutting
 * breaks no cannot-link.
 *
 * Differs: the released code cuts on the distance in F_L alone, whose best threshold moves with the size of the set; a
 * calibrated probability does not.
 *
 * @param parent int32 [n], -1 for a root
 * @returns labels, dense from 0, and the parents that are left. Linear; inputs are not changed.
 */
export function cutDoubtfulEdges(
  parent: Int32Array,
  probability: (v: number, u: number) => number,
  minProbability: number,
  constraints?: Constraints,
): { labels: Labels; parent: Int32Array } {
  const kept = parent.slice()
  const sets = new UnionFind(parent.length)
  for (let v = 0; v < kept.length; v++) {
    const u = kept[v]
    if (u < 0) continue
    if (probability(v, u) >= minProbability) sets.union(v, u)
    else kept[v] = -1
  }
  const { mustLinks } = constraints ?? { mustLinks: new Int32Array() }
  for (let i = 0; i < mustLinks.length; i += 2) sets.union(mustLinks[i], mustLinks[i + 1])
  return { labels: sets.labels(), parent: kept }
}
