import type { Decoder } from '../decoder.ts'
import { EngineError, throwIfAborted } from '../errors.ts'
import { selectRows } from '../knn/sub-lists.ts'
import { nextTurn } from '../next-turn.ts'
import { denseLabels } from '../partition/labels.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels, Matrix, Rng } from '../types.ts'
import type { Method } from './method.ts'
import { countOf } from './parameter.ts'
import { openProducts, productBlocks } from './products.ts'

/** Products of rows and centres above which one start is enough, and above which mini-batches are taken. */
const ONE_START = 10_000_000
const MINI_BATCHES = 2_000_000_000
const BATCH = 1000

const decode: Decoder = async ({ features, parameters, seed }, control) => {
  const n = features.rows
  const clusterCount = countOf(parameters, 'clusterCount', Math.max(1, Math.round(Math.sqrt(n / 2))), [
    1,
    Math.max(1, n),
  ])
  const work = n * clusterCount
  const batchSize = countOf(parameters, 'batchSize', work > MINI_BATCHES ? BATCH : 0, [0, 1_000_000])
  const starts = countOf(parameters, 'starts', work > ONE_START ? 1 : 4, [1, 100])
  const rng = createRng(seed)
  let best: KMeans | undefined
  for (let start = 0; start < starts; start++) {
    control?.onProgress?.({ phase: 'k_means', completed: start, total: starts })
    const centres = await seedCentres(features, clusterCount, rng, control)
    const found =
      batchSize > 0
        ? await miniBatches(features, centres, { batchSize, rng }, control)
        : await lloyd(features, centres, control)
    if (!best || found.inertia < best.inertia) best = found
  }
  const { labels } = denseLabels((best as KMeans).labels)
  return { labels, parametersChosen: { clusterCount, starts, ...(batchSize > 0 && { batchSize }) } }
}

export interface KMeans {
  readonly labels: Labels
  readonly centres: Matrix
  /** Sum of squared distances to the nearest centre. */
  readonly inertia: number
  readonly iterations: number
}

/**
 * Lloyd's iterations from given centres until no row changes its cluster. An empty cluster moves to the row that is
 * farthest from its centre.
 */
export async function lloyd(x: Matrix, start: Matrix, control: Control = {}, maxIterations = 300): Promise<KMeans> {
  const { rows: n, cols: d } = x
  const k = start.rows
  const centres = { data: start.data.slice(), rows: k, cols: d }
  let labels: Labels = new Int32Array(n).fill(-1)
  let inertia = 0
  let iterations = 0
  while (iterations < maxIterations) {
    iterations++
    const found = await nearestCentres(x, centres, control)
    inertia = found.distances.reduce((a, b) => a + b, 0)
    const changed = found.labels.some((label, v) => label !== labels[v])
    labels = found.labels
    if (!changed) break
    const sums = new Float64Array(k * d)
    const sizes = new Float64Array(k)
    for (let v = 0; v < n; v++) {
      sizes[labels[v]]++
      const at = labels[v] * d
      for (let c = 0; c < d; c++) sums[at + c] += x.data[v * d + c]
    }
    const empty = [...sizes.keys()].filter((j) => sizes[j] === 0)
    if (empty.length > 0) {
      const farthest = Int32Array.from(found.distances.keys()).sort(
        (a, b) => found.distances[b] - found.distances[a] || a - b,
      )
      for (const [i, j] of empty.entries()) {
        const v = farthest[i]
        sizes[labels[v]]--
        for (let c = 0; c < d; c++) {
          sums[labels[v] * d + c] -= x.data[v * d + c]
          sums[j * d + c] = x.data[v * d + c]
        }
        sizes[j] = 1
      }
    }
    for (let j = 0; j < k; j++) {
      if (sizes[j] <= 0) continue
      for (let c = 0; c < d; c++) centres.data[j * d + c] = sums[j * d + c] / sizes[j]
    }
  }
  return { labels, centres, inertia, iterations }
}

/** Sculley's mini-batches: each centre moves by 1 / (rows it has seen); stops when the smoothed inertia no longer falls. */
export async function miniBatches(
  x: Matrix,
  start: Matrix,
  {
    batchSize,
    rng,
    maxEpochs = 100,
    patience = 10,
  }: { batchSize: number; rng: Rng; maxEpochs?: number; patience?: number },
  control: Control = {},
): Promise<KMeans> {
  const { rows: n, cols: d } = x
  const centres = { data: start.data.slice(), rows: start.rows, cols: d }
  const seen = new Float64Array(start.rows)
  const size = Math.min(batchSize, n)
  const share = Math.min(1, (2 * size) / (n + 1))
  let smooth: number | undefined
  let best = Number.POSITIVE_INFINITY
  let worse = 0
  let iterations = 0
  const most = Math.ceil((maxEpochs * n) / size)
  while (iterations < most && worse < patience) {
    iterations++
    const rows = Int32Array.from({ length: size }, () => rng.int(n))
    const batch = selectRows(x, rows)
    const { labels, distances } = await nearestCentres(batch, centres, control)
    for (let i = 0; i < size; i++) {
      const j = labels[i]
      const rate = 1 / ++seen[j]
      for (let c = 0; c < d; c++) centres.data[j * d + c] += rate * (batch.data[i * d + c] - centres.data[j * d + c])
    }
    const inertia = distances.reduce((a, b) => a + b, 0) / size
    smooth = smooth === undefined ? inertia : smooth * (1 - share) + inertia * share
    worse = smooth < best ? 0 : worse + 1
    best = Math.min(best, smooth)
  }
  const { labels, distances } = await nearestCentres(x, centres, control)
  return { labels, centres, inertia: distances.reduce((a, b) => a + b, 0), iterations }
}

