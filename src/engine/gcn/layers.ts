import * as tf from '@tensorflow/tfjs-core'
import { columnSums, product, productTransposedLeft, productTransposedRight } from './products.ts'

/**
 * Forward and backward passes of the layers both networks share. They are written out because the wasm backend lacks
 * gradients that automatic differentiation would need, and because what is kept for the way back is then visible.
 */

export interface ConvCache {
  /** [n, 2 d]: the vertices beside their aggregate. */
  readonly input: tf.Tensor2D
  /** [n, h], after the ReLU. */
  readonly output: tf.Tensor2D
}

/**
 * Graph convolution on an aggregate that is already computed: ReLU([x ; A x] W + b).
 *
 * Source: [YANG20] eq. 2 and the released `GraphConv` with mean aggregation.
 *
 * Shapes: x, ax [n, d]; weight [2 d, h], the rows of x first; bias [h]; output [n, h].
 */
export function convForward(input: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D): ConvCache {
  return { input, output: tf.relu(tf.add(product(input, weight), bias)) }
}

export function convBackward(cache: ConvCache, outputGradient: tf.Tensor2D, weight: tf.Tensor2D, wantsInput: boolean) {
  const before = tf.mul(outputGradient, tf.step(cache.output)) as tf.Tensor2D
  return {
    weight: productTransposedLeft(cache.input, before),
    bias: columnSums(before),
    input: wantsInput ? productTransposedRight(before, weight) : undefined,
  }
}

export interface HeadParameters {
  /** [h, h] */
  readonly hiddenWeight: tf.Tensor2D
  readonly hiddenBias: tf.Tensor1D
  /** PReLU, one slope a channel. */
  readonly slope: tf.Tensor1D
  /** [h, outputs] */
  readonly outputWeight: tf.Tensor2D
  readonly outputBias: tf.Tensor1D
}

export interface HeadCache {
  readonly input: tf.Tensor2D
  /** Before the PReLU. */
  readonly hidden: tf.Tensor2D
  readonly activated: tf.Tensor2D
  /** [n, outputs] */
  readonly output: tf.Tensor2D
}

/** Linear, PReLU, Linear: the head of both networks. */
export function headForward(input: tf.Tensor2D, p: HeadParameters): HeadCache {
  const hidden = tf.add(product(input, p.hiddenWeight), p.hiddenBias) as tf.Tensor2D
  const activated = tf.prelu(hidden, p.slope as unknown as tf.Tensor2D)
  const output = tf.add(product(activated, p.outputWeight), p.outputBias) as tf.Tensor2D
  return { input, hidden, activated, output }
}

export function headBackward(cache: HeadCache, outputGradient: tf.Tensor2D, p: HeadParameters) {
  const activated = productTransposedRight(outputGradient, p.outputWeight)
  const negative = tf.sub(1, tf.step(cache.hidden))
  const hidden = tf.mul(activated, tf.add(tf.step(cache.hidden), tf.mul(negative, p.slope))) as tf.Tensor2D
  return {
    hiddenWeight: productTransposedLeft(cache.input, hidden),
    hiddenBias: columnSums(hidden),
    slope: columnSums(tf.mul(activated, tf.mul(negative, cache.hidden)) as tf.Tensor2D),
    outputWeight: productTransposedLeft(cache.activated, outputGradient),
    outputBias: columnSums(outputGradient),
    input: productTransposedRight(hidden, p.hiddenWeight),
  }
}

export function headParameters(parameters: Record<string, tf.Tensor>): HeadParameters {
  return {
    hiddenWeight: parameters['hidden.weight'] as tf.Tensor2D,
    hiddenBias: parameters['hidden.bias'] as tf.Tensor1D,
    slope: parameters['hidden.slope'] as tf.Tensor1D,
    outputWeight: parameters['output.weight'] as tf.Tensor2D,
    outputBias: parameters['output.bias'] as tf.Tensor1D,
  }
}

export function namedHeadGradients(gradients: ReturnType<typeof headBackward>): Record<string, tf.Tensor> {
  return {
    'hidden.weight': gradients.hiddenWeight,
    'hidden.bias': gradients.hiddenBias,
    'hidden.slope': gradients.slope,
    'output.weight': gradients.outputWeight,
    'output.bias': gradients.outputBias,
  }
}
