import { EngineError } from '../errors.ts'

/** What a recognition model looks at: n pictures of one size, or n vectors. */
export interface Samples {
  /** Bytes 0..255 of pictures, or float32 of vectors; sample after sample, row-major, channels last. */
  readonly data: Uint8Array | Float32Array
  readonly count: number
  /** [height, width, channels] of a picture, or [dimension] of a vector. */
  readonly shape: readonly number[]
}

/** @throws EngineError SHAPE_MISMATCH, NOT_FINITE naming the row. */
export function checkSamples({ data, count, shape }: Samples): void {
  const values = shape.reduce((all, size) => all * size, 1)
  if ((shape.length !== 1 && shape.length !== 3) || shape.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `samples must be [height, width, channels] or [dimension]: got [${shape.join(', ')}]`,
    )
  }
  if (data.length !== count * values) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `samples must hold ${count} x ${values} values: got ${data.length}, expected ${count * values}`,
    )
  }
  if (data instanceof Uint8Array) return
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue
    throw new EngineError('NOT_FINITE', `samples must be finite: got ${data[i]} in row ${Math.floor(i / values)}`)
  }
}

/** Some samples, in the order asked for. */
export function selectSamples({ data, shape }: Samples, rows: Int32Array): Samples {
  const values = shape.reduce((all, size) => all * size, 1)
  const part =
    data instanceof Uint8Array ? new Uint8Array(rows.length * values) : new Float32Array(rows.length * values)
  rows.forEach((row, i) => {
    part.set(data.subarray(row * values, (row + 1) * values), i * values)
  })
  return { data: part, count: rows.length, shape }
}
