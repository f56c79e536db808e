import type { Control, CsrGraph, Matrix, NeighbourLists } from '../types.ts'
import type { CellHost } from './cells.ts'

/**
 * Float32 rows that stay on disk: little-endian, row-major, no padding between rows.
 * The native kernels map the file into memory; the others read it whole.
 */
export interface FeatureFile {
  readonly file: string
  readonly rows: number
  readonly cols: number
  /** Bytes before the first row, a multiple of 4. Default 0. */
  readonly offsetBytes?: number
}

/** Where the rows of a computation lie. */
export type FeatureStore = Matrix | FeatureFile

export interface KnnOptions extends Control {
  /**
   * Unset: exact. Set: rows are grouped into k-means cells, and a cell is compared with itself and at least
   * `probes` others nearest to it. More probes, more recall; see `measureRecall`.
   */
  readonly probes?: number
  /** How many cells; only with `probes`. Default: rows / 64, between 1 and 16384. */
  readonly cells?: number
  /** Seed of the cells; only with `probes`. Default 1. */
  readonly seed?: number
  /** Rows whose neighbours are wanted, int32, any order. Row i of the result belongs to `queries[i]`. Default: all. Exact only. */
  readonly queries?: Int32Array
  /** Threads that compute. Default: one a core. */
  readonly threads?: number
}

/** What `Kernels.openCells` needs to know. */
export interface CellOptions extends Control {
  readonly threads?: number
  /** The caller has seen that every row is of unit length, as `hasUnitRows` says: no search looks again. */
  readonly isUnit?: boolean
}

/** One product, or `batch` products of equal shape one after the other, of row-major float32 matrices. */
export interface GemmShape {
  /** Rows of C. */
  readonly m: number
  /** Columns of C. */
  readonly n: number
  /** Columns of op(A), rows of op(B). */
  readonly k: number
  /** A is stored k x m. Default false. */
  readonly transposeA?: boolean
  /** B is stored n x k. Default false. */
  readonly transposeB?: boolean
  /** Default 1. */
  readonly batch?: number
  /** Values from one A to the next; 0 uses the same A throughout. Default m * k. */
  readonly strideA?: number
  /** Values from one B to the next; 0 uses the same B throughout. Default k * n. */
  readonly strideB?: number
  /** Threads. Default: one a core for products that repay it, else one. */
  readonly threads?: number
}

/**
 * The hot loops of the engine. Every implementation gives the same neighbours, bit for bit.
 *
 * What makes that possible is one definition of similarity, whatever arithmetic found the candidates:
 *
 * - a row whose Euclidean norm is within 1e-6 of 1 is taken as it is; any other is divided by its norm, and each
 *   quotient is rounded to float32;
 * - norm and product are sums of float64 products in eight lanes, lane l taking the columns l, l + 8, l + 16 ...,
 *   added as ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)), and the product is rounded to float32.
 *
 * A product of two float32 is exact in float64, so fused and unfused arithmetic agree.
 */
export interface Kernels {
  /** For logs and benchmarks: `reference`, `wasm-int16`, `native-avx512-int8` ... */
  readonly name: string

  /**
   * The k most similar other rows of every row: most similar first, ties by lower id, the row itself left out.
   *
   * Any norm above zero will do. When k >= rows, the last slots of each row hold id -1 and similarity 0.
   * Inputs are not changed; the same input and options give the same output whatever the number of threads.
   *
   * @throws EngineError NOT_FINITE for NaN, infinity or a row of zeros; BAD_OPTION for k or probes that are no
   *   positive integers; SHAPE_MISMATCH when data and shape disagree; ABORTED within a second of the signal.
   */
  knn(x: FeatureStore, k: number, options?: KnnOptions): Promise<NeighbourLists>

  /**
   * The steps of a search by cells one by one, for those who write it down block after block. Close it in the end.
   *
   * @throws EngineError as `knn`.
   */
  openCells(x: FeatureStore, options?: CellOptions): Promise<CellHost>

  /**
   * Does every row have a norm within 1e-6 of 1, so that a search takes it as it is?
   *
   * @throws EngineError NOT_FINITE for a row without a direction; ABORTED.
   */
  hasUnitRows(x: FeatureStore, control?: Control): Promise<boolean>

  /**
   * The sparse product `out_v = sum over edges (v, u) of weight * x_u`, float32 [graph.n x x.cols].
   *
   * The graph may have other vertices than x has rows: a block of a larger graph, say. Weights are used as they stand: the
   * mean over neighbours needs weights that sum to 1 a row.
   *
   * @throws EngineError SHAPE_MISMATCH when a target is no row of x; ABORTED.
   */
  aggregate(x: FeatureStore, graph: CsrGraph, control?: Control): Promise<Float32Array>

  /** `c = op(a) op(b)`, overwriting c; blocks until done. Absent where nothing beats TensorFlow.js's own. */
  gemm?(a: Float32Array, b: Float32Array, c: Float32Array, shape: GemmShape): void
}
