import { EngineError, throwIfAborted } from '../errors.ts'
import type { Control, CsrGraph, NeighbourLists } from '../types.ts'
import { type CellHost, type CellLayout, searchCells } from './cells.ts'
import { badRow, checkAggregate, checkKnn, checkStore } from './check.ts'
import type { CellOptions, FeatureStore, GemmShape, Kernels, KnnOptions } from './contract.ts'
import { cores, filePath, hostRequire } from './node-host.ts'

/** The addon's functions: see native/addon.cc. */
interface Addon {
  /** Instruction sets that this processor runs, fastest first. */
  readonly engines: readonly string[]
  knn(request: object): Running
  norms(request: object): Running
  assign(request: object): Running
  gather(request: object): void
  aggregate(request: object): Running
  gemm(request: object): void
  cancel(job: unknown): void
  progress(job: unknown): number
}

interface Running {
  readonly promise: Promise<number | null>
  readonly job: unknown
}

export interface NativeOptions {
  /** An instruction set of `nativeEngines()`. Default: the fastest. */
  readonly engine?: string
  /** Another build of the addon, for tests. */
  readonly addon?: URL
}

const ADDON = new URL('../../../native/build/kernels.node', import.meta.url)
const PROGRESS_INTERVAL_MS = 200
/** Above this many columns the sums of int8 and int16 products could leave 32 bits. */
const MOST_INTEGER_COLUMNS = 60_000
/** Measured on Zen 4 at 256 columns: below, bfloat16 with its fewer candidates wins. */
const INT8_PAYS_FROM_ROWS = 120_000

/** The instruction sets the addon can use here, fastest first. @throws EngineError KERNEL_UNAVAILABLE */
export function nativeEngines(addon: URL = ADDON): readonly string[] {
  return load(addon).engines
}

/**
 * Kernels compiled for this machine: AMX, AVX-512, AVX2 or plain C++, several threads, never on the event loop.
 *
 * @throws EngineError KERNEL_UNAVAILABLE when the addon was not built or does not load.
 */
