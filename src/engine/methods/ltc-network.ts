import * as tf from '@tensorflow/tfjs-core'
import { convBackward, convForward } from '../gcn/layers.ts'
import { constant, type Parameters, type WeightArrays, xavierUniform } from '../gcn/parameters.ts'
import { batchProduct, product, productTransposedLeft, productTransposedRight } from '../gcn/products.ts'
import { tensorValues } from '../gcn/tensor-values.ts'
import { createRng } from '../rng.ts'
import type { Matrix, NeighbourLists } from '../types.ts'

/** Widths of the two graph layers; the released ones are 512 and 64. */
const WIDTHS = [256, 64] as const

/** `graph`: one number a proposal (GCN-D); `nodes`: one a vertex (GCN-S). */
export type LtcOutput = 'graph' | 'nodes'

/** Proposals of one size, smaller ones padded with empty rows. */
export interface ProposalBatch {
  readonly size: number
  readonly graphs: number
  /** uint8 [graphs * size] */
  readonly isNode: Uint8Array
  /** float32 [graphs * size, d] */
  readonly features: Float32Array
  /** float32 [graphs, size, size], rows divided by their sums. */
  readonly adjacency: Float32Array
  readonly transposed: Float32Array
}

/**
 * Proposals with their inner edges: I + similarities of the neighbour graph, rows divided by their sums.
 *
 * @param seeds the row of each proposal that GCN-S asks about, marked in an extra last column; none for GCN-D
 */
export function proposalBatch(
  lists: NeighbourLists,
  x: Matrix,
  groups: readonly Int32Array[],
  seeds?: readonly number[],
): ProposalBatch {
  const size = Math.max(...groups.map(({ length }) => length))
  const d = x.cols + (seeds ? 1 : 0)
  const isNode = new Uint8Array(groups.length * size)
  const features = new Float32Array(groups.length * size * d)
  const adjacency = new Float32Array(groups.length * size * size)
  const transposed = new Float32Array(adjacency.length)
  for (const [g, group] of groups.entries()) {
    const rowOf = new Map(Array.from(group, (v, row) => [v, row]))
    const block = g * size * size
    for (const [row, v] of group.entries()) {
      isNode[g * size + row] = 1
      features.set(x.data.subarray(v * x.cols, (v + 1) * x.cols), (g * size + row) * d)
      if (seeds) features[(g * size + row) * d + x.cols] = seeds[g] === row ? 1 : 0
      adjacency[block + row * size + row] = 1
      for (let e = v * lists.k; e < (v + 1) * lists.k; e++) {
        const other = rowOf.get(lists.ids[e])
        if (other === undefined || !(lists.similarities[e] > 0)) continue
        adjacency[block + row * size + other] = lists.similarities[e]
        adjacency[block + other * size + row] = lists.similarities[e]
      }
    }
    for (let row = 0; row < group.length; row++) {
      let sum = 0
      for (let c = 0; c < size; c++) sum += adjacency[block + row * size + c]
      for (let c = 0; c < size; c++) {
        adjacency[block + row * size + c] /= sum
        transposed[block + c * size + row] = adjacency[block + row * size + c]
      }
    }
  }
  return { size, graphs: groups.length, isNode, features, adjacency, transposed }
}

export function initLtc(features: number, seed: number): WeightArrays {
  const rng = createRng(seed)
  return {
    'conv1.weight': xavierUniform(features, WIDTHS[0], rng),
    'conv1.bias': constant([WIDTHS[0]], 0),
    'conv2.weight': xavierUniform(WIDTHS[0], WIDTHS[1], rng),
    'conv2.bias': constant([WIDTHS[1]], 0),
    'output.weight': xavierUniform(WIDTHS[1], 1, rng),
    'output.bias': constant([1], 0),
  }
}

