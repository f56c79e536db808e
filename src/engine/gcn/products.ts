import * as tf from '@tensorflow/tfjs-core'
import { prefersExplicitTransposes } from './backend.ts'

/** a b */
export function product(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(a, b)
}

/** a^T b */
export function productTransposedLeft(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return prefersExplicitTransposes() ? tf.matMul(tf.transpose(a), b) : tf.matMul(a, b, true, false)
}

/** a b^T */
export function productTransposedRight(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return prefersExplicitTransposes() ? tf.matMul(a, tf.transpose(b)) : tf.matMul(a, b, false, true)
}

/** The sum of each column, as a product: reductions over the first dimension of the wasm backend transpose first. */
export function columnSums(a: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(tf.matMul(tf.ones([1, a.shape[0]]), a), [-1]) as tf.Tensor1D
}

/** One product for each of the first dimension. */
export function batchProduct(a: tf.Tensor3D, b: tf.Tensor3D): tf.Tensor3D {
  if (!prefersExplicitTransposes()) return tf.matMul(a, b)
  const lefts = tf.unstack(a) as tf.Tensor2D[]
  const rights = tf.unstack(b) as tf.Tensor2D[]
  return tf.stack(lefts.map((left, i) => tf.matMul(left, rights[i]))) as tf.Tensor3D
}
