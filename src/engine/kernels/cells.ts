import { throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import { createRng } from '../rng.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'
import type { FeatureStore, KnnOptions } from './contract.ts'

/** What an implementation brings to the search by cells of one feature store. */
export interface CellHost {
  /** Copies of the listed rows. */
  gather(list: Int32Array): Matrix
  /** For each row (of the list), which centre is most similar; approximate arithmetic will do. */
  assign(rows: FeatureStore, centres: Matrix, list?: Int32Array): Promise<Int32Array>
  knn(rows: Matrix, k: number): Promise<NeighbourLists>
  /** The k most similar rows of each searched row among the cells that its cell meets. */
  searchCells(layout: CellLayout, k: number, control?: Control): Promise<NeighbourLists>
  /** Gives threads and memory back. */
  close(): Promise<void>
}

/** Rows sorted by cell, and for each cell the cells it meets: itself, and each pair named once. */
export interface CellLayout {
  /** int32: rows of x, cell after cell. */
  readonly order: Int32Array
  /** float64 [cells + 1], into `order`. */
  readonly cellStart: Float64Array
  /** float64 [cells + 1], into `meets`; pairs are kept under the lower cell, or under the one that is searched. */
  readonly meetStart: Float64Array
  readonly meets: Int32Array
  /**
   * Unset: all rows are searched, and list i belongs to row i. Set: only the first so many cells are searched, the others
   * are compared with, and list i belongs to row `order[i]`.
   */
  readonly searched?: number
}

/** Which cell each row belongs to, and which cells meet. All that a search by cells has to remember. */
export interface CellPlan {
  readonly cells: number
  /** int32 [rows] */
  readonly home: Int32Array
  /** The cells that cell c meets, itself not named, both of a pair: `partners[partnerStart[c] .. partnerStart[c + 1])`, ascending. */
  readonly partnerStart: Float64Array
  readonly partners: Int32Array
}

const ROWS_A_CELL = 64
const MOST_CELLS = 16_384
/** Centres move far in the first rounds, so that fewer rows are enough to say where. */
const ROUNDS = [12, 12, 12, 12, 32, 32] as const
const SAMPLE_A_CELL = Math.max(...ROUNDS)
/** Rows copied or summed between two looks at the abort signal. */
const ROWS_A_TURN = 32_768

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
  const centres = await trainCells(host, x, options)
  const home = await host.assign(x, centres)
  const plan = await planCells(host, home, centres, options.probes ?? 1)
  return host.searchCells(layOutAll(plan), k, options)
}

/** Centres by spherical k-means on a sample, unit rows. An empty cell starts again at a random row. */
export async function trainCells(host: CellHost, x: FeatureStore, options: KnnOptions): Promise<Matrix> {
  const { cols } = x
  const { signal } = options
  const cells = Math.min(options.cells ?? Math.ceil(x.rows / ROWS_A_CELL), MOST_CELLS, x.rows)
  const rng = createRng(options.seed ?? 1)
  const all = Int32Array.from({ length: x.rows }, (_, i) => i)
  const size = Math.min(x.rows, cells * SAMPLE_A_CELL)
  for (let i = 0; i < size; i++) {
    const j = i + rng.int(x.rows - i)
    const held = all[i]
    all[i] = all[j]
    all[j] = held
  }
  const sample = await gatherRows(host, all.subarray(0, size), cols, signal)
  const centres: Matrix = { data: sample.data.slice(0, cells * cols), rows: cells, cols }
  const counts = new Int32Array(cells)

  for (const sampleACell of ROUNDS) {
    const seen = Math.min(size, cells * sampleACell)
    const home = await host.assign({ data: sample.data.subarray(0, seen * cols), rows: seen, cols }, centres)
    centres.data.fill(0)
    counts.fill(0)
    for (let i = 0; i < seen; i++) {
      if (i % ROWS_A_TURN === 0) await breathe(signal)
      const to = home[i] * cols
      const from = i * cols
      counts[home[i]]++
      for (let c = 0; c < cols; c++) centres.data[to + c] += sample.data[from + c]
    }
    for (let cell = 0; cell < cells; cell++) {
      if (counts[cell] === 0 || !normalise(centres.data, cell * cols, cols)) {
        const from = rng.int(seen) * cols
        centres.data.set(sample.data.subarray(from, from + cols), cell * cols)
      }
    }
  }
  return centres
}

/** Copies of rows at unit length, some at a time, so that a slow disk does not hold up the event loop. */
async function gatherRows(host: CellHost, list: Int32Array, cols: number, signal?: AbortSignal): Promise<Matrix> {
  const data = new Float32Array(list.length * cols)
  for (let from = 0; from < list.length; from += ROWS_A_TURN / 8) {
    await breathe(signal)
    const some = host.gather(list.subarray(from, from + ROWS_A_TURN / 8))
    for (let i = 0; i < some.rows; i++) normalise(some.data, i * cols, cols)
    data.set(some.data, from * cols)
  }
  return { data, rows: list.length, cols }
}

