import * as tf from '@tensorflow/tfjs-core'

/**
 * The values of one tensor, copied; everything made on the way is disposed of.
 *
 * Not `tf.tidy(() => values)`: tidy looks for tensors to keep in whatever is returned, value by value of a typed array, which takes
 * ten times as long as the products themselves.
 */
export function tensorValues(compute: () => tf.Tensor): Float32Array {
  const tensor = tf.tidy(compute)
  try {
    // Copied, since the data of a tensor lie in memory that the backend uses again.
    return tensor.dataSync().slice() as Float32Array
  } finally {
    tensor.dispose()
  }
}
