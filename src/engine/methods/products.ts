import * as tf from '@tensorflow/tfjs-core'
import { throwIfAborted } from '../errors.ts'
import { chooseBackend } from '../gcn/backend.ts'
import { tensorValues } from '../gcn/tensor-values.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, Matrix } from '../types.ts'

const VALUES_A_BLOCK = 2 ** 23

/** Rows that others are multiplied with again and again; whoever opens them closes them. */
export interface Products {
  /** a b^T, float32 [a.rows, b.rows]. */
  times(a: Matrix): Float32Array
  close(): void
}

export async function openProducts(b: Matrix): Promise<Products> {
  await chooseBackend()
  const right = tf.tensor2d(transposed(b).data, [b.cols, b.rows])
  return {
    times: (a) => tensorValues(() => tf.matMul(tf.tensor2d(a.data, [a.rows, a.cols]), right)),
    close: () => right.dispose(),
  }
}

/**
 * a b^T block after block of rows of a, so that it is never in memory whole.
 *
 * @param onBlock values float32 [rows, b.rows]
 */
export async function productBlocks(
  a: Matrix,
  b: Matrix,
  onBlock: (firstRow: number, rows: number, values: Float32Array) => void,
  { signal }: Control = {},
): Promise<void> {
  const products = await openProducts(b)
  const step = Math.max(1, Math.floor(VALUES_A_BLOCK / Math.max(1, b.rows)))
  try {
    for (let first = 0; first < a.rows; first += step) {
      await nextTurn()
      throwIfAborted(signal)
      const rows = Math.min(step, a.rows - first)
      const data = a.data.subarray(first * a.cols, (first + rows) * a.cols)
      onBlock(first, rows, products.times({ data, rows, cols: a.cols }))
    }
  } finally {
    products.close()
  }
}

/** A copy with rows and columns exchanged. */
export function transposed({ data, rows, cols }: Matrix): Matrix {
  const out = new Float32Array(data.length)
  for (let i = 0; i < rows; i++) for (let c = 0; c < cols; c++) out[c * rows + i] = data[i * cols + c]
  return { data: out, rows: cols, cols: rows }
}
