import * as tf from '@tensorflow/tfjs-core'
import type { Rng } from '../types.ts'

/** One array of numbers with a shape, outside TensorFlow. */
export interface WeightArray {
  readonly shape: readonly number[]
  /** Row-major. */
  readonly data: Float32Array
}

/** The weights of a network by name, in a fixed order. */
export type WeightArrays = Readonly<Record<string, WeightArray>>

/** The same on the backend; whoever makes them disposes of them. */
export type Parameters = Record<string, tf.Tensor>

/** Uniform in +-sqrt(6 / (rows + cols)), as the released graph convolutions start. */
export function xavierUniform(rows: number, cols: number, rng: Rng): WeightArray {
  return uniform([rows, cols], Math.sqrt(6 / (rows + cols)), rng)
}

/** Uniform in +-1 / sqrt(fan in), as torch starts its linear layers. */
export function linearUniform(shape: readonly number[], fanIn: number, rng: Rng): WeightArray {
  return uniform(shape, 1 / Math.sqrt(fanIn), rng)
}

export function constant(shape: readonly number[], value: number): WeightArray {
  return { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) }
}

function uniform(shape: readonly number[], bound: number, rng: Rng): WeightArray {
  const array = constant(shape, 0)
  for (let i = 0; i < array.data.length; i++) array.data[i] = (2 * rng.next() - 1) * bound
  return array
}

export function toParameters(weights: WeightArrays): Parameters {
  return Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape], 'float32')]),
  )
}

export function toWeightArrays(parameters: Parameters): WeightArrays {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, tensor]) => [
      name,
      // Copied, since the data of a tensor lie in memory that the backend uses again.
      { shape: tensor.shape.slice(), data: Float32Array.from(tensor.dataSync()) },
    ]),
  )
}

export function disposeParameters(parameters: Parameters): void {
  for (const tensor of Object.values(parameters)) tensor.dispose()
}
