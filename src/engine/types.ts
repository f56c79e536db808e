/** Shared shapes of the engine: typed arrays end to end, results are indices. */

/** Row-major float32 matrix: row i is `data.subarray(i * cols, (i + 1) * cols)`. */
export interface Matrix {
  readonly data: Float32Array
  readonly rows: number
  readonly cols: number
}

/**
 * The k nearest neighbours of each of n vertices, self excluded, most similar first, ties by lower id.
 * Row i occupies `[i * k, i * k + counts(i))`; unused slots hold id -1 and similarity 0.
 *
 * The paper's K counts the vertex itself, so the paper's K = 80 is k = 79 here.
 */
export interface NeighbourLists {
  readonly n: number
  readonly k: number
  /** int32 [n * k] */
  readonly ids: Int32Array
  /** Cosine similarity, float32 [n * k]. */
  readonly similarities: Float32Array
}

/** Compressed sparse rows: the edges of vertex v are `[offsets[v], offsets[v + 1])`. */
export interface CsrGraph {
  readonly n: number
  /** float64 so that edge counts beyond 2^31 stay exact. [n + 1] */
  readonly offsets: Float64Array
  /** int32 [m] */
  readonly targets: Int32Array
  /** float32 [m] */
  readonly weights: Float32Array
}

/** One cluster number a vertex, int32 [n]; numbers are dense from 0 in order of first appearance. */
export type Labels = Int32Array

/** Where a long computation stands. */
export interface Progress {
  /** Field term of the step: knn, gcn_v, rebuilt_knn, gcn_e, partition ... */
  readonly phase: string
  /** Steps done, in the unit of `total`. */
  readonly completed: number
  /** Steps in all; undefined while unknown. */
  readonly total?: number
}

/** What every long engine function accepts as its last argument. */
export interface Control {
  /** Aborting makes the call reject with EngineError ABORTED, within a second. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
  /** Gets what a killed training goes on from, now and then; where it is refused, the training fails. */
  readonly onCheckpoint?: (bytes: Uint8Array) => void
  /** Milliseconds of any monotonic clock. The engine reads no clock itself: without this, phases take 0 seconds. */
  readonly now?: () => number
  /** Resident bytes of the process; without this, phases carry no peak. */
  readonly rss?: () => number
}

/** Seeded source of randomness; the engine uses no other. */
export interface Rng {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform integer in [0, bound). */
  int(bound: number): number
  /** Standard normal. */
  normal(): number
  /** In-place Fisher-Yates shuffle. */
  shuffle<T extends Int32Array | Uint32Array | Float32Array>(values: T): T
}

/**
 * What people have decided, as pairs of vertex indices.
 * Every decoder offered for cluster runs honours all of it.
 */
export interface Constraints {
  /** int32 [2 * m]: pairs that must share a cluster. */
  readonly mustLinks: Int32Array
  /** int32 [2 * m]: pairs that must not share a cluster. */
  readonly cannotLinks: Int32Array
  /** Vertices that are no valid subject: they stay singletons. */
  readonly excluded: Int32Array
}
