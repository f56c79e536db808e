import type { Matrix, NeighbourLists } from '../types.ts'

/** The first k neighbours of longer lists; the same lists when k is as long. Nothing is searched again. */
export function shorterLists(lists: NeighbourLists, k: number): NeighbourLists {
  if (k >= lists.k) return lists
  const ids = new Int32Array(lists.n * k)
  const similarities = new Float32Array(lists.n * k)
  for (let v = 0; v < lists.n; v++) {
    ids.set(lists.ids.subarray(v * lists.k, v * lists.k + k), v * k)
    similarities.set(lists.similarities.subarray(v * lists.k, v * lists.k + k), v * k)
  }
  return { n: lists.n, k, ids, similarities }
}

/** Copies the given rows, in the given order. */
export function selectRows(x: Matrix, rows: Int32Array): Matrix {
  const data = new Float32Array(rows.length * x.cols)
  for (let i = 0; i < rows.length; i++) {
    data.set(x.data.subarray(rows[i] * x.cols, (rows[i] + 1) * x.cols), i * x.cols)
  }
  return { data, rows: rows.length, cols: x.cols }
}

/** Rows of one matrix, then those of another with as many columns. */
export function stackRows(above: Matrix, below: Matrix): Matrix {
  const data = new Float32Array(above.data.length + below.data.length)
  data.set(above.data)
  data.set(below.data, above.data.length)
  return { data, rows: above.rows + below.rows, cols: above.cols }
}
