import { CholeskyDecomposition, Matrix as Dense } from 'ml-matrix'
import { EngineError } from '../errors.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import { normalizeRows } from '../knn/normalize-rows.ts'
import { productBlocks } from '../methods/products.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels, Matrix } from '../types.ts'

/** Pulls of both covariances towards what is known without looking. Chosen on halves of the training halves of four sets. */
const TOWARDS_ROUND = 0.2
const TOWARDS_EVEN = 0.3
/** Rows that covariances are taken from, at most: whole identities are drawn. */
const ROWS_TO_LEARN = 40_000
/** Of the average variance: keeps the arithmetic going where all images of an identity are copies. */
const LEAST_VARIANCE = 1e-6

/**
 * A linear map of the embedding after which the cosine tells identities apart better: directions in which images of one
 * identity differ count less, directions in which identities differ count more.
 *
 *   y = C^T (x - mean),  C C^T = W^-1 - (W + 2 B)^-1
 *
 * with W the covariance within identities and B that of their means: twice the part of the two-covariance model's log-likelihood
 * ratio "one identity or two" that depends on both vectors. Where labels are few, W is pulled towards a sphere and B towards W.
 *
 * Source: [IOFFE06], [BRUMMER10]. Differs: the terms of one vector alone are left out, the cosine takes their place.
 *
 * @param x L2-normalised rows, float32 [n, d]
 * @param labels int32 [n]; below 0 = not known, left out
 * @returns mean [d], projection [d, d], one row an output
 * @throws EngineError BAD_OPTION when no identity has two images. O(n d^2 + d^3), deterministic for a seed.
 */
export function fitMetric(x: Matrix, labels: Labels, seed: number): WeightArrays {
  const d = x.cols
  const rows = drawRows(labels, seed)
  const classOf = new Map<number, number>()
  for (const v of rows) if (!classOf.has(labels[v])) classOf.set(labels[v], classOf.size)
  const classes = classOf.size
  const sizes = new Float64Array(classes)
  const means = new Float64Array(classes * d)
  const mean = new Float64Array(d)
  for (const v of rows) {
    const g = classOf.get(labels[v]) as number
    sizes[g]++
    for (let c = 0; c < d; c++) means[g * d + c] += x.data[v * d + c]
  }
  for (let g = 0; g < classes; g++) {
    for (let c = 0; c < d; c++) {
      mean[c] += means[g * d + c] / rows.length
      means[g * d + c] /= sizes[g]
    }
  }
  const freedom = sizes.reduce((sum, size) => sum + size - 1, 0)
  if (freedom === 0) throw new EngineError('BAD_OPTION', 'a metric needs identities of two images or more: got none')

  const within = covariance(d, rows.length, freedom, (i, row) => {
    const v = rows[i]
    const g = classOf.get(labels[v]) as number
    for (let c = 0; c < d; c++) row[c] = x.data[v * d + c] - means[g * d + c]
  })
  const between = covariance(d, classes, classes, (g, row) => {
    for (let c = 0; c < d; c++) row[c] = means[g * d + c] - mean[c]
  })
  const variance = Math.max(trace(within) / d, LEAST_VARIANCE * (trace(between) / d), Number.MIN_VALUE)
  blend(within, Dense.eye(d).mul(variance), TOWARDS_ROUND)
  const inverseWithin = new CholeskyDecomposition(within).solve(Dense.eye(d))
  const ratio = traceOfProduct(inverseWithin, between) / d
  blend(between, Dense.mul(within, Math.max(ratio, LEAST_VARIANCE)), TOWARDS_EVEN)
  const inverseTotal = new CholeskyDecomposition(between.mul(2).add(within)).solve(Dense.eye(d))
  const factor = new CholeskyDecomposition(symmetric(inverseWithin.sub(inverseTotal))).lowerTriangularMatrix
  return {
    mean: { shape: [d], data: Float32Array.from(mean) },
    projection: { shape: [d, d], data: Float32Array.from(factor.transpose().to1DArray()) },
  }
}

/**
 * Rows as the metric sees them, L2-normalised: the cosine of two is the metric's similarity.
 *
 * @throws EngineError BAD_WEIGHTS when the metric is of another dimension, ABORTED.
 */
export async function applyMetric(metric: WeightArrays, x: Matrix, control: Control = {}): Promise<Matrix> {
  const { mean, projection } = metric
  const [outputs, d] = projection?.shape ?? []
  if (!mean || d !== x.cols) {
    throw new EngineError('BAD_WEIGHTS', `the metric must fit the embedding: got ${d} dimensions, expected ${x.cols}`)
  }
  const map = { data: projection.data, rows: outputs, cols: d }
  const offset = new Float64Array(outputs)
  for (let o = 0; o < outputs; o++) for (let c = 0; c < d; c++) offset[o] += map.data[o * d + c] * mean.data[c]
  const data = new Float32Array(x.rows * outputs)
  await productBlocks(
    x,
    map,
    (first, rows, values) => {
      for (let i = 0; i < rows; i++) {
        let sum = 0
        for (let o = 0; o < outputs; o++) {
          const value = values[i * outputs + o] - offset[o]
          data[(first + i) * outputs + o] = value
          sum += value * value
        }
        // A row at the mean has no direction of its own.
        if (sum === 0) data[(first + i) * outputs] = 1
      }
    },
    control,
  )
  return normalizeRows({ data, rows: x.rows, cols: outputs })
}

/** All rows of known identities, of as many identities as fit. */
function drawRows(labels: Labels, seed: number): Int32Array {
  const known = Int32Array.from(labels.keys()).filter((v) => labels[v] >= 0)
  if (known.length <= ROWS_TO_LEARN) return known
  const sizes = new Map<number, number>()
  for (const v of known) sizes.set(labels[v], (sizes.get(labels[v]) ?? 0) + 1)
  const drawn = new Set<number>()
  let rows = 0
  for (const label of createRng(seed).shuffle(Int32Array.from(sizes.keys()))) {
    if (rows >= ROWS_TO_LEARN) break
    drawn.add(label)
    rows += sizes.get(label) ?? 0
  }
  return known.filter((v) => drawn.has(labels[v]))
}

/** Sum of the outer products of some rows over a divisor. */
function covariance(d: number, count: number, divisor: number, fill: (i: number, row: Float64Array) => void): Dense {
  const sums = new Float64Array(d * d)
  const row = new Float64Array(d)
  for (let i = 0; i < count; i++) {
    fill(i, row)
    for (let a = 0; a < d; a++) {
      const value = row[a] / divisor
      if (value === 0) continue
      for (let b = a; b < d; b++) sums[a * d + b] += value * row[b]
    }
  }
  const matrix = Dense.zeros(d, d)
  for (let a = 0; a < d; a++) {
    for (let b = a; b < d; b++) {
      matrix.set(a, b, sums[a * d + b])
      matrix.set(b, a, sums[a * d + b])
    }
  }
  return matrix
}

/** In place. */
function blend(matrix: Dense, other: Dense, share: number): void {
  matrix.mul(1 - share).add(other.mul(share))
}

/** The factorisation refuses what rounding has made lopsided. */
function symmetric(matrix: Dense): Dense {
  return Dense.add(matrix, matrix.transpose()).div(2)
}

const trace = (matrix: Dense) => matrix.trace()

function traceOfProduct(a: Dense, b: Dense): number {
  let sum = 0
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) sum += a.get(i, j) * b.get(j, i)
  return sum
}
