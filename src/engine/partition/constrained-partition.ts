import type { Constraints, NeighbourLists } from '../types.ts'
import { ConstraintIndex } from './constraint-index.ts'
import { EdgeHeap } from './edge-heap.ts'
import {
  checkPartition,
  type PartitionOptions,
  ranking,
  slotOf,
  type TreePartition,
  treePartition,
} from './tree-partition.ts'

/**
 * The tree partition under what people have decided: never a cannot-link inside a cluster, always a must-link,
 * excluded vertices alone.
 *
 * Must-links are contracted first. Then the edges are taken strongest first; one that would join two sides of a
 * cannot-link is refused, and its vertex tries its next candidate, or becomes a root. Without constraints the result
 * is that of `treePartition`.
 *
 * Differs: the paper knows no constraints.
 *
 * @throws EngineError CONTRADICTION naming the pairs when the decisions themselves cannot be honoured together, and
 *   what `treePartition` throws. O(m log n); nothing is changed.
 */
export function constrainedPartition(
  lists: NeighbourLists,
  confidence: Float32Array,
  options: PartitionOptions,
  constraints?: Constraints,
): TreePartition {
  if (!constraints || isEmpty(constraints)) return treePartition(lists, confidence, options)
  checkPartition(lists, confidence, options)
  const { n, k, ids, similarities } = lists
  const { tau, maxConnections = 1, preferred } = options
  const above = ranking(confidence, options.ties)
  const index = new ConstraintIndex(n, constraints)
  const parent = new Int32Array(n).fill(-1)
  const parentSimilarity = new Float32Array(n)
  const kept = new Int32Array(n)
  // Where each vertex stands in its own list; -1 = its preferred neighbour comes first.
  const position = new Int32Array(n)
  const first = new Int32Array(n).fill(-1)
  const heap = new EdgeHeap(n)

  for (let v = 0; v < n; v++) {
    if (index.excluded[v]) continue
    if (preferred && preferred[v] >= 0) first[v] = slotOf(lists, v, preferred[v])
    position[v] = first[v] >= 0 ? -1 : 0
    propose(v)
  }
  for (let v = heap.pop(); v >= 0; v = heap.pop()) {
    const e = position[v] < 0 ? first[v] : v * k + position[v]
    position[v]++
    if (index.join(v, ids[e])) {
      if (parent[v] < 0) {
        parent[v] = ids[e]
        parentSimilarity[v] = similarities[e]
      }
      if (++kept[v] >= maxConnections) continue
    }
    propose(v)
  }
  return { labels: index.labels(), parent, parentSimilarity }

  /** Puts the next acceptable edge of v on the heap, if there is one. */
  function propose(v: number): void {
    if (position[v] < 0) {
      const e = first[v]
      if (above(ids[e], v) && !index.excluded[ids[e]]) {
        if (similarities[e] > tau) heap.push(v, similarities[e])
        // As without constraints: a preferred edge that tau cuts leaves a root, it is not replaced.
        else if (maxConnections > 1) {
          kept[v]++
          position[v] = 0
          propose(v)
        }
        return
      }
      position[v] = 0
    }
    for (; position[v] < k; position[v]++) {
      const e = v * k + position[v]
      if (ids[e] < 0 || !(similarities[e] > tau)) return
      if (e === first[v] || index.excluded[ids[e]] || !above(ids[e], v)) continue
      heap.push(v, similarities[e])
      return
    }
  }
}

export function isEmpty({ mustLinks, cannotLinks, excluded }: Constraints): boolean {
  return mustLinks.length === 0 && cannotLinks.length === 0 && excluded.length === 0
}
