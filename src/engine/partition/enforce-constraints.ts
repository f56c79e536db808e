import type { Constraints, Labels, NeighbourLists } from '../types.ts'
import { isEmpty } from './constrained-partition.ts'
import { ConstraintIndex } from './constraint-index.ts'
import { denseLabels } from './labels.ts'
import { UnionFind } from './union-find.ts'

/**
 * Changes any partition as little as needed for it to honour what people have decided, so that every method can be
 * offered for cluster runs.
 *
 * 1. Excluded vertices become clusters of their own.
 * 2. Clusters that must-links join become one.
 * 3. A cluster that then holds both sides of a cannot-link is taken apart: its edges join again strongest first, except
 *    where that would bring enemies together. For one cannot-link this removes the weakest edge on the path between
 *    its two sides in the maximum spanning tree. Pieces that no edge connects, such as k-means makes, go to the
 *    largest piece that may take them.
 *
 * Applying it twice changes nothing more.
 *
 * @param labels int32 [n]; below 0 = noise, a cluster of its own
 * @throws EngineError CONTRADICTION, SHAPE_MISMATCH. O(m log m) in the clusters that change; nothing is changed in place.
 */
export function enforceConstraints(labels: Labels, lists: NeighbourLists, constraints?: Constraints): Labels {
  if (!constraints || isEmpty(constraints)) return denseLabels(labels).labels
  const n = labels.length
  const index = new ConstraintIndex(n, constraints)
  const alone = labels.slice()
  for (let v = 0; v < n; v++) if (index.excluded[v]) alone[v] = -1
  const merged = joinMustLinks(alone, index)

  const torn = new Uint8Array(n)
  const { cannotLinks } = index
  for (let e = 0; e < cannotLinks.length; e += 2) {
    const cluster = merged[cannotLinks[e]]
    if (cluster === merged[cannotLinks[e + 1]]) torn[cluster] = 1
  }
  const leaders = new Int32Array(n).fill(-1)
  for (let v = 0; v < n; v++) {
    const cluster = merged[v]
    if (torn[cluster]) continue
    if (leaders[cluster] < 0) leaders[cluster] = v
    index.join(leaders[cluster], v)
  }
  joinStrongestFirst(lists, merged, torn, index)
  joinLoosePieces(merged, torn, index)
  return index.labels()
}

function joinMustLinks(labels: Labels, { mustLinks }: ConstraintIndex): Labels {
  const { labels: dense, count } = denseLabels(labels)
  const clusters = new UnionFind(count)
  for (let e = 0; e < mustLinks.length; e += 2) clusters.union(dense[mustLinks[e]], dense[mustLinks[e + 1]])
  return dense.map((cluster) => clusters.find(cluster))
}

function joinStrongestFirst(
  { n, k, ids, similarities }: NeighbourLists,
  merged: Labels,
  torn: Uint8Array,
  index: ConstraintIndex,
): void {
  const edges: number[] = []
  for (let v = 0; v < n; v++) {
    if (!torn[merged[v]]) continue
    for (let e = v * k; e < (v + 1) * k; e++) if (ids[e] >= 0 && merged[ids[e]] === merged[v]) edges.push(e)
  }
  edges.sort((a, b) => similarities[b] - similarities[a] || a - b)
  for (const e of edges) index.join(Math.floor(e / k), ids[e])
}

function joinLoosePieces(merged: Labels, torn: Uint8Array, index: ConstraintIndex): void {
  const pieces = new Map<number, Map<number, number>>()
  for (let v = 0; v < merged.length; v++) {
    if (!torn[merged[v]]) continue
    const ofCluster = pieces.get(merged[v]) ?? new Map<number, number>()
    pieces.set(merged[v], ofCluster)
    const root = index.find(v)
    ofCluster.set(root, (ofCluster.get(root) ?? 0) + 1)
  }
  for (const ofCluster of pieces.values()) {
    const bySize = [...ofCluster].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([root]) => root)
    for (let i = 1; i < bySize.length; i++) {
      for (let j = 0; j < i; j++) if (index.join(bySize[j], bySize[i])) break
    }
  }
}
