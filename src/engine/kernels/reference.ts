import { throwIfAborted } from '../errors.ts'
import { selectRows } from '../knn/sub-lists.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, CsrGraph, Matrix, NeighbourLists } from '../types.ts'
import type { CellHost, CellLayout } from './cells.ts'
import { badRow, checkAggregate, checkKnn, checkStore } from './check.ts'
import type { CellOptions, FeatureStore, GemmShape, Kernels, KnnOptions } from './contract.ts'
import { readStore } from './feature-file.ts'

/**
 * Plain TypeScript: slow, obvious, and what the others must agree with.
 *
 * Differs: `probes` is accepted and ignored, since the exact answer has the best recall there is.
 */
export const referenceKernels: Kernels = { name: 'reference', knn, openCells, hasUnitRows, aggregate, gemm }

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
  let work = 0

  for (let i = 0; i < n; i++) {
    const row = queries ? queries[i] : i
    let kept = 0
    for (let j = 0; j < x.rows; j++) {
      if (j !== row) kept = insert(ids, similarities, i, k, kept, j, similarity(unit, row, j))
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

/**
 * A row as good as the worst of the k best so far joins list i by insertion: similarities fall, ids rise within ties.
 *
 * @param kept rows in the list; @returns rows in it now
 */
function insert(
  ids: Int32Array,
  similarities: Float32Array,
  i: number,
  k: number,
  kept: number,
  id: number,
  score: number,
): number {
  const comesBefore = (slot: number) => similarities[slot] < score || (similarities[slot] === score && ids[slot] > id)
  const slots = i * k
  if (kept === k && !comesBefore(slots + k - 1)) return kept
  let slot = slots + Math.min(kept, k - 1)
  for (; slot > slots && comesBefore(slot - 1); slot--) {
    ids[slot] = ids[slot - 1]
    similarities[slot] = similarities[slot - 1]
  }
  ids[slot] = id
  similarities[slot] = score
  return Math.min(kept + 1, k)
}

async function openCells(store: FeatureStore, options: CellOptions = {}): Promise<CellHost> {
  checkStore(store)
  const x = await readStore(store)
  const unit = unitRows(x)

  async function assign(rows: FeatureStore, centres: Matrix, list?: Int32Array): Promise<Int32Array> {
    const { data } = 'data' in rows ? rows : x
    const count = list ? list.length : rows.rows
    const home = new Int32Array(count)
    for (let i = 0; i < count; i++) {
      if (i % 1024 === 0) await pause(options)
      let best = -Infinity
      for (let centre = 0; centre < centres.rows; centre++) {
        const score = laneDot(data, (list ? list[i] : i) * x.cols, centres.data, centre * x.cols, x.cols)
        if (score <= best) continue
        best = score
        home[i] = centre
      }
    }
    return home
  }

  async function searchCells(layout: CellLayout, k: number, control: Control = options): Promise<NeighbourLists> {
    const { order, cellStart, meetStart, meets, searched = cellStart.length - 1 } = layout
    const n = layout.searched === undefined ? x.rows : cellStart[searched]
    const ids = new Int32Array(n * k).fill(-1)
    const similarities = new Float32Array(n * k)
    const kept = new Int32Array(n)
    const offer = (at: number, to: number) => {
      const [row, other] = [order[at], order[to]]
      const list = layout.searched === undefined ? row : at
      kept[list] = insert(ids, similarities, list, k, kept[list], other, similarity(unit, row, other))
    }
    for (let a = 0; a < searched; a++) {
      await pause(options)
      for (let m = meetStart[a]; m < meetStart[a + 1]; m++) {
        const b = meets[m]
        for (let i = cellStart[a]; i < cellStart[a + 1]; i++) {
          for (let j = cellStart[b]; j < cellStart[b + 1]; j++) {
            if (i !== j) offer(i, j)
            if (b !== a && b < searched) offer(j, i)
          }
        }
      }
      control.onProgress?.({ phase: 'knn', completed: cellStart[a + 1], total: n })
    }
    return { n, k, ids, similarities }
  }

  return {
    gather: (list) => selectRows(x, list),
    assign,
    knn: (rows, k) => knn(rows, k, { signal: options.signal }),
    searchCells,
    close: async () => {},
  }
}

async function hasUnitRows(store: FeatureStore, control: Control = {}): Promise<boolean> {
  checkStore(store)
  const x = await readStore(store)
  let isUnit = true
  for (let i = 0; i < x.rows; i++) {
    if (i % 4096 === 0) await pause(control)
    const norm = Math.sqrt(laneDot(x.data, i * x.cols, x.data, i * x.cols, x.cols))
    if (!(norm > 0 && norm < Infinity)) throw badRow(i, norm)
    if (!(Math.abs(norm - 1) <= 1e-6)) isUnit = false
  }
  return isUnit
}

async function pause({ signal }: Control): Promise<void> {
  await nextTurn()
  throwIfAborted(signal)
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

async function aggregate(store: FeatureStore, graph: CsrGraph, control: Control = {}): Promise<Float32Array> {
  checkAggregate(store, graph)
  throwIfAborted(control.signal)
  const x = await readStore(store)
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
