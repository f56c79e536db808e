import { knn } from '../knn/knn.ts'
import { normalizeRows } from '../knn/normalize-rows.ts'
import { shorterLists } from '../knn/sub-lists.ts'
import type { Control, Labels, Matrix, NeighbourLists } from '../types.ts'
import { similarityAt } from './default-tau.ts'
import { dynamicThreshold } from './dynamic-threshold.ts'
import { listPairs } from './list-pairs.ts'

/** How strict the pairs of each basic set are, as a label-free prior sees similarities. */
const BELIEFS = [0.2, 0.5, 0.8]
/** Neighbours that pairs are taken from, and the largest component, of each basic set. */
const WIDTHS = [5, 15, 40]
const LARGEST = [30, 100, 300]
const STEP = 0.05
/** Neighbours of super-vertices, and how many may join, for each iterated set. */
const ITERATED = [
  { k: 1, most: 8 },
  { k: 2, most: 5 },
] as const
const ITERATED_TAU = 0.4
const LEAST = 3

/** Largest proposal. */
export const MOST_NODES = 300

/**
 * Groups of vertices that might be a class: components of pairs at several thresholds, and groups of such groups.
 *
 * Source: basic and iterated proposals of [YANG19]. Differs: thresholds follow a label-free prior instead of .55 to .75.
 *
 * @returns distinct, ascending vertices each
 */
export async function proposals(
  lists: NeighbourLists,
  x: Matrix,
  seed: number,
  control: Control = {},
): Promise<Int32Array[]> {
  const found = new Map<string, Int32Array>()
  const keep = (members: Int32Array) => {
    if (members.length >= LEAST && members.length <= MOST_NODES) found.set(members.join(), members)
  }
  for (const width of WIDTHS) {
    const near = shorterLists(lists, Math.min(width, lists.k))
    for (const belief of BELIEFS) {
      const tau = similarityAt(near, x, seed, belief)
      const pairs = listPairs(near, (e) => near.similarities[e] > tau)
      for (const maxSize of LARGEST) {
        const groups = groupsOf(dynamicThreshold(near.n, pairs, { maxSize, step: STEP }))
        for (const group of groups) keep(group)
        if (groups.length > 1) for (const group of await iterate(groups)) keep(group)
      }
    }
  }
  return [...found.values()]

  async function iterate(groups: readonly Int32Array[]): Promise<Int32Array[]> {
    const means = normalizeRows(meanRows(x, groups))
    const larger: Int32Array[] = []
    for (const { k, most } of ITERATED) {
      const above = await knn(means, Math.min(k, groups.length - 1), { signal: control.signal })
      const pairs = listPairs(above, (e) => above.similarities[e] > ITERATED_TAU)
      for (const supers of groupsOf(dynamicThreshold(groups.length, pairs, { maxSize: most, step: STEP }))) {
        if (supers.length > 1) larger.push(Int32Array.from([...supers].flatMap((g) => [...groups[g]])).sort())
      }
    }
    return larger
  }
}

/** Vertices of each label, a label below 0 alone. */
function groupsOf(labels: Labels): Int32Array[] {
  const groups = new Map<number, number[]>()
  const single: Int32Array[] = []
  for (const [v, label] of labels.entries()) {
    if (label < 0) single.push(Int32Array.of(v))
    else {
      const group = groups.get(label)
      if (group) group.push(v)
      else groups.set(label, [v])
    }
  }
  return [...Array.from(groups.values(), (group) => Int32Array.from(group)), ...single]
}

function meanRows({ data, cols }: Matrix, groups: readonly Int32Array[]): Matrix {
  const means = new Float32Array(groups.length * cols)
  for (const [g, group] of groups.entries()) {
    for (const v of group) for (let c = 0; c < cols; c++) means[g * cols + c] += data[v * cols + c] / group.length
    const row = means.subarray(g * cols, (g + 1) * cols)
    if (row.every((value) => value === 0)) row[0] = 1
  }
  return { data: means, rows: groups.length, cols }
}
