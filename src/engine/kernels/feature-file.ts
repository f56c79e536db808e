import { EngineError } from '../errors.ts'
import type { Matrix } from '../types.ts'
import type { FeatureStore } from './contract.ts'
import { readValues } from './raw-file.ts'

/** The rows in memory; reads a file whole. */
export async function readStore(store: FeatureStore): Promise<Matrix> {
  return 'data' in store ? store : readRows(store, 0, store.rows)
}

/**
 * Rows [first, first + count) in memory: a view of a matrix, a copy from a file.
 *
 * @throws EngineError SHAPE_MISMATCH when the store has not so many rows, or the file ends too early.
 */
export async function readRows(store: FeatureStore, first: number, count: number): Promise<Matrix> {
  const { rows, cols } = store
  if (!(first >= 0 && count >= 0 && first + count <= rows)) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `rows ${first} to ${first + count} must lie in the features: got ${rows} rows`,
    )
  }
  if ('data' in store) return { data: store.data.subarray(first * cols, (first + count) * cols), rows: count, cols }
  const data = new Float32Array(count * cols)
  const { offsetBytes = 0 } = store
  const got = await readValues(store.file, data, offsetBytes + first * cols * 4)
  if (got < data.byteLength) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `${store.file} must hold ${rows} rows of ${cols} float32: got ${offsetBytes + first * cols * 4 + got} bytes, ` +
        `expected ${offsetBytes + rows * cols * 4}`,
    )
  }
  return { data, rows: count, cols }
}
