import { createRng } from '../rng.ts'
import type { Matrix, NeighbourLists } from '../types.ts'
import type { FeatureStore, KnnOptions } from './contract.ts'

/** What an implementation brings to the search by cells. */
export interface CellHost {
  /** Copies of the listed rows. */
  gather(list: Int32Array): Matrix
  /** For each row (of the list), which centre is most similar; approximate arithmetic will do. */
  assign(rows: FeatureStore, centres: Matrix, list?: Int32Array): Promise<Int32Array>
  knn(rows: Matrix, k: number): Promise<NeighbourLists>
  searchCells(layout: CellLayout, k: number): Promise<NeighbourLists>
}

/** Rows sorted by cell, and for each cell the cells it meets: itself, and each pair named once. */
export interface CellLayout {
  /** int32 [rows] */
  readonly order: Int32Array
  /** float64 [cells + 1], into `order`. */
  readonly cellStart: Float64Array
  /** float64 [cells + 1], into `meets`. */
  readonly meetStart: Float64Array
  readonly meets: Int32Array
}

const ROWS_A_CELL = 64
const MOST_CELLS = 16_384
const SAMPLE_A_CELL = 32
const ROUNDS = 6

/**
 * Neighbours by cells: rows are grouped by spherical k-means, and products are taken between near cells only.
 *
 * Differs from an inverted file (faiss IVF): cells meet cells, not rows, so that the products stay dense; and a pair of
 * cells is multiplied once for both sides, so that a cell also meets those that chose it.
 */
export async function searchCells(
  host: CellHost,
  x: FeatureStore,
  k: number,
  options: KnnOptions,
): Promise<NeighbourLists> {
  const cells = Math.min(options.cells ?? Math.ceil(x.rows / ROWS_A_CELL), MOST_CELLS, x.rows)
  const centres = await train(host, x, cells, options.seed ?? 1)
  const home = await host.assign(x, centres)
  const layout = await arrange(host, home, centres, Math.min(options.probes ?? 1, cells - 1))
  return host.searchCells(layout, k)
}

/** Spherical k-means on a sample. An empty cell starts again at a random row. */
async function train(host: CellHost, x: FeatureStore, cells: number, seed: number): Promise<Matrix> {
  const { cols } = x
  const rng = createRng(seed)
  const all = Int32Array.from({ length: x.rows }, (_, i) => i)
  const size = Math.min(x.rows, cells * SAMPLE_A_CELL)
  for (let i = 0; i < size; i++) {
    const j = i + rng.int(x.rows - i)
    const held = all[i]
    all[i] = all[j]
    all[j] = held
  }
  const sample = host.gather(all.subarray(0, size))
  for (let i = 0; i < size; i++) normalise(sample.data, i * cols, cols)
  const centres: Matrix = { data: sample.data.slice(0, cells * cols), rows: cells, cols }
  const counts = new Int32Array(cells)

  for (let round = 0; round < ROUNDS; round++) {
    const home = await host.assign(sample, centres)
    centres.data.fill(0)
    counts.fill(0)
    for (let i = 0; i < size; i++) {
      const to = home[i] * cols
      const from = i * cols
      counts[home[i]]++
      for (let c = 0; c < cols; c++) centres.data[to + c] += sample.data[from + c]
    }
    for (let cell = 0; cell < cells; cell++) {
      if (counts[cell] === 0 || !normalise(centres.data, cell * cols, cols)) {
        const from = rng.int(size) * cols
        centres.data.set(sample.data.subarray(from, from + cols), cell * cols)
      }
    }
  }
  return centres
}

async function arrange(host: CellHost, home: Int32Array, centres: Matrix, probes: number): Promise<CellLayout> {
  const cells = centres.rows
  const cellStart = new Float64Array(cells + 1)
  for (const cell of home) cellStart[cell + 1]++
  for (let cell = 0; cell < cells; cell++) cellStart[cell + 1] += cellStart[cell]
  const fill = cellStart.slice()
  const order = new Int32Array(home.length)
  for (let i = 0; i < home.length; i++) order[fill[home[i]]++] = i

  const near = probes > 0 ? await host.knn(centres, probes) : undefined
  // A pair is kept under its lower cell, whichever of the two chose the other.
  const chosen = (from: number, to: number) => {
    if (!near) return false
    for (let i = from * probes; i < (from + 1) * probes; i++) if (near.ids[i] === to) return true
    return false
  }
  const counts = new Float64Array(cells + 1)
  const pairs: number[] = []
  for (let a = 0; a < cells; a++) {
    for (let i = a * probes; near && i < (a + 1) * probes; i++) {
      const b = near.ids[i]
      if (b < 0 || (b < a && chosen(b, a))) continue
      pairs.push(Math.min(a, b), Math.max(a, b))
    }
  }
  for (let a = 0; a < cells; a++) counts[a + 1] = 1
  for (let p = 0; p < pairs.length; p += 2) counts[pairs[p] + 1]++
  for (let a = 0; a < cells; a++) counts[a + 1] += counts[a]
  const at = counts.slice()
  const meets = new Int32Array(counts[cells])
  for (let a = 0; a < cells; a++) meets[at[a]++] = a
  for (let p = 0; p < pairs.length; p += 2) meets[at[pairs[p]]++] = pairs[p + 1]
  return { order, cellStart, meetStart: counts, meets }
}

/** In place; false for a row without a direction. */
function normalise(data: Float32Array, start: number, cols: number): boolean {
  let square = 0
  for (let c = start; c < start + cols; c++) square += data[c] * data[c]
  if (!(square > 0 && square < Infinity)) return false
  const scale = 1 / Math.sqrt(square)
  for (let c = start; c < start + cols; c++) data[c] *= scale
  return true
}
