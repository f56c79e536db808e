import * as tf from '@tensorflow/tfjs-core'
import { constant, type Parameters, type WeightArray, type WeightArrays } from '../gcn/parameters.ts'
import { createRng } from '../rng.ts'
import type { Rng } from '../types.ts'

/** One hidden layer: a product with trained weights, normalised by the batch, cut at zero. */
export type HiddenLayer =
  | { readonly kind: 'convolution'; readonly size: number; readonly stride: number; readonly channels: number }
  | { readonly kind: 'dense'; readonly channels: number }

/** What a backbone is made of; goes with its weights. */
export interface BackboneShape {
  /** [height, width, channels] of an image, or [dimension] of a vector. */
  readonly input: readonly number[]
  readonly hidden: readonly HiddenLayer[]
  /** Dimension of the embedding. */
  readonly embedding: number
}

/**
 * A small convolutional network for images of about 20 to 32 pixels: three layers, each of which halves the picture.
 *
 * @param width channels of the first layer
 */
export function convolutionalBackbone(
  input: readonly [number, number, number],
  embedding: number,
  width = 16,
): BackboneShape {
  return {
    input,
    hidden: [
      { kind: 'convolution', size: 5, stride: 2, channels: width },
      { kind: 'convolution', size: 3, stride: 2, channels: 2 * width },
      { kind: 'convolution', size: 3, stride: 2, channels: 3 * width },
    ],
    embedding,
  }
}

/** A head of fully connected layers on embeddings that are given, where images are missing or too large to train on. */
export function embeddingHead(dimension: number, embedding: number, hidden = 512): BackboneShape {
  return { input: [dimension], hidden: [{ kind: 'dense', channels: hidden }], embedding }
}

/** Weight of the past in the running mean and variance that the finished network uses. */
const MOMENTUM = 0.95
const EPSILON = 1e-3

/** Name and sizes of each product: the hidden layers, then the embedding. */
interface Step {
  readonly name: string
  readonly layer: HiddenLayer
  readonly isLast: boolean
  /** Sizes of one sample as it comes in. */
  readonly input: readonly number[]
}

function stepsOf({ input, hidden, embedding }: BackboneShape): Step[] {
  const layers: HiddenLayer[] = [...hidden, { kind: 'dense', channels: embedding }]
  const steps: Step[] = []
  let shape = input
  for (const [i, layer] of layers.entries()) {
    const isLast = i === layers.length - 1
    steps.push({ name: isLast ? 'embedding' : `layer${i + 1}`, layer, isLast, input: shape })
    shape =
      layer.kind === 'convolution'
        ? [Math.ceil(shape[0] / layer.stride), Math.ceil(shape[1] / layer.stride), layer.channels]
        : [layer.channels]
  }
  return steps
}

const size = (shape: readonly number[]) => shape.reduce((all, part) => all * part, 1)

/** Trained weights, and the running statistics that are not trained. */
export interface BackboneWeights {
  readonly weights: WeightArrays
  readonly statistics: WeightArrays
}

/** Fresh weights, normal with the variance that keeps the size of activations [HE15]. */
export function initBackbone(shape: BackboneShape, seed: number): BackboneWeights {
  const rng = createRng(seed)
  const weights: Record<string, WeightArray> = {}
  const statistics: Record<string, WeightArray> = {}
  for (const { name, layer, input, isLast } of stepsOf(shape)) {
    const fanIn = layer.kind === 'convolution' ? layer.size ** 2 * input[2] : size(input)
    const weightShape =
      layer.kind === 'convolution' ? [layer.size, layer.size, input[2], layer.channels] : [fanIn, layer.channels]
    weights[`${name}.weight`] = normal(weightShape, Math.sqrt(2 / fanIn), rng)
    if (!isLast) {
      weights[`${name}.scale`] = constant([layer.channels], 1)
      weights[`${name}.shift`] = constant([layer.channels], 0)
    }
    statistics[`${name}.mean`] = constant([layer.channels], 0)
    statistics[`${name}.variance`] = constant([layer.channels], 1)
  }
  return { weights, statistics }
}

function normal(shape: readonly number[], deviation: number, rng: Rng): WeightArray {
  const array = constant(shape, 0)
  for (let i = 0; i < array.data.length; i++) array.data[i] = deviation * rng.normal()
  return array
}

/** What the way back needs of one layer. */
interface Kept {
  readonly step: Step
  readonly input: tf.Tensor
  /** Products, normalised, [pixels, channels]. */
  readonly normalised: tf.Tensor2D
  /** 1 / deviation of each channel. */
  readonly inverse: tf.Tensor1D
  /** After the cut at zero; the last layer has none. */
  readonly output: tf.Tensor
}

export interface TrainedForward {
  /** [n, d], not yet of unit length. */
  readonly embeddings: tf.Tensor2D
  readonly kept: readonly Kept[]
  /** Running statistics after this batch. */
  readonly statistics: Parameters
}

