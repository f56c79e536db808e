import { throwIfAborted } from '../errors.ts'
import type { Control, NeighbourLists, Progress } from '../types.ts'
import { type CellPlan, layOutBlock, planCells, sortByCell, trainCells } from './cells.ts'
import { checkKnn } from './check.ts'
import type { FeatureStore, Kernels, KnnOptions } from './contract.ts'
import { readRows } from './feature-file.ts'
import { type Journal, openJournal } from './journal.ts'
import { knnBlocks } from './knn-blocks.ts'
import type { NeighbourFile } from './neighbour-file.ts'
import { openWriter, readAll, removeFile, sizeOf, writeWhole } from './raw-file.ts'
import { unitRows } from './reference.ts'

export interface DiskSearchOptions extends Omit<KnnOptions, 'queries'> {
  /** Rows searched between two checkpoints, at least; whole cells with `probes`. Default 65,536, and 524,288 with `probes`. */
  readonly blockRows?: number
}

/** A search that goes on where another process was stopped. */
interface DiskSearch {
  readonly kernels: Kernels
  readonly x: FeatureStore
  readonly k: number
  readonly folder: string
  readonly journal: Journal
  readonly options: DiskSearchOptions
}

const VALUES_A_READ = 2 ** 22
const VALUES_IN_MEMORY = 2 ** 27
const ROWS_A_SCALING = 65_536

/**
 * The lists of `kernels.knn`, exact or by cells, written to a folder block after block: they need never be in memory
 * whole, and neither need features that lie in a file, where the kernels map it (the native ones do).
 *
 * Whenever the process ends, the same call goes on after the last whole block, and in the end the lists are the same, bit
 * for bit. A finished folder is answered from at once.
 *
 * By cells, a pair of cells in different blocks is multiplied once for each: up to twice the products of one `knn` call.
 *
 * @param folder made if it is not there; needs 16 k bytes a row while it works, 8 k in the end
 * @throws EngineError as `knn`; BAD_OPTION when the folder holds another search.
 */
export async function knnOnDisk(
  kernels: Kernels,
  x: FeatureStore,
  k: number,
  folder: string,
  options: DiskSearchOptions = {},
): Promise<NeighbourFile> {
  checkKnn(x, k, options)
  const { probes, cells, seed } = options
  const identity = {
    what: probes === undefined ? 'neighbours, exact' : 'neighbours by cells',
    rows: x.rows,
    cols: x.cols,
    k,
    features: await fingerprint(x),
    ...(probes !== undefined && { probes, cells: cells ?? 'by rows', seed: seed ?? 1 }),
  }
  const journal = await openJournal(folder, identity)
  const lists = {
    n: x.rows,
    k,
    idsFile: `${folder}/ids.i32`,
    similaritiesFile: `${folder}/similarities.f32`,
  }
  if (journal.isComplete) return lists
  throwIfAborted(options.signal)
  const search: DiskSearch = { kernels, x, k, folder, journal, options }
  if (x.rows === 0 || probes === undefined) await searchRows(search, lists)
  else await searchCells(search, lists)
  await journal.write(x.rows, true)
  for (const name of ['ids.part', 'similarities.part', 'unit.f32']) await removeFile(`${folder}/${name}`)
  return lists
}

/** Exact: blocks of rows in their order. */
async function searchRows({ kernels, x, k, journal, options }: DiskSearch, lists: NeighbourFile): Promise<void> {
  const writer = await openBoth(lists.idsFile, lists.similaritiesFile, k)
  try {
    for await (const block of knnBlocks(kernels, x, k, { ...options, firstRow: journal.rowsDone })) {
      await writer.write(block.firstRow, block.lists)
      await journal.write(block.firstRow + block.lists.n)
    }
  } finally {
    await writer.close()
  }
}

/** By cells: rows in the order of their cells first, since a block's rows lie all over; then sorted. */
async function searchCells(search: DiskSearch, lists: NeighbourFile): Promise<void> {
  const { kernels, k, folder, journal, options } = search
  const { probes = 1, signal, onProgress, threads, blockRows = 524_288 } = options
  const x = await unitStore(search)
  const host = await kernels.openCells(x, { signal, onProgress, threads, isUnit: true })
  const writer = await openBoth(`${folder}/ids.part`, `${folder}/similarities.part`, k)
  try {
    const centres = await remembered(`${folder}/centres.f32`, Float32Array, () =>
      trainCells(host, x, options).then(({ data }) => data),
    )
    const centreRows = { data: centres, rows: centres.length / x.cols, cols: x.cols }
    const home = await remembered(`${folder}/home.i32`, Int32Array, () => host.assign(x, centreRows))
    const plan = await planCells(host, home, centreRows, probes)
    const sorted = sortByCell(plan)
    for (const [first, last] of cellBlocks(plan, sorted.cellStart, journal.rowsDone, blockRows)) {
      throwIfAborted(signal)
      const begin = sorted.cellStart[first]
      const block = await host.searchCells(layOutBlock(plan, sorted, first, last), k, {
        signal,
        onProgress: countFrom(begin, x.rows, onProgress),
      })
      await writer.write(begin, block)
      await journal.write(sorted.cellStart[last])
    }
    await sortRows(`${folder}/ids.part`, lists.idsFile, Int32Array, sorted.order, k, signal)
    await sortRows(`${folder}/similarities.part`, lists.similaritiesFile, Float32Array, sorted.order, k, signal)
  } finally {
    await writer.close()
    await host.close()
  }
}

