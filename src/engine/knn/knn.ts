import { loadKernels } from '../kernels/select.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'

/**
 * The k nearest other rows of every row by cosine similarity, exact, most similar first, ties by lower id.
 *
 * Runs on the fastest kernels of this machine; all of them give the same lists, bit for bit.
 *
 * Differs: the released code keeps each vertex in its own list, so its K = 80 is k = 79 here; and it stops at a
 * negative cosine, which is kept here.
 *
 * @param x float32 [n, d], any norms above zero; not changed
 * @param k neighbours a row, self not counted; rows beyond n - 1 are padded with id -1
 * @throws EngineError NOT_FINITE, BAD_OPTION, SHAPE_MISMATCH, ABORTED.
 */
export async function knn(x: Matrix, k: number, control: Control = {}): Promise<NeighbourLists> {
  const { kernels } = await loadKernels()
  return kernels.knn(x, k, { signal: control.signal, onProgress: control.onProgress })
}
