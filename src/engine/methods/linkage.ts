import { EngineError } from '../errors.ts'
import { UnionFind } from '../partition/union-find.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import { productBlocks } from './products.ts'

export type Linkage = 'single' | 'average' | 'complete'

/** Merges of an agglomeration, most similar first. n rows, n - 1 merges. */
export interface Dendrogram {
  readonly n: number
  /** int32 [n - 1]: any row of either side. */
  readonly left: Int32Array
  readonly right: Int32Array
  /** float32 [n - 1]: similarity at which the two sides join, never rising. */
  readonly similarity: Float32Array
}

/** Rows that the similarities of all pairs fit in memory for: 800 MB. */
export const MOST_ROWS = 20_000

/**
 * Agglomerative hierarchy over all pairs of rows, by cosine similarity.
 *
 * Source: nearest-neighbour chains, [MURTAGH83]; Lance-Williams updates. Time n^2 d for the products and O(n^2) for the chain,
 * 2 n^2 bytes of memory.
 *
 * @param x L2-normalised rows; with `sizes` the means of clusters instead
 * @param sizes members of each cluster that a row stands for; default 1
 * @throws EngineError BAD_OPTION above 20,000 rows, ABORTED.
 */
export async function agglomerate(
  x: Matrix,
  linkage: Linkage,
  control: Control = {},
  sizes?: Int32Array,
): Promise<Dendrogram> {
  const n = x.rows
  if (n > MOST_ROWS) {
    throw new EngineError(
      'BAD_OPTION',
      `agglomeration compares all pairs, so it takes at most ${MOST_ROWS} rows: got ${n}; take INFOMAP or GCN_V instead`,
    )
  }
  const pairs = new Float32Array((n * (n - 1)) / 2)
  const rowStart = (v: number) => (v * (v - 1)) / 2
  await productBlocks(
    x,
    x,
    (first, rows, values) => {
      for (let i = 0; i < rows; i++) {
        pairs.set(values.subarray(i * n, i * n + first + i), rowStart(first + i))
      }
    },
    control,
  )
  const at = (a: number, b: number) => (a > b ? rowStart(a) + b : rowStart(b) + a)

  const size = sizes ? Float64Array.from(sizes) : new Float64Array(n).fill(1)
  // Active clusters as a linked list, so that those that are gone cost nothing.
  const next = Int32Array.from({ length: n }, (_, v) => v + 1)
  const previous = Int32Array.from({ length: n }, (_, v) => v - 1)
  let head = 0
  const merges: { left: number; right: number; similarity: number }[] = []
  const chain: number[] = []
  while (merges.length < n - 1) {
    if (chain.length === 0) chain.push(head)
    const a = chain[chain.length - 1]
    const before = chain.length > 1 ? chain[chain.length - 2] : -1
    // Ties go to the one before in the chain, else the chain might never end.
    let best = before
    let most = before >= 0 ? pairs[at(a, before)] : Number.NEGATIVE_INFINITY
    for (let b = head; b < n; b = next[b]) {
      if (b === a) continue
      const similarity = pairs[at(a, b)]
      if (similarity > most) {
        most = similarity
        best = b
      }
    }
    if (best !== before) {
      chain.push(best)
      continue
    }
    chain.length -= 2
    const [kept, gone] = a < best ? [best, a] : [a, best]
    merges.push({ left: kept, right: gone, similarity: most })
    if (gone === head) head = next[gone]
    else next[previous[gone]] = next[gone]
    if (next[gone] < n) previous[next[gone]] = previous[gone]
    const [keptSize, goneSize] = [size[kept], size[gone]]
    for (let b = head; b < n; b = next[b]) {
      if (b === kept) continue
      const to = at(kept, b)
      const from = pairs[at(gone, b)]
      if (linkage === 'single') pairs[to] = Math.max(pairs[to], from)
      else if (linkage === 'complete') pairs[to] = Math.min(pairs[to], from)
      else pairs[to] = (keptSize * pairs[to] + goneSize * from) / (keptSize + goneSize)
    }
    size[kept] = keptSize + goneSize
  }
  // Chains find merges out of order; stable, so that a merge never comes before those it builds on.
  const order = merges.map((_, i) => i).sort((i, j) => merges[j].similarity - merges[i].similarity || i - j)
  return {
    n,
    left: Int32Array.from(order, (i) => merges[i].left),
    right: Int32Array.from(order, (i) => merges[i].right),
    similarity: Float32Array.from(order, (i) => merges[i].similarity),
  }
}

/** Clusters after all merges at or above a similarity. */
export function cutAt({ n, left, right, similarity }: Dendrogram, tau: number): Labels {
  const sets = new UnionFind(n)
  for (let i = 0; i < similarity.length && similarity[i] >= tau; i++) sets.union(left[i], right[i])
  return sets.labels()
}

/** A given number of clusters. */
export function cutInto({ n, left, right }: Dendrogram, clusters: number): Labels {
  const sets = new UnionFind(n)
  for (let i = 0; i < n - clusters; i++) sets.union(left[i], right[i])
  return sets.labels()
}
