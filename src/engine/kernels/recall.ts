import { createRng } from '../rng.ts'
import type { Control, NeighbourLists } from '../types.ts'
import type { FeatureStore, Kernels } from './contract.ts'

/**
 * Share of true neighbours that approximate lists hold, on a sample of rows whose exact lists are computed.
 *
 * A listed neighbour counts when it is as similar as the true k-th, so that ties are no errors.
 *
 * @returns 0..1; 1 for no rows. Deterministic for a seed.
 */
export async function measureRecall(
  kernels: Kernels,
  x: FeatureStore,
  lists: NeighbourLists,
  options: { readonly sample?: number; readonly seed?: number } & Control = {},
): Promise<number> {
  const { sample = 1000, seed = 1, signal } = options
  const rng = createRng(seed)
  const chosen = new Set<number>()
  while (chosen.size < Math.min(sample, x.rows)) chosen.add(rng.int(x.rows))
  const queries = Int32Array.from(chosen)
  const exact = await kernels.knn(x, lists.k, { queries, signal })
  let wanted = 0
  let found = 0
  for (let i = 0; i < queries.length; i++) {
    const truth = i * lists.k
    let count = 0
    while (count < lists.k && exact.ids[truth + count] >= 0) count++
    if (count === 0) continue
    wanted += count
    const worst = exact.similarities[truth + count - 1]
    const row = queries[i] * lists.k
    let good = 0
    for (let e = row; e < row + lists.k; e++) if (lists.ids[e] >= 0 && lists.similarities[e] >= worst) good++
    found += Math.min(good, count)
  }
  return wanted === 0 ? 1 : found / wanted
}
