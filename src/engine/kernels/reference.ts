import { throwIfAborted } from '../errors.ts'
import type { Control, CsrGraph, Matrix, NeighbourLists } from '../types.ts'
import { badRow, checkAggregate, checkKnn } from './check.ts'
import type { FeatureStore, GemmShape, Kernels, KnnOptions } from './contract.ts'
import { readStore } from './feature-file.ts'

/**
 * Plain TypeScript: slow, obvious, and what the others must agree with.
 *
 * Differs: `probes` is accepted and ignored, since the exact answer has the best recall there is.
 */
export const referenceKernels: Kernels = { name: 'reference', knn, aggregate, gemm }

/** Work between two looks at the abort signal, so that the event loop runs at least every few dozen milliseconds. */
const PRODUCTS_A_SLICE = 1e7

async function knn(store: FeatureStore, k: number, options: KnnOptions = {}): Promise<NeighbourLists> {
  checkKnn(store, k, options)
  throwIfAborted(options.signal)
  const x = await readStore(store)
  const unit = unitRows(x)
  const queries = options.queries
  const n = queries ? queries.length : x.rows
  const ids = new Int32Array(n * k).fill(-1)
  const similarities = new Float32Array(n * k)
  const scores = new Float32Array(x.rows)
  let work = 0

  for (let i = 0; i < n; i++) {
    const row = queries ? queries[i] : i
    // As good as the worst of the k best so far, the row joins them by insertion: scores fall, ids rise within ties.
    const slots = i * k
    let kept = 0
    for (let j = 0; j < x.rows; j++) {
      if (j === row) continue
      scores[j] = similarity(unit, row, j)
      if (kept === k && scores[j] <= similarities[slots + k - 1]) continue
      let slot = kept < k ? kept++ : k - 1
      for (; slot > 0 && similarities[slots + slot - 1] < scores[j]; slot--) {
        ids[slots + slot] = ids[slots + slot - 1]
        similarities[slots + slot] = similarities[slots + slot - 1]
      }
      ids[slots + slot] = j
      similarities[slots + slot] = scores[j]
    }
    work += x.rows * x.cols
    if (work < PRODUCTS_A_SLICE && i < n - 1) continue
    work = 0
    options.onProgress?.({ phase: 'knn', completed: i + 1, total: n })
    await nextTurn()
    throwIfAborted(options.signal)
  }
  return { n, k, ids, similarities }
}

/** Rows of length 1, as the contract defines them. */
export function unitRows(x: Matrix): Matrix {
  const { rows, cols } = x
  const data = new Float32Array(rows * cols)
  for (let i = 0; i < rows; i++) {
    const norm = Math.sqrt(laneDot(x.data, i * cols, x.data, i * cols, cols))
    if (!(norm > 0 && norm < Infinity)) throw badRow(i, norm)
    const isUnit = Math.abs(norm - 1) <= 1e-6
    for (let c = i * cols; c < (i + 1) * cols; c++) data[c] = isUnit ? x.data[c] : x.data[c] / norm
  }
  return { data, rows, cols }
}

/** Similarity of rows i and j of a matrix of unit rows, rounded to float32. */
export function similarity(unit: Matrix, i: number, j: number): number {
  // + 0 turns a negative zero, left by a tiny negative product, into zero.
  return Math.fround(laneDot(unit.data, i * unit.cols, unit.data, j * unit.cols, unit.cols)) + 0
}

function laneDot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  let [s0, s1, s2, s3, s4, s5, s6, s7] = [0, 0, 0, 0, 0, 0, 0, 0]
  let c = 0
  for (; c + 8 <= length; c += 8) {
    s0 += a[aStart + c] * b[bStart + c]
    s1 += a[aStart + c + 1] * b[bStart + c + 1]
    s2 += a[aStart + c + 2] * b[bStart + c + 2]
    s3 += a[aStart + c + 3] * b[bStart + c + 3]
    s4 += a[aStart + c + 4] * b[bStart + c + 4]
    s5 += a[aStart + c + 5] * b[bStart + c + 5]
    s6 += a[aStart + c + 6] * b[bStart + c + 6]
    s7 += a[aStart + c + 7] * b[bStart + c + 7]
  }
  const left = length - c
  if (left > 0) s0 += a[aStart + c] * b[bStart + c]
  if (left > 1) s1 += a[aStart + c + 1] * b[bStart + c + 1]
  if (left > 2) s2 += a[aStart + c + 2] * b[bStart + c + 2]
  if (left > 3) s3 += a[aStart + c + 3] * b[bStart + c + 3]
  if (left > 4) s4 += a[aStart + c + 4] * b[bStart + c + 4]
  if (left > 5) s5 += a[aStart + c + 5] * b[bStart + c + 5]
  if (left > 6) s6 += a[aStart + c + 6] * b[bStart + c + 6]
  return s0 + s4 + (s2 + s6) + (s1 + s5 + (s3 + s7))
}

async function aggregate(x: Matrix, graph: CsrGraph, control: Control = {}): Promise<Float32Array> {
  checkAggregate(x, graph)
  throwIfAborted(control.signal)
  const { cols } = x
  const out = new Float32Array(graph.n * cols)
  let work = 0
  for (let v = 0; v < graph.n; v++) {
    for (let e = graph.offsets[v]; e < graph.offsets[v + 1]; e++) {
      const weight = graph.weights[e]
      const from = graph.targets[e] * cols
      for (let c = 0; c < cols; c++) out[v * cols + c] += weight * x.data[from + c]
    }
    work += (graph.offsets[v + 1] - graph.offsets[v]) * cols
    if (work < PRODUCTS_A_SLICE) continue
    work = 0
    control.onProgress?.({ phase: 'aggregate', completed: v + 1, total: graph.n })
    await nextTurn()
    throwIfAborted(control.signal)
  }
  return out
}

function gemm(a: Float32Array, b: Float32Array, c: Float32Array, shape: GemmShape): void {
  const { m, n, k, transposeA = false, transposeB = false, batch = 1, strideA = m * k, strideB = k * n } = shape
  const [aRow, aCol] = transposeA ? [1, m] : [k, 1]
  const [bRow, bCol] = transposeB ? [1, k] : [n, 1]
  for (let s = 0; s < batch; s++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0
        for (let l = 0; l < k; l++) sum += a[s * strideA + i * aRow + l * aCol] * b[s * strideB + l * bRow + j * bCol]
        c[(s * m + i) * n + j] = sum
      }
    }
  }
}

/** Lets timers and I/O run; a resolved promise would not. */
const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve, 0))
