import type { Matrix } from '../types.ts'

/**
 * F_L with rows of length 1, the features that the graph is rebuilt on.
 *
 * Differs: a row that the ReLU left without any signal has no direction, and becomes NaN in the released code. Here it
 * points equally in all, so that such vertices are near each other and far from the rest.
 *
 * @param hidden float32 [n, h], not negative; not changed
 */
export function unitHiddenRows({ data, rows, cols }: Matrix): Matrix {
  const unit = new Float32Array(data.length)
  for (let v = 0; v < rows; v++) {
    let squares = 0
    for (let c = v * cols; c < (v + 1) * cols; c++) squares += data[c] * data[c]
    const norm = Math.sqrt(squares)
    for (let c = v * cols; c < (v + 1) * cols; c++) unit[c] = norm > 0 ? data[c] / norm : 1 / Math.sqrt(cols)
  }
  return { data: unit, rows, cols }
}
