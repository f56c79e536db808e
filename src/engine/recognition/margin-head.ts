import * as tf from '@tensorflow/tfjs-core'

/** How a head turns embeddings and class weights into a loss. */
export interface MarginHead {
  /**
   * `softmax`: plain products. `cosface`: cosines, the margin taken off that of the true class [WANG18]. `arcface`: the
   * margin added to the angle of the true class [DENG19].
   */
  readonly kind: 'softmax' | 'cosface' | 'arcface'
  /** Cosines are multiplied by this. Default 12; not for softmax. */
  readonly scale?: number
  /** Default 0.1 of cosine, or 0.1 radians; not for softmax. */
  readonly margin?: number
}

export interface HeadResult {
  /** Sum over the batch of weight x loss, divided by the number of rows. */
  readonly loss: tf.Scalar
  readonly embeddingGradient: tf.Tensor2D
  readonly weightGradient: tf.Tensor2D
}

const DEFAULT_SCALE = 12
const DEFAULT_MARGIN = 0.1
/** Keeps the derivative of the angle finite where embedding and class weight nearly coincide. */
const MOST_COSINE = 1 - 1e-4
const SMALL = 1e-12

/**
 * Cross-entropy of a head and its gradients.
 *
 *     cosface   logit_y = s (cos_y - m)            arcface   logit_y = s cos(theta_y + m)          others s cos_j
 *
 * Differs: beyond theta = pi - m, where cos(theta + m) would rise again, arcface goes on as cos_y - m sin m, as the authors' code.
 *
 * @param embeddings [n, d], any norms
 * @param weights [d, c], one column a class
 * @param labels int32 [n], 0..c-1
 * @param rowWeights float32 [n]: how much each row counts
 * Call within `tf.tidy`.
 */
export function headLoss(
  { kind, scale = DEFAULT_SCALE, margin = DEFAULT_MARGIN }: MarginHead,
  embeddings: tf.Tensor2D,
  weights: tf.Tensor2D,
  labels: Int32Array,
  rowWeights: Float32Array,
): HeadResult {
  const classes = weights.shape[1]
  const isTrue = oneHot(labels, classes)
  const counted = tf.tensor2d(rowWeights, [rowWeights.length, 1])
  if (kind === 'softmax') {
    const { loss, gradient } = crossEntropy(tf.matMul(embeddings, weights), isTrue, counted)
    return {
      loss,
      embeddingGradient: tf.matMul(gradient, weights, false, true),
      weightGradient: tf.matMul(embeddings, gradient, true, false),
    }
  }
  const rowNorms = tf.sqrt(tf.add(tf.sum(tf.square(embeddings), 1, true), SMALL)) as tf.Tensor2D
  const columnNorms = tf.sqrt(tf.add(tf.sum(tf.square(weights), 0, true), SMALL))
  const unitRows = tf.div(embeddings, rowNorms) as tf.Tensor2D
  const unitColumns = tf.div(weights, columnNorms) as tf.Tensor2D
  const cosines = tf.matMul(unitRows, unitColumns) as tf.Tensor2D
  const { shifted, slope } = kind === 'cosface' ? byCosine(cosines, isTrue, margin) : byAngle(cosines, isTrue, margin)
  const { loss, gradient } = crossEntropy(tf.mul(shifted, scale), isTrue, counted)
  const toCosines = tf.mul(tf.mul(gradient, slope), scale) as tf.Tensor2D
  const toRows = tf.matMul(toCosines, unitColumns, false, true) as tf.Tensor2D
  const toColumns = tf.matMul(unitRows, toCosines, true, false) as tf.Tensor2D
  return {
    loss,
    embeddingGradient: throughUnit(toRows, unitRows, rowNorms, 1),
    weightGradient: throughUnit(toColumns, unitColumns, columnNorms, 0),
  }
}

/** Made here: the wasm backend's own writes integers into a float tensor. */
function oneHot(labels: Int32Array, classes: number): tf.Tensor2D {
  const rows = new Float32Array(labels.length * classes)
  labels.forEach((label, i) => {
    rows[i * classes + label] = 1
  })
  return tf.tensor2d(rows, [labels.length, classes])
}

interface Shifted {
  readonly shifted: tf.Tensor
  /** d shifted / d cosine. */
  readonly slope: tf.Tensor
}

function byCosine(cosines: tf.Tensor2D, isTrue: tf.Tensor2D, margin: number): Shifted {
  return { shifted: tf.sub(cosines, tf.mul(isTrue, margin)), slope: tf.onesLike(cosines) }
}

function byAngle(cosines: tf.Tensor2D, isTrue: tf.Tensor2D, margin: number): Shifted {
  const c = tf.clipByValue(cosines, -MOST_COSINE, MOST_COSINE)
  const sine = tf.sqrt(tf.sub(1, tf.square(c)))
  const turned = tf.sub(tf.mul(c, Math.cos(margin)), tf.mul(sine, Math.sin(margin)))
  const turnedSlope = tf.add(Math.cos(margin), tf.mul(tf.div(c, sine), Math.sin(margin)))
  const isBefore = tf.cast(tf.greater(c, Math.cos(Math.PI - margin)), 'float32')
  const isAfter = tf.sub(1, isBefore)
  const target = tf.add(tf.mul(isBefore, turned), tf.mul(isAfter, tf.sub(c, margin * Math.sin(margin))))
  const slope = tf.add(tf.mul(isBefore, turnedSlope), isAfter)
  return {
    shifted: tf.add(cosines, tf.mul(isTrue, tf.sub(target, cosines))),
    slope: tf.add(1, tf.mul(isTrue, tf.sub(slope, 1))),
  }
}

/** Mean over all rows of weight x cross-entropy, and its gradient by the logits. */
function crossEntropy(logits: tf.Tensor, isTrue: tf.Tensor2D, counted: tf.Tensor2D) {
  const rows = isTrue.shape[0]
  const shifted = tf.sub(logits, tf.max(logits, 1, true))
  const exponentials = tf.exp(shifted)
  const sums = tf.sum(exponentials, 1, true)
  const ofTrue = tf.sum(tf.mul(shifted, isTrue), 1, true)
  const losses = tf.mul(tf.sub(tf.log(sums), ofTrue), counted)
  return {
    loss: tf.div(tf.sum(losses), rows) as tf.Scalar,
    gradient: tf.div(tf.mul(tf.sub(tf.div(exponentials, sums), isTrue), counted), rows) as tf.Tensor2D,
  }
}

/** Gradient of x for that of x / |x|: what points along x does not change it. */
function throughUnit(gradient: tf.Tensor2D, unit: tf.Tensor2D, norms: tf.Tensor, axis: number): tf.Tensor2D {
  const along = tf.sum(tf.mul(gradient, unit), axis, true)
  return tf.div(tf.sub(gradient, tf.mul(unit, along)), norms) as tf.Tensor2D
}
