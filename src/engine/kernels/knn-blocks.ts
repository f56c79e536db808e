import { throwIfAborted } from '../errors.ts'
import type { NeighbourLists } from '../types.ts'
import type { FeatureStore, Kernels, KnnOptions } from './contract.ts'

export interface BlockOptions extends Pick<KnnOptions, 'signal' | 'onProgress' | 'threads'> {
  /** Where to begin: the number of rows that an earlier, interrupted run has delivered. Default 0. */
  readonly firstRow?: number
  /** Rows a block. Default 65,536. */
  readonly blockRows?: number
}

export interface NeighbourBlock {
  /** Row of x that the first row of `lists` belongs to. */
  readonly firstRow: number
  readonly lists: NeighbourLists
}

/**
 * The exact lists of `knn`, block after block of rows, for graphs that shall not be in memory whole. Written down one
 * by one, a run that was stopped resumes at the first row not yet written.
 *
 * Costs up to twice the products of one `knn` call, which uses each product for both of its rows.
 */
export async function* knnBlocks(
  kernels: Kernels,
  x: FeatureStore,
  k: number,
  options: BlockOptions = {},
): AsyncGenerator<NeighbourBlock, void> {
  const { firstRow = 0, blockRows = 65_536, signal, onProgress, threads } = options
  for (let begin = firstRow; begin < x.rows; begin += blockRows) {
    throwIfAborted(signal)
    const queries = Int32Array.from({ length: Math.min(blockRows, x.rows - begin) }, (_, i) => begin + i)
    const lists = await kernels.knn(x, k, {
      queries,
      signal,
      threads,
      onProgress: onProgress && ((p) => onProgress({ ...p, completed: begin + p.completed, total: x.rows })),
    })
    yield { firstRow: begin, lists }
  }
}