function forward(p: Parameters, batch: ProposalBatch, output: LtcOutput) {
  const { graphs, size } = batch
  const adjacency = tf.tensor3d(batch.adjacency, [graphs, size, size])
  const d = batch.features.length / (graphs * size)
  const spread = (x: tf.Tensor2D) => {
    const width = x.shape[1]
    return tf.reshape(batchProduct(adjacency, tf.reshape(x, [graphs, size, width])), [
      graphs * size,
      width,
    ]) as tf.Tensor2D
  }
  const conv1 = convForward(
    spread(tf.tensor2d(batch.features, [graphs * size, d])),
    p['conv1.weight'] as tf.Tensor2D,
    p['conv1.bias'] as tf.Tensor1D,
  )
  const conv2 = convForward(spread(conv1.output), p['conv2.weight'] as tf.Tensor2D, p['conv2.bias'] as tf.Tensor1D)
  const mask = tf.tensor2d(Float32Array.from(batch.isNode), [graphs * size, 1])
  const nodes = tf.mul(conv2.output, mask) as tf.Tensor2D
  const width = WIDTHS[1]
  // Outputs of the ReLU are not negative, so that padding never is the largest.
  const pooled = output === 'graph' ? (tf.max(tf.reshape(nodes, [graphs, size, width]), 1) as tf.Tensor2D) : nodes
  const scores = tf.add(product(pooled, p['output.weight'] as tf.Tensor2D), p['output.bias']) as tf.Tensor2D
  return { conv1, conv2, nodes, pooled, scores }
}

/** A number a proposal, or a log-odds a row, float32. */
export function ltcForward(p: Parameters, batch: ProposalBatch, output: LtcOutput): Float32Array {
  return tensorValues(() => forward(p, batch, output).scores)
}

/**
 * Loss and gradients of one batch: squared error a proposal, or log loss a vertex.
 *
 * @param target float32 [graphs] or [graphs * size]
 */
export function ltcStep(
  p: Parameters,
  batch: ProposalBatch,
  target: Float32Array,
  output: LtcOutput,
): { loss: tf.Scalar; gradients: Parameters } {
  return tf.tidy(() => {
    const { graphs, size } = batch
    const { conv1, conv2, nodes, pooled, scores } = forward(p, batch, output)
    const truth = tf.tensor2d(target, [target.length, 1])
    let loss: tf.Tensor
    let scoreGradient: tf.Tensor2D
    if (output === 'graph') {
      const error = tf.sub(scores, truth)
      loss = tf.mean(tf.square(error))
      scoreGradient = tf.mul(error, 2 / graphs) as tf.Tensor2D
    } else {
      const mask = tf.tensor2d(Float32Array.from(batch.isNode), [graphs * size, 1])
      const share = tf.div(mask, tf.sum(mask))
      const p1 = tf.sigmoid(scores)
      const isRight = tf.add(tf.mul(truth, p1), tf.mul(tf.sub(1, truth), tf.sub(1, p1)))
      loss = tf.neg(tf.sum(tf.mul(tf.log(tf.maximum(isRight, 1e-7)), share)))
      scoreGradient = tf.mul(tf.sub(p1, truth), share) as tf.Tensor2D
    }
    const pooledGradient = productTransposedRight(scoreGradient, p['output.weight'] as tf.Tensor2D)
    let nodeGradient = pooledGradient
    if (output === 'graph') {
      const width = WIDTHS[1]
      const isLargest = tf.cast(
        tf.equal(tf.reshape(nodes, [graphs, size, width]), tf.reshape(pooled, [graphs, 1, width])),
        'float32',
      )
      const ties = tf.sum(isLargest, 1, true)
      nodeGradient = tf.reshape(tf.mul(tf.div(isLargest, ties), tf.reshape(pooledGradient, [graphs, 1, width])), [
        graphs * size,
        width,
      ]) as tf.Tensor2D
    }
    const second = convBackward(conv2, nodeGradient, p['conv2.weight'] as tf.Tensor2D, true)
    const transposed = tf.tensor3d(batch.transposed, [graphs, size, size])
    const back = tf.reshape(
      batchProduct(transposed, tf.reshape(second.input as tf.Tensor2D, [graphs, size, WIDTHS[0]])),
      [graphs * size, WIDTHS[0]],
    ) as tf.Tensor2D
    const first = convBackward(conv1, back, p['conv1.weight'] as tf.Tensor2D, false)
    return {
      loss: loss as tf.Scalar,
      gradients: {
        'conv1.weight': first.weight,
        'conv1.bias': first.bias,
        'conv2.weight': second.weight,
        'conv2.bias': second.bias,
        'output.weight': productTransposedLeft(pooled, scoreGradient),
        'output.bias': tf.sum(scoreGradient, 0),
      },
    }
  })
}
