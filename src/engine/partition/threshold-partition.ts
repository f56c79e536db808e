import type { Labels, NeighbourLists } from '../types.ts'
import { UnionFind } from './union-find.ts'

/** Connected components of the edges with a similarity strictly above tau. */
export function thresholdPartition({ n, k, ids, similarities }: NeighbourLists, tau: number): Labels {
  const sets = new UnionFind(n)
  for (let v = 0; v < n; v++) {
    for (let e = v * k; e < (v + 1) * k && similarities[e] > tau; e++) if (ids[e] >= 0) sets.union(v, ids[e])
  }
  return sets.labels()
}
