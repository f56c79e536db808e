import { EngineError, throwIfAborted } from '../errors.ts'
import type { Control, CsrGraph, Matrix, NeighbourLists } from '../types.ts'
import { type CellHost, searchCells } from './cells.ts'
import { badRow, checkAggregate, checkKnn, checkStore } from './check.ts'
import type { CellOptions, FeatureStore, Kernels, KnnOptions } from './contract.ts'
import { readStore } from './feature-file.ts'
import { cores, fileSystem, type HostWorker, startWorker, webAssembly } from './node-host.ts'

/** The module's functions: see native/portable.cc. Pointers are offsets into its memory, signed: `>>> 0` before use. */
interface Exports {
  mark(): number
  reset(to: number): void
  allocate(bytes: number): number
  open(rows: number, cols: number, x: number, threads: number): number
  rows(work: number): number
  badRow(work: number): number
  cancelFlag(work: number): number
  done(work: number): number
  total(work: number): number
  ids(work: number): number
  similarities(work: number): number
  keptNeighbours(work: number): number
  needsScaling(work: number): number
  layOut(
    work: number,
    k: number,
    queries: number,
    queryCount: number,
    order: number,
    cellStart: number,
    cells: number,
    meetStart: number,
    meets: number,
    searched: number,
  ): number
  layOutCentres(work: number, centres: number, centreCount: number, list: number, count: number): number
  assigned(work: number): number
  layOutSums(work: number, vertices: number, offsets: number, targets: number, weights: number): number
  rewind(work: number): void
  phase(work: number, phase: number, thread: number): void
}

/** Numbers of `phase` in native/portable.cc. */
const PHASES = { norms: 0, scale: 1, pack: 2, openLists: 3, sweep: 4, finish: 5, packCentres: 6, assign: 7, sum: 8 }

const MODULE = new URL('./portable.wasm', import.meta.url)
const MOST_PAGES = 65_536
const STACK_BYTES = 1 << 18
const PROGRESS_INTERVAL_MS = 200
const MOST_INTEGER_COLUMNS = 60_000

/** One instance a thread, on the memory it is given. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads')
const { exports } = new WebAssembly.Instance(workerData.module, { env: { memory: workerData.memory } })
exports.__stack_pointer.value = workerData.stackTop
parentPort.on('message', ({ work, phase }) => {
  exports.phase(work, phase, workerData.thread)
  parentPort.postMessage(phase)
})
`

/**
 * Kernels for any processor: WebAssembly with 128-bit vectors and worker threads on shared memory, never on the event
 * loop. All data of a call must fit in WebAssembly's 4 GiB: about 900,000 rows of 256 columns at k = 80.
 *
 * @throws EngineError KERNEL_UNAVAILABLE when the module cannot be read or compiled here.
 */
export async function createPortableKernels(): Promise<Kernels> {
  const module = await compile()

  async function knn(store: FeatureStore, k: number, options: KnnOptions = {}): Promise<NeighbourLists> {
    checkKnn(store, k, options)
    throwIfAborted(options.signal)
    const n = options.queries ? options.queries.length : store.rows
    if (n === 0) return { n, k, ids: new Int32Array(0), similarities: new Float32Array(0) }
    if (store.cols > MOST_INTEGER_COLUMNS) {
      throw new EngineError(
        'BAD_OPTION',
        `the portable kernels take at most ${MOST_INTEGER_COLUMNS} columns: got ${store.cols}`,
      )
    }
    const x = await readStore(store)
    const session = openSession(module, options.threads ?? cores(), options)
    try {
      if (options.probes === undefined) return await session.search(x, k, { queries: options.queries }, options)
      return await searchCells(cellHost(session, x), x, k, options)
    } finally {
      await session.close()
    }
  }

  async function openCells(store: FeatureStore, options: CellOptions = {}): Promise<CellHost> {
    checkStore(store)
    const x = await readStore(store)
    return cellHost(openSession(module, options.threads ?? cores(), options), x)
  }

  async function hasUnitRows(store: FeatureStore, control: Control = {}): Promise<boolean> {
    checkStore(store)
    const x = await readStore(store)
    const session = openSession(module, cores(), control)
    try {
      return await session.hasUnitRows(x)
    } finally {
      await session.close()
    }
  }

  async function aggregate(store: FeatureStore, graph: CsrGraph, control: Control = {}): Promise<Float32Array> {
    checkAggregate(store, graph)
    throwIfAborted(control.signal)
    if (graph.n === 0) return new Float32Array(0)
    const x = await readStore(store)
    const session = openSession(module, cores(), control)
    try {
      return await session.sum(x, graph)
    } finally {
      await session.close()
    }
  }

  return { name: 'wasm-int16', knn, openCells, hasUnitRows, aggregate }
}