/** Greedy k-means++, [ARTHUR07]: of a few rows drawn by squared distance, the one that lowers the sum most. */
export async function seedCentres(x: Matrix, k: number, rng: Rng, { signal }: Control = {}): Promise<Matrix> {
  const { rows: n, cols: d, data } = x
  if (k > n) throw new EngineError('BAD_OPTION', `clusterCount must be at most the number of rows, ${n}: got ${k}`)
  const trials = 2 + Math.floor(Math.log(k))
  const norms = squaredNorms(x)
  const products = await openProducts(x)
  const chosen: number[] = [rng.int(n)]
  try {
    const distanceTo = (rows: Int32Array) => {
      const values = products.times(selectRows(x, rows))
      return (i: number, v: number) => Math.max(0, norms[rows[i]] + norms[v] - 2 * values[i * n + v])
    }
    const first = distanceTo(Int32Array.from(chosen))
    let nearest = Float64Array.from({ length: n }, (_, v) => first(0, v))
    const running = new Float64Array(n)
    while (chosen.length < k) {
      if (chosen.length % 64 === 0) {
        await nextTurn()
        throwIfAborted(signal)
      }
      let total = 0
      for (let v = 0; v < n; v++) running[v] = total += nearest[v]
      const candidates = Int32Array.from({ length: trials }, () =>
        total > 0 ? drawn(running, rng.next() * total) : rng.int(n),
      )
      const distance = distanceTo(candidates)
      let best = 0
      let least = Number.POSITIVE_INFINITY
      for (let i = 0; i < trials; i++) {
        let sum = 0
        for (let v = 0; v < n; v++) sum += Math.min(nearest[v], distance(i, v))
        if (sum < least) {
          least = sum
          best = i
        }
      }
      nearest = nearest.map((value, v) => Math.min(value, distance(best, v)))
      chosen.push(candidates[best])
    }
  } finally {
    products.close()
  }
  const centres = new Float32Array(k * d)
  for (const [j, v] of chosen.entries()) centres.set(data.subarray(v * d, (v + 1) * d), j * d)
  return { data: centres, rows: k, cols: d }
}

/** First place whose running sum is above a value. */
function drawn(running: Float64Array, value: number): number {
  let low = 0
  let high = running.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (running[middle] > value) high = middle
    else low = middle + 1
  }
  return low
}

/** Ties go to the lower centre. */
async function nearestCentres(
  x: Matrix,
  centres: Matrix,
  control: Control,
): Promise<{ labels: Labels; distances: Float64Array }> {
  const labels = new Int32Array(x.rows)
  const distances = new Float64Array(x.rows)
  const rowNorms = squaredNorms(x)
  const norms = squaredNorms(centres)
  const k = centres.rows
  await productBlocks(
    x,
    centres,
    (first, rows, values) => {
      for (let i = 0; i < rows; i++) {
        let best = 0
        let least = Number.POSITIVE_INFINITY
        for (let j = 0; j < k; j++) {
          const distance = norms[j] - 2 * values[i * k + j]
          if (distance >= least) continue
          least = distance
          best = j
        }
        labels[first + i] = best
        distances[first + i] = Math.max(0, least + rowNorms[first + i])
      }
    },
    control,
  )
  return { labels, distances }
}

function squaredNorms({ data, rows, cols }: Matrix): Float64Array {
  const norms = new Float64Array(rows)
  for (let v = 0; v < rows; v++) for (let c = v * cols; c < (v + 1) * cols; c++) norms[v] += data[c] * data[c]
  return norms
}

/**
 * K-means on unit vectors.
 *
 * `clusterCount`: default the square root of half the rows, which is a guess; `starts`: default 4, and 1 for large sets;
 * `batchSize`: rows a mini-batch, 0 for whole iterations, default 1000 for very large sets.
 *
 * Source: [LLOYD82], [ARTHUR07], [SCULLEY10]. Own code, since the libraries there are take minutes where products on the backend take
 * seconds.
 */
export const kMeans: Method = {
  name: 'K_MEANS',
  title: 'K-means',
  decode,
  needsClusterCount: true,
  isRandom: true,
  ignoresLists: true,
  settings: ({ classes }) => [{ clusterCount: classes }],
}
