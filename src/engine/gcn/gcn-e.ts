import * as tf from '@tensorflow/tfjs-core'
import { EngineError, throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels } from '../types.ts'
import { type CandidateSets, planBatches, type SubgraphBatch, subgraphBatch } from './candidate-sets.ts'
import {
  type ConvCache,
  convBackward,
  convForward,
  headBackward,
  headForward,
  headParameters,
  namedHeadGradients,
} from './layers.ts'
import { constant, linearUniform, type Parameters, type WeightArrays, xavierUniform } from './parameters.ts'
import { batchProduct } from './products.ts'
import { tensorValues } from './tensor-values.ts'

const CONVS = ['conv1', 'conv2', 'conv3', 'conv4'] as const

/** Rows a forward pass takes at a time, all its subgraphs together. */
const ROWS_A_BATCH = 4096
const GRAPHS_A_BATCH = 128

/**
 * `nll`: two classes, softmax, negative log likelihood: the released code. `mse`: one number, squared error: the paper.
 */
export type ConnectivityLoss = 'nll' | 'mse'

export interface GcnEDimensions {
  /** Of F_L. */
  readonly features: number
  /** Widths of the four graph convolutions; the released ones are 512, 512, 256, 256. */
  readonly convolutions: readonly [number, number, number, number]
  readonly loss: ConnectivityLoss
}

/**
 * GCN-E, which predicts for each candidate of a vertex whether the two are of one class: four graph convolutions, then
 * Linear, PReLU, Linear.
 *
 * Source: [YANG20] section 3.3; layers of the released `gcn_e.py`.
 *
 * @returns conv1..4.weight [2 in, out], conv1..4.bias, and the head as in GCN-V with 2 outputs (other, same) for `nll`,
 *   1 for `mse`
 */
export function initGcnE(dimensions: GcnEDimensions, seed: number): WeightArrays {
  const rng = createRng(seed)
  const weights: Record<string, WeightArrays[string]> = {}
  let width = dimensions.features
  CONVS.forEach((name, layer) => {
    weights[`${name}.weight`] = xavierUniform(2 * width, dimensions.convolutions[layer], rng)
    weights[`${name}.bias`] = constant([dimensions.convolutions[layer]], 0)
    width = dimensions.convolutions[layer]
  })
  const outputs = dimensions.loss === 'nll' ? 2 : 1
  return {
    ...weights,
    'hidden.weight': linearUniform([width, width], width, rng),
    'hidden.bias': linearUniform([width], width, rng),
    'hidden.slope': constant([width], 0.25),
    'output.weight': linearUniform([width, outputs], width, rng),
    'output.bias': linearUniform([outputs], width, rng),
  }
}

/** Raw outputs of a batch, [s * size, outputs], with what the way back needs. Call inside tf.tidy. */
function forward(parameters: Parameters, batch: SubgraphBatch) {
  const { size, centres } = batch
  const graphs = centres.length
  const adjacency = tf.tensor3d(batch.adjacency, [graphs, size, size])
  let width = batch.features.length / (graphs * size)
  let x = tf.tensor2d(batch.features, [graphs * size, width])
  const convs: ConvCache[] = []
  for (const name of CONVS) {
    const aggregate = batchProduct(adjacency, tf.reshape(x, [graphs, size, width]))
    const input = tf.concat([x, tf.reshape(aggregate, [graphs * size, width])], 1) as tf.Tensor2D
    const weight = parameters[`${name}.weight`] as tf.Tensor2D
    convs.push(convForward(input, weight, parameters[`${name}.bias`] as tf.Tensor1D))
    x = convs[convs.length - 1].output
    width = weight.shape[1]
  }
  return { convs, head: headForward(x, headParameters(parameters)) }
}

/**
 * Loss and gradients of one batch: the mean over the nodes of a subgraph, then over the subgraphs.
 *
 * Source: eq. 4 of [YANG20] for `mse`; the released code's NLL over two classes for `nll`.
 *
 * @param labels int32 [n]; a node is positive when its label is that of the centre
 */