export function createNativeKernels(options: NativeOptions = {}): Kernels {
  const addon = load(options.addon ?? ADDON)
  const preferred = options.engine ?? addon.engines[0]
  if (!addon.engines.includes(preferred)) {
    throw new EngineError(
      'KERNEL_UNAVAILABLE',
      `engine must be one this processor runs: got ${preferred}, expected one of ${addon.engines.join(', ')}`,
    )
  }

  async function knn(x: FeatureStore, k: number, knnOptions: KnnOptions = {}): Promise<NeighbourLists> {
    checkKnn(x, k, knnOptions)
    throwIfAborted(knnOptions.signal)
    const n = knnOptions.queries ? knnOptions.queries.length : x.rows
    if (n === 0) return { n, k, ids: new Int32Array(0), similarities: new Float32Array(0) }
    if (knnOptions.probes !== undefined) return searchCells(cellHost(x, knnOptions), x, k, knnOptions)
    return search(x, k, knnOptions, { queries: knnOptions.queries }, n)
  }

  async function search(
    x: FeatureStore,
    k: number,
    control: KnnOptions,
    extra: Partial<CellLayout> & { queries?: Int32Array; isUnit?: boolean },
    n: number,
  ): Promise<NeighbourLists> {
    const ids = new Int32Array(n * k)
    const similarities = new Float32Array(n * k)
    const request = {
      ...source(x),
      k,
      engine: engineFor(x.rows, x.cols),
      threads: control.threads ?? cores(),
      ids,
      similarities,
    }
    const bad = await watch(addon.knn({ ...request, ...extra }), control, 'knn', n)
    if (bad !== null) throw badRow(bad, normOf(x, bad))
    return { n, k, ids, similarities }
  }

  function cellHost(x: FeatureStore, { threads = cores(), signal, onProgress, isUnit }: CellOptions): CellHost {
    return {
      gather(list) {
        const out = new Float32Array(list.length * x.cols)
        addon.gather({ ...source(x), list, out })
        return { data: out, rows: list.length, cols: x.cols }
      },
      async assign(rows, centres, list) {
        const out = new Int32Array(list ? list.length : rows.rows)
        const request = {
          ...source(rows),
          list,
          centres: centres.data,
          out,
          engine: engineFor(x.rows, x.cols),
          threads,
        }
        // Centres are trained on a sample; what takes long, and is reported, is the assignment of all rows.
        await watch(
          addon.assign(request),
          { signal, onProgress: rows === x ? onProgress : undefined },
          'cells',
          out.length,
        )
        return out
      },
      knn: (rows, neighbours) => search(rows, neighbours, { signal, threads }, {}, rows.rows),
      searchCells(layout, k, control = { signal, onProgress }) {
        const n = layout.searched === undefined ? x.rows : layout.cellStart[layout.searched]
        return search(x, k, { ...control, threads }, { ...layout, isUnit: isUnit || undefined }, n)
      },
      close: async () => {},
    }
  }

  async function openCells(x: FeatureStore, cellOptions: CellOptions = {}): Promise<CellHost> {
    checkStore(x)
    return cellHost(x, cellOptions)
  }

  async function hasUnitRows(x: FeatureStore, control: Control = {}): Promise<boolean> {
    checkStore(x)
    throwIfAborted(control.signal)
    const out = new Int32Array(1)
    const request = { ...source(x), out, engine: engineFor(x.rows, x.cols), threads: cores() }
    const bad = await watch(addon.norms(request), { signal: control.signal }, 'norms', x.rows)
    if (bad !== null) throw badRow(bad, normOf(x, bad))
    return out[0] === 1
  }

  /** Coarse arithmetic multiplies faster and leaves more candidates, whose share falls as rows grow. */
  function engineFor(rows: number, cols: number): string {
    const middle = addon.engines.find((name) => name === 'avx512-bf16') ?? 'avx512-int16'
    if (!options.engine && preferred === 'avx512-int8' && rows < INT8_PAYS_FROM_ROWS) return middle
    if (cols <= MOST_INTEGER_COLUMNS || !preferred.includes('int')) return preferred
    return addon.engines.find((name) => name.endsWith('f32')) ?? 'scalar'
  }

  function normOf(x: FeatureStore, row: number): number {
    const out = new Float32Array(x.cols)
    addon.gather({ ...source(x), list: Int32Array.of(row), out })
    return Math.hypot(...out)
  }

  async function aggregate(x: FeatureStore, graph: CsrGraph, control: Control = {}): Promise<Float32Array> {
    checkAggregate(x, graph)
    throwIfAborted(control.signal)
    const out = new Float32Array(graph.n * x.cols)
    if (out.length === 0) return out
    const { n, offsets, targets, weights } = graph
    const request = { ...source(x), n, offsets, targets, weights, out, threads: cores() }
    await watch(addon.aggregate(request), control, 'aggregate', n)
    return out
  }

  async function watch(running: Running, control: Control, phase: string, total: number): Promise<number | null> {
    const { signal, onProgress } = control
    const cancel = () => addon.cancel(running.job)
    signal?.addEventListener('abort', cancel)
    const report = () => onProgress?.({ phase, completed: Math.floor(addon.progress(running.job) * total), total })
    const timer = onProgress && setInterval(report, PROGRESS_INTERVAL_MS)
    try {
      const bad = await running.promise
      if (bad === null) onProgress?.({ phase, completed: total, total })
      return bad
    } catch (error) {
      throwIfAborted(signal)
      throw new EngineError('KERNEL_UNAVAILABLE', `the native kernels gave up: ${(error as Error).message}`)
    } finally {
      clearInterval(timer)
      signal?.removeEventListener('abort', cancel)
    }
  }

  function gemm(a: Float32Array, b: Float32Array, c: Float32Array, shape: GemmShape): void {
    const { m, n, k, transposeA = false, transposeB = false, batch = 1, strideA = m * k, strideB = k * n } = shape
    const threads = shape.threads ?? cores()
    const [ta, tb] = [Number(transposeA), Number(transposeB)]
    addon.gemm({ a, b, c, m, n, k, transposeA: ta, transposeB: tb, batch, strideA, strideB, threads })
  }

  return {
    name: `native-${options.engine ?? preferred.replace(/-.*/, '')}`,
    knn,
    openCells,
    hasUnitRows,
    aggregate,
    gemm,
  }
}

function source(x: FeatureStore): object {
  const { rows, cols } = x
  return 'data' in x ? { x: x.data, rows, cols } : { file: x.file, offsetBytes: x.offsetBytes ?? 0, rows, cols }
}

function load(url: URL): Addon {
  try {
    return hostRequire()(filePath(url)) as Addon
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0]
    throw new EngineError(
      'KERNEL_UNAVAILABLE',
      `the native kernels do not load: ${reason}; run node scripts/build-native.mjs`,
    )
  }
}