/** One batch through the network in training: normalised by its own mean and variance. Call within `tf.tidy`. */
export function forwardTraining(
  shape: BackboneShape,
  parameters: Parameters,
  statistics: Parameters,
  batch: tf.Tensor,
): TrainedForward {
  const kept: Kept[] = []
  const next: Parameters = {}
  let x = batch
  for (const step of stepsOf(shape)) {
    const { name, layer, isLast } = step
    const product = multiply(x, parameters[`${name}.weight`], layer)
    const flat = tf.reshape(product, [-1, layer.channels]) as tf.Tensor2D
    const mean = tf.mean(flat, 0) as tf.Tensor1D
    const centred = tf.sub(flat, mean) as tf.Tensor2D
    const variance = tf.mean(tf.square(centred), 0) as tf.Tensor1D
    const inverse = tf.rsqrt(tf.add(variance, EPSILON)) as tf.Tensor1D
    const normalised = tf.mul(centred, inverse) as tf.Tensor2D
    next[`${name}.mean`] = running(statistics[`${name}.mean`], mean)
    next[`${name}.variance`] = running(statistics[`${name}.variance`], variance)
    const output = isLast
      ? normalised
      : tf.relu(tf.add(tf.mul(normalised, parameters[`${name}.scale`]), parameters[`${name}.shift`]))
    kept.push({ step, input: x, normalised, inverse, output })
    x = tf.reshape(output, product.shape)
  }
  return { embeddings: x as tf.Tensor2D, kept, statistics: next }
}

const running = (past: tf.Tensor, now: tf.Tensor) => tf.add(tf.mul(past, MOMENTUM), tf.mul(now, 1 - MOMENTUM))

function multiply(x: tf.Tensor, weight: tf.Tensor, layer: HiddenLayer): tf.Tensor {
  if (layer.kind === 'convolution') {
    return tf.conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, layer.stride, 'same')
  }
  return tf.matMul(tf.reshape(x, [x.shape[0], -1]) as tf.Tensor2D, weight as tf.Tensor2D)
}

/**
 * The way back: gradients of every trained weight for the gradient of the embeddings. Call within `tf.tidy`.
 *
 * Written out rather than recorded on a tape, as elsewhere in the engine: TensorFlow.js has its own gradients only in the
 * full package.
 */
export function backward({ kept }: TrainedForward, parameters: Parameters, embeddingGradient: tf.Tensor2D): Parameters {
  const gradients: Parameters = {}
  let gradient: tf.Tensor = embeddingGradient
  for (const { step, input, normalised, inverse, output } of [...kept].reverse()) {
    const { name, layer, isLast } = step
    const rows = normalised.shape[0]
    let flat = tf.reshape(gradient, [rows, layer.channels])
    if (!isLast) {
      flat = tf.mul(flat, tf.step(output))
      gradients[`${name}.shift`] = tf.sum(flat, 0)
      gradients[`${name}.scale`] = tf.sum(tf.mul(flat, normalised), 0)
      flat = tf.mul(flat, parameters[`${name}.scale`])
    }
    // d/dx of (x - mean) / deviation, where mean and deviation depend on x.
    const meanGradient = tf.mean(flat, 0)
    const alongRows = tf.mean(tf.mul(flat, normalised), 0)
    const product = tf.mul(tf.sub(tf.sub(flat, meanGradient), tf.mul(normalised, alongRows)), inverse)
    const isFirst = step === kept[0].step
    if (layer.kind === 'dense') {
      const x = tf.reshape(input, [input.shape[0], -1]) as tf.Tensor2D
      gradients[`${name}.weight`] = tf.matMul(x, product as tf.Tensor2D, true, false)
      if (!isFirst) {
        gradient = tf.matMul(product as tf.Tensor2D, parameters[`${name}.weight`] as tf.Tensor2D, false, true)
      }
      continue
    }
    const [n] = input.shape
    const dy = tf.reshape(product, [
      n,
      Math.ceil(step.input[0] / layer.stride),
      Math.ceil(step.input[1] / layer.stride),
      layer.channels,
    ])
    const attrs = { strides: layer.stride, pad: 'same', dataFormat: 'NHWC' }
    const weight = parameters[`${name}.weight`]
    gradients[`${name}.weight`] = tf
      .engine()
      .runKernel(tf.Conv2DBackpropFilter, { x: input, dy }, { ...attrs, filterShape: weight.shape }) as tf.Tensor
    if (!isFirst) {
      gradient = tf
        .engine()
        .runKernel(tf.Conv2DBackpropInput, { dy, filter: weight }, { ...attrs, inputShape: input.shape }) as tf.Tensor
    }
  }
  return gradients
}

/** One batch through the finished network: normalised by the running statistics. Call within `tf.tidy`. */
export function forwardFinished(
  shape: BackboneShape,
  parameters: Parameters,
  statistics: Parameters,
  batch: tf.Tensor,
): tf.Tensor2D {
  let x = batch
  for (const { name, layer, isLast } of stepsOf(shape)) {
    const product = multiply(x, parameters[`${name}.weight`], layer)
    const inverse = tf.rsqrt(tf.add(statistics[`${name}.variance`], EPSILON))
    const normalised = tf.mul(tf.sub(product, statistics[`${name}.mean`]), inverse)
    x = isLast
      ? normalised
      : tf.relu(tf.add(tf.mul(normalised, parameters[`${name}.scale`]), parameters[`${name}.shift`]))
  }
  return x as tf.Tensor2D
}

/** Values that one sample has as it comes in. */
export const inputSize = (shape: BackboneShape) => size(shape.input)