/** Runs of cells with at least `blockRows` rows each, from the first row that is not done. */
function* cellBlocks(
  { cells }: CellPlan,
  cellStart: Float64Array,
  rowsDone: number,
  blockRows: number,
): Generator<[number, number]> {
  for (let first = cellStart.findIndex((start) => start >= rowsDone), last = first; first < cells; first = last) {
    while (last < cells && cellStart[last] - cellStart[first] < blockRows) last++
    if (cellStart[last] > cellStart[first]) yield [first, last]
  }
}

/** The features themselves if all rows are of unit length, else a copy whose rows are. */
async function unitStore({ kernels, x, folder, options }: DiskSearch): Promise<FeatureStore> {
  const { signal } = options
  if (await kernels.hasUnitRows(x, { signal })) return x
  if ('data' in x) return unitRows(x)
  const file = `${folder}/unit.f32`
  await writeWhole(file, async (writer) => {
    for (let first = 0; first < x.rows; first += ROWS_A_SCALING) {
      throwIfAborted(signal)
      const rows = await readRows(x, first, Math.min(ROWS_A_SCALING, x.rows - first))
      await writer.write(unitRows(rows).data, first * x.cols * 4)
    }
  })
  return { file, rows: x.rows, cols: x.cols }
}

/** The values of a file, computed and written if it is not there. */
async function remembered<T extends Int32Array | Float32Array>(
  file: string,
  Kind: new (length: number) => T,
  compute: () => Promise<T>,
): Promise<T> {
  const size = await sizeOf(file)
  if (size !== undefined) return readAll(file, new Kind(size / 4))
  const values = await compute()
  await writeWhole(file, (writer) => writer.write(values, 0))
  return values
}

async function openBoth(idsFile: string, similaritiesFile: string, k: number) {
  const ids = await openWriter(idsFile)
  const similarities = await openWriter(similaritiesFile)
  return {
    /** Returns when the disk holds them. */
    async write(firstRow: number, lists: NeighbourLists): Promise<void> {
      await ids.write(lists.ids, firstRow * k * 4)
      await similarities.write(lists.similarities, firstRow * k * 4)
      await ids.sync()
      await similarities.sync()
    },
    async close(): Promise<void> {
      await ids.close()
      await similarities.close()
    },
  }
}

/** Copies rows of k values so that row i of `from` becomes row `order[i]`, reading from end to end as often as memory demands. */
async function sortRows<T extends Int32Array | Float32Array>(
  from: string,
  to: string,
  Kind: new (length: number) => T,
  order: Int32Array,
  k: number,
  signal?: AbortSignal,
): Promise<void> {
  const n = order.length
  const rowsInMemory = Math.max(1, Math.floor(VALUES_IN_MEMORY / k))
  const rowsARead = Math.max(1, Math.floor(VALUES_A_READ / k))
  await writeWhole(to, async (writer) => {
    for (let first = 0; first < n; first += rowsInMemory) {
      const out = new Kind(Math.min(rowsInMemory, n - first) * k)
      for (let at = 0; at < n; at += rowsARead) {
        throwIfAborted(signal)
        const part = await readAll(from, new Kind(Math.min(rowsARead, n - at) * k), at * k * 4)
        for (let i = 0; i < part.length; i += k) {
          const row = order[at + i / k] - first
          if (row >= 0 && row * k < out.length) out.set(part.subarray(i, i + k), row * k)
        }
      }
      await writer.write(out, first * k * 4)
    }
  })
}

/** Progress of a block as progress of all rows. */
function countFrom(begin: number, total: number, onProgress: Control['onProgress']): Control['onProgress'] {
  return onProgress && ((p: Progress) => onProgress({ ...p, completed: begin + p.completed, total }))
}

/** A number that other features are most unlikely to have: a hash of rows spread over all of them. */
async function fingerprint(x: FeatureStore): Promise<number> {
  const looks = Math.min(64, x.rows)
  let hash = 0x811c9dc5
  for (let look = 0; look < looks; look++) {
    const { data } = await readRows(x, Math.floor((look * x.rows) / looks), 1)
    const bits = new Uint32Array(data.buffer, data.byteOffset, data.length)
    for (const word of bits) {
      // FNV-1a, with high bits folded back: a change of signs alone would cancel itself out in the highest bit.
      hash = Math.imul(hash ^ word, 0x01000193)
      hash ^= hash >>> 15
    }
  }
  return hash >>> 0
}
