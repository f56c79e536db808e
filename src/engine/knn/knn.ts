import { measureRecall } from '../kernels/recall.ts'
import { loadKernels } from '../kernels/select.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'

export interface SearchOptions extends Pick<Control, 'signal' | 'onProgress'> {
  /** Unset: exact. Set: by k-means cells, each compared with itself and at least so many others near to it. */
  readonly probes?: number
  /** Seed of the cells, and of the sample that their recall is measured on. Default 1. */
  readonly seed?: number
}

/**
 * The k nearest other rows of every row by cosine similarity, most similar first, ties by lower id; exact unless `probes`
 * says otherwise.
 *
 * Runs on the fastest kernels of this machine; all of them give the same exact lists, bit for bit.
 *
 * Differs: the released code keeps each vertex in its own list, so its K = 80 is k = 79 here; and it stops at a
 * negative cosine, which is kept here.
 *
 * @param x float32 [n, d], any norms above zero; not changed
 * @param k neighbours a row, self not counted; rows beyond n - 1 are padded with id -1
 * @throws EngineError NOT_FINITE, BAD_OPTION, SHAPE_MISMATCH, ABORTED.
 */
export async function knn(x: Matrix, k: number, options: SearchOptions = {}): Promise<NeighbourLists> {
  const { kernels } = await loadKernels()
  const { signal, onProgress, probes, seed } = options
  return kernels.knn(x, k, { signal, onProgress, ...(probes !== undefined && { probes, seed }) })
}

/**
 * `knn`, and what share of the true neighbours it found: 1 for an exact search; for one by cells measured against the exact
 * lists of 1,000 rows drawn by the seed.
 */
export async function knnWithRecall(
  x: Matrix,
  k: number,
  options: SearchOptions = {},
): Promise<{ lists: NeighbourLists; recall: number }> {
  const lists = await knn(x, k, options)
  if (options.probes === undefined) return { lists, recall: 1 }
  const { kernels } = await loadKernels()
  return { lists, recall: await measureRecall(kernels, x, lists, { seed: options.seed, signal: options.signal }) }
}