function cellHost(session: Session, x: Matrix): CellHost {
  return {
    gather(list) {
      const data = new Float32Array(list.length * x.cols)
      for (let i = 0; i < list.length; i++) {
        data.set(x.data.subarray(list[i] * x.cols, (list[i] + 1) * x.cols), i * x.cols)
      }
      return { data, rows: list.length, cols: x.cols }
    },
    // Rows are the store itself, which has been read, or a sample.
    assign: (rows, centres, list) => session.assign('data' in rows ? rows : x, centres, list),
    knn: (rows, k) => session.search(rows, k, {}),
    searchCells: (layout, k, control = session.control) => session.search(x, k, layout, control),
    close: session.close,
  }
}

interface Layout {
  readonly queries?: Int32Array
  readonly order?: Int32Array
  readonly cellStart?: Float64Array
  readonly meetStart?: Float64Array
  readonly meets?: Int32Array
  readonly searched?: number
}

type Session = ReturnType<typeof openSession>

/** Threads and their memory, for the steps of one call. */
function openSession(module: object, threads: number, control: Control) {
  const { signal, onProgress } = control
  const memory = new webAssembly.Memory({ initial: 64, maximum: MOST_PAGES, shared: true })
  const wasm = new webAssembly.Instance(module, { env: { memory } }).exports as Exports
  const workers: HostWorker[] = []
  for (let thread = 0; thread < threads; thread++) {
    const stackTop = allocate(STACK_BYTES) + STACK_BYTES
    workers.push(startWorker(WORKER, { module, memory, stackTop, thread }))
  }
  const base = wasm.mark()

  function allocate(bytes: number): number {
    return existing(wasm.allocate(bytes))
  }

  /** A pointer as an unsigned number. */
  function existing(pointer: number): number {
    if (pointer === 0) {
      const mib = Math.round(memory.buffer.byteLength / 2 ** 20)
      throw new EngineError(
        'KERNEL_UNAVAILABLE',
        `the portable kernels ran out of memory at ${mib} MiB of the 4096 that WebAssembly has; build the native kernels with node scripts/build-native.mjs`,
      )
    }
    return pointer >>> 0
  }

  function put(values: Int32Array | Float32Array | Float64Array | undefined): number {
    if (!values) return 0
    const at = allocate(values.byteLength)
    const Kind = values.constructor as new (
      buffer: ArrayBufferLike,
      at: number,
      length: number,
    ) => NonNullable<typeof values>
    new Kind(memory.buffer, at, values.length).set(values)
    return at
  }

  function open(x: Matrix): number {
    wasm.reset(base)
    const work = existing(wasm.open(x.rows, x.cols, 0, threads))
    new Float32Array(memory.buffer, wasm.rows(work) >>> 0, x.data.length).set(x.data)
    return work
  }

  /** Runs a phase on all threads; the event loop stays free. */
  async function run(work: number, phase: number, report?: (share: number) => void): Promise<void> {
    throwIfAborted(signal)
    wasm.rewind(work)
    const flag = new Int32Array(memory.buffer, wasm.cancelFlag(work) >>> 0, 1)
    const cancel = () => Atomics.store(flag, 0, 1)
    signal?.addEventListener('abort', cancel)
    const timer = report && setInterval(() => report(wasm.done(work) / wasm.total(work)), PROGRESS_INTERVAL_MS)
    try {
      await Promise.all(workers.map((worker) => turn(worker, { work, phase })))
    } finally {
      clearInterval(timer)
      signal?.removeEventListener('abort', cancel)
    }
    throwIfAborted(signal)
  }

  /** The norms of rows that have just been opened. */
  async function measure(x: Matrix, work: number): Promise<void> {
    await run(work, PHASES.norms)
    const bad = wasm.badRow(work)
    if (bad >= 0) throw badRow(bad, Math.hypot(...x.data.subarray(bad * x.cols, (bad + 1) * x.cols)))
  }

  async function hasUnitRows(x: Matrix): Promise<boolean> {
    const work = open(x)
    await measure(x, work)
    const scaling = wasm.needsScaling(work)
    existing(scaling + 1)
    return scaling === 0
  }

  /** What the control reports; the signal is the session's own. */
  async function search(x: Matrix, k: number, layout: Layout, { onProgress }: Control = {}): Promise<NeighbourLists> {
    const work = open(x)
    await measure(x, work)
    const scaling = wasm.needsScaling(work)
    existing(scaling + 1)
    if (scaling === 1) await run(work, PHASES.scale)

    const { queries, order, cellStart, meetStart, meets, searched = 0 } = layout
    const n = queries ? queries.length : cellStart && searched > 0 ? cellStart[searched] : x.rows
    const cells = cellStart ? cellStart.length - 1 : 0
    const [queryAt, orderAt, startAt] = [put(queries), put(order), put(cellStart)]
    existing(wasm.layOut(work, k, queryAt, n, orderAt, startAt, cells, put(meetStart), put(meets), searched))
    await run(work, PHASES.pack)
    await run(work, PHASES.openLists)
    await run(
      work,
      PHASES.sweep,
      onProgress && ((share) => onProgress({ phase: 'knn', completed: Math.floor(share * n), total: n })),
    )
    await run(work, PHASES.finish)
    onProgress?.({ phase: 'knn', completed: n, total: n })

    const kept = wasm.keptNeighbours(work)
    const ids = new Int32Array(n * k).fill(-1)
    const similarities = new Float32Array(n * k)
    const keptIds = new Int32Array(memory.buffer, wasm.ids(work) >>> 0, n * kept)
    const keptSimilarities = new Float32Array(memory.buffer, wasm.similarities(work) >>> 0, n * kept)
    for (let i = 0; i < n && kept < k; i++) {
      ids.set(keptIds.subarray(i * kept, (i + 1) * kept), i * k)
      similarities.set(keptSimilarities.subarray(i * kept, (i + 1) * kept), i * k)
    }
    if (kept === k) {
      ids.set(keptIds)
      similarities.set(keptSimilarities)
    }
    return { n, k, ids, similarities }
  }

  async function assign(x: Matrix, centres: Matrix, list?: Int32Array): Promise<Int32Array> {
    const work = open(x)
    const count = list ? list.length : x.rows
    existing(wasm.layOutCentres(work, put(centres.data), centres.rows, put(list), count))
    await run(work, PHASES.packCentres)
    await run(work, PHASES.assign)
    return new Int32Array(memory.buffer, wasm.assigned(work) >>> 0, count).slice()
  }

  async function sum(x: Matrix, graph: CsrGraph): Promise<Float32Array> {
    const work = open(x)
    const { n, offsets, targets, weights } = graph
    const [offsetsAt, targetsAt, weightsAt] = [put(offsets), put(targets), put(weights)]
    const out = existing(wasm.layOutSums(work, n, offsetsAt, targetsAt, weightsAt))
    const total = n
    await run(work, PHASES.sum, (share) =>
      onProgress?.({ phase: 'aggregate', completed: Math.floor(share * n), total }),
    )
    onProgress?.({ phase: 'aggregate', completed: n, total })
    return new Float32Array(memory.buffer, out, n * x.cols).slice()
  }

  async function close(): Promise<void> {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }

  return { control, hasUnitRows, search, assign, sum, close }
}

/** Hands a worker one phase and waits for it. */
function turn(worker: HostWorker, message: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = () => {
      worker.off('message', finish)
      worker.off('error', fail)
      resolve()
    }
    const fail = (error: unknown) => {
      const { message: reason } = error as Error
      reject(new EngineError('KERNEL_UNAVAILABLE', `a thread of the portable kernels failed: ${reason}`))
    }
    worker.on('message', finish)
    worker.on('error', fail)
    worker.postMessage(message)
  })
}

async function compile(): Promise<object> {
  try {
    return await webAssembly.compile(await fileSystem().readFile(MODULE))
  } catch (error) {
    throw new EngineError('KERNEL_UNAVAILABLE', `the portable kernels do not load: ${(error as Error).message}`)
  }
}
