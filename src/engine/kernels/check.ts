import { EngineError } from '../errors.ts'
import type { CsrGraph } from '../types.ts'
import type { FeatureStore, KnnOptions } from './contract.ts'

/** Refuses shapes and options that no implementation accepts. */
export function checkKnn(x: FeatureStore, k: number, options: KnnOptions): void {
  checkStore(x)
  positiveInteger('k', k)
  if (options.probes !== undefined) positiveInteger('probes', options.probes)
  if (options.cells !== undefined) positiveInteger('cells', options.cells)
  if (options.threads !== undefined) positiveInteger('threads', options.threads)
  const { queries } = options
  if (!queries) return
  if (options.probes !== undefined) {
    throw new EngineError('BAD_OPTION', 'queries go with the exact search only: got queries and probes, leave one out')
  }
  for (let i = 0; i < queries.length; i++) {
    const row = queries[i]
    if (row < 0 || row >= x.rows) {
      throw new EngineError(
        'SHAPE_MISMATCH',
        `queries must name rows of x: got ${row} at ${i}, expected 0 to ${x.rows - 1}`,
      )
    }
  }
}

export function checkStore(x: FeatureStore): void {
  if (!Number.isInteger(x.rows) || x.rows < 0 || x.rows > 0x7fffffff) {
    throw new EngineError('SHAPE_MISMATCH', `x must have 0 to 2^31 - 1 rows: got ${x.rows}`)
  }
  positiveInteger('columns of x', x.cols)
  if ('data' in x && x.data.length !== x.rows * x.cols) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `x must hold rows * columns values: got ${x.data.length}, expected ${x.rows} * ${x.cols} = ${x.rows * x.cols}`,
    )
  }
}

/** Refuses a graph whose edges leave the matrix. */
export function checkAggregate(x: FeatureStore, graph: CsrGraph): void {
  checkStore(x)
  const { n, offsets, targets, weights } = graph
  if (offsets.length !== n + 1 || offsets[n] > targets.length || weights.length < offsets[n]) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `graph must have n + 1 offsets and an edge for each: got ${offsets.length} offsets for n = ${n}, ` +
        `${targets.length} targets and ${weights.length} weights for ${offsets[n]} edges`,
    )
  }
  for (let e = 0; e < offsets[n]; e++) {
    const u = targets[e]
    if (u < 0 || u >= x.rows) {
      throw new EngineError(
        'SHAPE_MISMATCH',
        `targets must name rows of x: got ${u} at edge ${e}, expected 0 to ${x.rows - 1}`,
      )
    }
  }
}

/** What every implementation says of a row without a direction. */
export function badRow(row: number, norm: number): EngineError {
  return Number.isFinite(norm)
    ? new EngineError(
        'NOT_FINITE',
        `row ${row} of x has no direction: got all zeros, expected a norm above 0; leave the row out or embed it again`,
      )
    : new EngineError(
        'NOT_FINITE',
        `row ${row} of x must be finite: got NaN or infinity; leave the row out or embed it again`,
      )
}

function positiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new EngineError('BAD_OPTION', `${name} must be a positive integer: got ${value}`)
  }
}
