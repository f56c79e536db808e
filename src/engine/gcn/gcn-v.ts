import * as tf from '@tensorflow/tfjs-core'
import { EngineError, throwIfAborted } from '../errors.ts'
import { loadKernels } from '../kernels/select.ts'
import { affinityGraph } from '../knn/graph.ts'
import { nextTurn } from '../next-turn.ts'
import { createRng } from '../rng.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'
import { convBackward, convForward, headBackward, headForward, headParameters, namedHeadGradients } from './layers.ts'
import { constant, linearUniform, type Parameters, type WeightArrays, xavierUniform } from './parameters.ts'

/** Rows a forward pass takes at a time: bounds memory, and how long a cancel may wait. */
const ROWS_A_BATCH = 2048

/**
 * GCN-V, which predicts how confidently each vertex belongs to its class: one graph convolution, then
 * Linear, PReLU, Linear to one number.
 *
 * Source: [YANG20] section 3.2; layer sizes of the released `gcn_v.py`.
 *
 * @param dimensions.features d of the embedding
 * @param dimensions.hidden width of both layers; the paper's is 512
 * @returns conv1.weight [2 d, h] (vertex first, then aggregate), conv1.bias [h], hidden.weight [h, h], hidden.bias [h],
 *   hidden.slope [h], output.weight [h, 1], output.bias [1]; weights are stored input x output
 */
export function initGcnV(dimensions: { features: number; hidden: number }, seed: number): WeightArrays {
  const { features, hidden } = dimensions
  const rng = createRng(seed)
  return {
    'conv1.weight': xavierUniform(2 * features, hidden, rng),
    'conv1.bias': constant([hidden], 0),
    'hidden.weight': linearUniform([hidden, hidden], hidden, rng),
    'hidden.bias': linearUniform([hidden], hidden, rng),
    'hidden.slope': constant([hidden], 0.25),
    'output.weight': linearUniform([hidden, 1], hidden, rng),
    'output.bias': linearUniform([1], hidden, rng),
  }
}

/**
 * What GCN-V sees of each vertex: its features beside the mean over its neighbourhood, [x ; A x].
 *
 * With one graph convolution the aggregate is the same in every step. It is computed here once, so that training
 * and prediction go through the vertices in any batches, with the results of full-graph passes.
 *
 * @param x L2-normalised rows, float32 [n, d]
 * @returns float32 [n, 2 d]
 */
export async function gcnVInput(x: Matrix, lists: NeighbourLists, control: Control = {}): Promise<Matrix> {
  if (lists.n !== x.rows) {
    throw new EngineError('SHAPE_MISMATCH', `lists must have one row per vertex: got ${lists.n}, expected ${x.rows}`)
  }
  const { kernels } = await loadKernels()
  return joinColumns(x, await kernels.aggregate(x, affinityGraph(lists), { signal: control.signal }))
}

/** [x ; aggregate] */
export function joinColumns(x: Matrix, aggregate: Float32Array): Matrix {
  const { rows, cols } = x
  const data = new Float32Array(rows * 2 * cols)
  for (let v = 0; v < rows; v++) {
    data.set(x.data.subarray(v * cols, (v + 1) * cols), v * 2 * cols)
    data.set(aggregate.subarray(v * cols, (v + 1) * cols), v * 2 * cols + cols)
  }
  return { data, rows, cols: 2 * cols }
}

/** Loss and gradients of one batch: mean squared error of the predicted confidence. */
export function gcnVStep(
  parameters: Parameters,
  input: tf.Tensor2D,
  target: tf.Tensor1D,
): { loss: tf.Scalar; gradients: Parameters } {
  return tf.tidy(() => {
    const convWeight = parameters['conv1.weight'] as tf.Tensor2D
    const head = headParameters(parameters)
    const conv = convForward(input, convWeight, parameters['conv1.bias'] as tf.Tensor1D)
    const top = headForward(conv.output, head)
    const error = tf.sub(tf.reshape(top.output, [-1]), target)
    const gradient = tf.reshape(tf.mul(error, 2 / target.shape[0]), [-1, 1]) as tf.Tensor2D
    const headGradients = headBackward(top, gradient, head)
    const convGradients = convBackward(conv, headGradients.input, convWeight, false)
    return {
      loss: tf.mean(tf.square(error)) as tf.Scalar,
      gradients: {
        'conv1.weight': convGradients.weight,
        'conv1.bias': convGradients.bias,
        ...namedHeadGradients(headGradients),
      },
    }
  })
}

/**
 * Predicted confidence of every vertex, and the hidden features F_L on which the graph is rebuilt.
 *
 * @returns confidence float32 [n], unbounded; hidden float32 [n, h], after the ReLU, not normalised
 */
export async function gcnVPredict(
  parameters: Parameters,
  input: Matrix,
  control: Control = {},
): Promise<{ confidence: Float32Array; hidden: Matrix }> {
  const convWeight = parameters['conv1.weight'] as tf.Tensor2D
  if (convWeight.shape[0] !== input.cols) {
    throw new EngineError(
      'BAD_WEIGHTS',
      `GCN-V must fit the embedding: got weights for ${convWeight.shape[0] / 2} dimensions, expected ${input.cols / 2}`,
    )
  }
  const width = convWeight.shape[1]
  const confidence = new Float32Array(input.rows)
  const hidden = new Float32Array(input.rows * width)
  const head = headParameters(parameters)
  for (let from = 0; from < input.rows; from += ROWS_A_BATCH) {
    throwIfAborted(control.signal)
    const rows = Math.min(ROWS_A_BATCH, input.rows - from)
    tf.tidy(() => {
      const batch = tf.tensor2d(input.data.subarray(from * input.cols, (from + rows) * input.cols), [rows, input.cols])
      const conv = convForward(batch, convWeight, parameters['conv1.bias'] as tf.Tensor1D)
      confidence.set(headForward(conv.output, head).output.dataSync(), from)
      hidden.set(conv.output.dataSync(), from * width)
    })
    control.onProgress?.({ phase: 'gcn_v', completed: from + rows, total: input.rows })
    await nextTurn()
  }
  return { confidence, hidden: { data: hidden, rows: input.rows, cols: width } }
}