export function gcnEStep(
  parameters: Parameters,
  batch: SubgraphBatch,
  labels: Labels,
): { loss: tf.Scalar; gradients: Parameters } {
  const { size, centres, nodes } = batch
  const outputs = (parameters['output.weight'] as tf.Tensor2D).shape[1]
  const target = new Float32Array(nodes.length * outputs)
  const share = new Float32Array(nodes.length)
  for (let s = 0; s < centres.length; s++) {
    const isCounted = (row: number) => nodes[row] >= 0 && (batch.counted?.[row] ?? 1) === 1
    let count = 0
    for (let row = s * size; row < (s + 1) * size; row++) if (isCounted(row)) count++
    for (let row = s * size; row < (s + 1) * size; row++) {
      if (!isCounted(row)) continue
      const same = labels[centres[s]] >= 0 && labels[nodes[row]] === labels[centres[s]]
      if (outputs === 2) target[row * 2 + (same ? 1 : 0)] = 1
      else target[row] = same ? 1 : 0
      share[row] = 1 / (count * centres.length)
    }
  }
  return tf.tidy(() => {
    const { convs, head } = forward(parameters, batch)
    const truth = tf.tensor2d(target, [nodes.length, outputs])
    const weight = tf.tensor2d(share, [nodes.length, 1])
    let loss: tf.Tensor
    let gradient: tf.Tensor2D
    if (outputs === 2) {
      const logProbability = logSoftmax(head.output)
      loss = tf.neg(tf.sum(tf.mul(tf.mul(truth, logProbability), weight)))
      gradient = tf.mul(tf.sub(tf.exp(logProbability), truth), weight) as tf.Tensor2D
    } else {
      const error = tf.sub(head.output, truth)
      loss = tf.sum(tf.mul(tf.square(error), weight))
      gradient = tf.mul(tf.mul(error, 2), weight) as tf.Tensor2D
    }
    const headGradients = headBackward(head, gradient, headParameters(parameters))
    const gradients: Parameters = namedHeadGradients(headGradients)
    const transposed = tf.tensor3d(batch.transposed, [centres.length, size, size])
    let outputGradient = headGradients.input
    for (let layer = CONVS.length - 1; layer >= 0; layer--) {
      const name = CONVS[layer]
      const back = convBackward(convs[layer], outputGradient, parameters[`${name}.weight`] as tf.Tensor2D, layer > 0)
      gradients[`${name}.weight`] = back.weight
      gradients[`${name}.bias`] = back.bias
      if (!back.input) break
      const width = back.input.shape[1] / 2
      const [ofVertex, ofAggregate] = tf.split(back.input, 2, 1)
      const spread = batchProduct(transposed, tf.reshape(ofAggregate, [centres.length, size, width]))
      outputGradient = tf.add(ofVertex, tf.reshape(spread, [nodes.length, width])) as tf.Tensor2D
    }
    return { loss: loss as tf.Scalar, gradients }
  })
}

/** Of two columns. The wasm backend has no log-softmax of its own. */
function logSoftmax(logits: tf.Tensor2D): tf.Tensor2D {
  const shifted = tf.sub(logits, tf.max(logits, 1, true))
  return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true))) as tf.Tensor2D
}

/** Connectivity of one batch: for each row log P(same) (`nll`) or r (`mse`), float32 [s * size]; padding is -Infinity. */
export function gcnEForward(parameters: Parameters, batch: SubgraphBatch): Float32Array {
  const scores = tensorValues(() => {
    const { output } = forward(parameters, batch).head
    return output.shape[1] === 2 ? tf.slice(logSoftmax(output), [0, 1], [-1, 1]) : output
  })
  for (let row = 0; row < scores.length; row++) if (batch.nodes[row] < 0) scores[row] = -Infinity
  return scores
}

export interface ConnectivityChoice {
  /** int32 [n]: the candidate of the highest connectivity, -1 where the network has not decided. */
  readonly preferred: Int32Array
  /** float32 [n]: P(same) of that candidate, NaN where the network has not decided. */
  readonly probability: Float32Array
}

/**
 * The candidate that each vertex should connect to. Subgraphs are cut, used and dropped batch by batch.
 *
 * Equal connectivity goes to the more similar candidate (the released code picks one at random).
 *
 * @throws EngineError BAD_WEIGHTS when the network does not fit F_L, ABORTED.
 */
export async function gcnEPredict(
  parameters: Parameters,
  sets: CandidateSets,
  control: Control = {},
): Promise<ConnectivityChoice> {
  const width = (parameters['conv1.weight'] as tf.Tensor2D).shape[0] / 2
  if (width !== sets.features.cols) {
    throw new EngineError(
      'BAD_WEIGHTS',
      `GCN-E must fit the hidden features: got weights for ${width} dimensions, expected ${sets.features.cols}`,
    )
  }
  const isProbabilityLog = (parameters['output.weight'] as tf.Tensor2D).shape[1] === 2
  const n = sets.lists.n
  const preferred = new Int32Array(n).fill(-1)
  const probability = new Float32Array(n).fill(Number.NaN)
  let done = 0
  for (const centres of planBatches(sets, sets.vertices, { maxRows: ROWS_A_BATCH, maxGraphs: GRAPHS_A_BATCH })) {
    throwIfAborted(control.signal)
    const batch = subgraphBatch(sets, centres)
    const scores = gcnEForward(parameters, batch)
    for (let s = 0; s < centres.length; s++) {
      let best = s * batch.size
      for (let row = best + 1; row < (s + 1) * batch.size; row++) if (scores[row] > scores[best]) best = row
      preferred[centres[s]] = batch.nodes[best]
      const score = isProbabilityLog ? Math.exp(scores[best]) : scores[best]
      probability[centres[s]] = Math.min(1, Math.max(0, score))
    }
    done += centres.length
    control.onProgress?.({ phase: 'gcn_e', completed: done, total: sets.vertices.length })
    await nextTurn()
  }
  return { preferred, probability }
}
