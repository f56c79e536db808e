import { checkStore } from '../kernels/check.ts'
import { unitRows } from '../kernels/reference.ts'
import type { Matrix } from '../types.ts'

/**
 * Copies a matrix with every row divided by its Euclidean norm.
 *
 * Rows whose norm is within 1e-6 of 1 are copied as they are, so that normalising twice changes nothing.
 *
 * @param x float32 [n, d]; not changed
 * @throws EngineError NOT_FINITE naming the first row with NaN, infinity or only zeros; SHAPE_MISMATCH.
 */
export function normalizeRows(x: Matrix): Matrix {
  checkStore(x)
  return unitRows(x)
}
