import type { Decoder } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { selectRows } from '../knn/sub-lists.ts'
import { nextTurn } from '../next-turn.ts'
import { denseLabels } from '../partition/labels.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import { similarityAt } from './default-tau.ts'
import type { Method } from './method.ts'
import { numberOf } from './parameter.ts'
import { openProducts, type Products, transposed } from './products.ts'

const MAX_ITERATIONS = 300
/** A mean has arrived when it moves less than this share of the bandwidth. */
const STILL = 1e-3
const SEEDS_A_BLOCK = 256

const decode: Decoder = async ({ lists, features, parameters, seed }, control) => {
  const byDefault = Math.sqrt(Math.max(1e-6, 2 - 2 * similarityAt(lists, features, seed, 0.7)))
  const bandwidth = numberOf(parameters, 'bandwidth', byDefault, [1e-9, 2])
  return { labels: await meanShift(features, bandwidth, control), parametersChosen: { bandwidth } }
}

/** @returns the nearest mode of each row */
export async function meanShift(x: Matrix, bandwidth: number, { signal, onProgress }: Control = {}): Promise<Labels> {
  const products = await openProducts(x)
  const sums = await openProducts(transposed(x))
  try {
    const modes: { mean: Float32Array; members: number }[] = []
    for (let first = 0; first < x.rows; first += SEEDS_A_BLOCK) {
      await nextTurn()
      throwIfAborted(signal)
      onProgress?.({ phase: 'mean_shift', completed: first, total: x.rows })
      const rows = Int32Array.from({ length: Math.min(SEEDS_A_BLOCK, x.rows - first) }, (_, i) => first + i)
      modes.push(...(await climb(x, { products, sums }, selectRows(x, rows), bandwidth, signal)))
    }
    // The most populated mode first; those within its bandwidth are the same one.
    const order = modes
      .map((_, i) => i)
      .sort((a, b) => modes[b].members - modes[a].members || compareRows(modes[b].mean, modes[a].mean))
    const kept: Float32Array[] = []
    for (const i of order) {
      const isNew = kept.every((mean) => squaredDistance(mean, modes[i].mean) > bandwidth * bandwidth)
      if (isNew && modes[i].members > 0) kept.push(modes[i].mean)
    }
    const data = new Float32Array(kept.length * x.cols)
    for (const [j, mean] of kept.entries()) data.set(mean, j * x.cols)
    return denseLabels(nearest(products.times({ data, rows: kept.length, cols: x.cols }), kept, x)).labels
  } finally {
    products.close()
    sums.close()
  }
}

/** Moves each mean to the mean of the rows within the bandwidth until it stands still. */
async function climb(
  x: Matrix,
  { products, sums }: { readonly products: Products; readonly sums: Products },
  start: Matrix,
  bandwidth: number,
  signal?: AbortSignal,
) {
  const { cols: d } = x
  const means = Array.from({ length: start.rows }, (_, i) => start.data.slice(i * d, (i + 1) * d))
  const members = new Int32Array(start.rows)
  let moving = means.map((_, i) => i)
  for (let iteration = 0; iteration < MAX_ITERATIONS && moving.length > 0; iteration++) {
    await nextTurn()
    throwIfAborted(signal)
    const data = new Float32Array(moving.length * d)
    for (const [row, i] of moving.entries()) data.set(means[i], row * d)
    const values = products.times({ data, rows: moving.length, cols: d })
    const isNear = new Float32Array(values.length)
    const counts = new Int32Array(moving.length)
    for (const [row, i] of moving.entries()) {
      const norm = means[i].reduce((sum, value) => sum + value * value, 0)
      // Rows are of length 1.
      for (let e = row * x.rows; e < (row + 1) * x.rows; e++) {
        if (norm + 1 - 2 * values[e] > bandwidth * bandwidth) continue
        isNear[e] = 1
        counts[row]++
      }
    }
    const totals = sums.times({ data: isNear, rows: moving.length, cols: x.rows })
    moving = moving.filter((i, row) => {
      members[i] = counts[row]
      if (counts[row] === 0) return false
      const mean = totals.slice(row * d, (row + 1) * d).map((value) => value / counts[row])
      const step = Math.sqrt(squaredDistance(mean, means[i]))
      means[i] = mean
      return step >= STILL * bandwidth
    })
  }
  return means.map((mean, i) => ({ mean, members: members[i] }))
}

function nearest(values: Float32Array, centres: readonly Float32Array[], x: Matrix): Labels {
  const norms = centres.map((centre) => centre.reduce((sum, value) => sum + value * value, 0))
  return Int32Array.from({ length: x.rows }, (_, v) => {
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (const [j, norm] of norms.entries()) {
      const distance = norm - 2 * values[j * x.rows + v]
      if (distance >= least) continue
      least = distance
      best = j
    }
    return best
  })
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let c = 0; c < a.length; c++) sum += (a[c] - b[c]) ** 2
  return sum
}

function compareRows(a: Float32Array, b: Float32Array): number {
  for (let c = 0; c < a.length; c++) if (a[c] !== b[c]) return a[c] - b[c]
  return 0
}

/**
 * Mean shift with a flat kernel, every row a seed. Time n^2 d an iteration.
 *
 * `bandwidth`: Euclidean distance of unit vectors, default from a label-free prior; the paper's is 0.5.
 *
 * Source: [COMANICIU02], as scikit-learn runs it in the released code of [YANG20].
 */
export const meanShiftMethod: Method = {
  name: 'MEAN_SHIFT',
  title: 'Mean shift',
  decode,
  ignoresLists: true,
  // Time goes with the square of the rows: larger sets are not searched for a bandwidth.
  settings: ({ n }) => (n > 5000 ? [] : [{}, ...[0.6, 0.7, 0.8, 0.9, 1].map((bandwidth) => ({ bandwidth }))]),
}