/** Which cells meet: each with the `probes` nearest others, and with those that chose it. */
export async function planCells(host: CellHost, home: Int32Array, centres: Matrix, probes: number): Promise<CellPlan> {
  const cells = centres.rows
  const wanted = Math.min(probes, cells - 1)
  const pairs: number[] = []
  if (wanted > 0) {
    const { ids } = await host.knn(centres, wanted)
    for (let a = 0; a < cells; a++) {
      for (let i = a * wanted; i < (a + 1) * wanted; i++) {
        const b = ids[i]
        // A pair that chose each other is named once, by the lower of the two.
        if (b < 0 || (b < a && ids.subarray(b * wanted, (b + 1) * wanted).includes(a))) continue
        pairs.push(a, b)
      }
    }
  }
  const partnerStart = new Float64Array(cells + 1)
  for (const cell of pairs) partnerStart[cell + 1]++
  for (let cell = 0; cell < cells; cell++) partnerStart[cell + 1] += partnerStart[cell]
  const fill = partnerStart.slice()
  const partners = new Int32Array(pairs.length)
  for (let p = 0; p < pairs.length; p += 2) {
    partners[fill[pairs[p]]++] = pairs[p + 1]
    partners[fill[pairs[p + 1]]++] = pairs[p]
  }
  for (let cell = 0; cell < cells; cell++) partners.subarray(partnerStart[cell], partnerStart[cell + 1]).sort()
  return { cells, home, partnerStart, partners }
}

/** Rows cell after cell, ascending within one. */
export function sortByCell({ cells, home }: CellPlan): { order: Int32Array; cellStart: Float64Array } {
  const cellStart = new Float64Array(cells + 1)
  for (const cell of home) cellStart[cell + 1]++
  for (let cell = 0; cell < cells; cell++) cellStart[cell + 1] += cellStart[cell]
  const fill = cellStart.slice()
  const order = new Int32Array(home.length)
  for (let i = 0; i < home.length; i++) order[fill[home[i]]++] = i
  return { order, cellStart }
}

/** One search of all rows: each pair of cells is multiplied once. */
function layOutAll(plan: CellPlan): CellLayout {
  const { cells, partnerStart, partners } = plan
  const meetStart = new Float64Array(cells + 1)
  const meets = new Int32Array(cells + partners.length / 2)
  let m = 0
  for (let a = 0; a < cells; a++) {
    meets[m++] = a
    for (let i = partnerStart[a]; i < partnerStart[a + 1]; i++) if (partners[i] > a) meets[m++] = partners[i]
    meetStart[a + 1] = m
  }
  return { ...sortByCell(plan), meetStart, meets }
}

/** A search of the rows of cells [first, last) only: the same lists for them, whatever the others. */
export function layOutBlock(
  plan: CellPlan,
  sorted: { readonly order: Int32Array; readonly cellStart: Float64Array },
  first: number,
  last: number,
): CellLayout {
  const { cells, partnerStart, partners } = plan
  // Cells of the layout, the searched ones first, and where each cell of the plan is among them.
  const listed: number[] = []
  const place = new Int32Array(cells).fill(-1)
  const list = (cell: number) => {
    if (place[cell] >= 0) return
    place[cell] = listed.length
    listed.push(cell)
  }
  for (let a = first; a < last; a++) list(a)
  for (let i = partnerStart[first]; i < partnerStart[last]; i++) list(partners[i])

  const cellStart = new Float64Array(listed.length + 1)
  const meetStart = new Float64Array(listed.length + 1)
  const meets: number[] = []
  listed.forEach((cell, at) => {
    cellStart[at + 1] = cellStart[at] + sorted.cellStart[cell + 1] - sorted.cellStart[cell]
    if (cell >= first && cell < last) {
      meets.push(at)
      for (let i = partnerStart[cell]; i < partnerStart[cell + 1]; i++) {
        const other = partners[i]
        // Within the block a pair is multiplied once for both.
        if (other < first || other > cell) meets.push(place[other])
      }
    }
    meetStart[at + 1] = meets.length
  })
  const order = new Int32Array(cellStart[listed.length])
  listed.forEach((cell, at) => {
    order.set(sorted.order.subarray(sorted.cellStart[cell], sorted.cellStart[cell + 1]), cellStart[at])
  })
  return { order, cellStart, meetStart, meets: Int32Array.from(meets), searched: last - first }
}

async function breathe(signal?: AbortSignal): Promise<void> {
  await nextTurn()
  throwIfAborted(signal)
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
