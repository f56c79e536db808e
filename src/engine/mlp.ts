import { throwIfAborted } from './errors.ts'
import { type WeightArray, type WeightArrays, xavierUniform } from './gcn/parameters.ts'
import { logistic } from './logistic-regression.ts'
import { nextTurn } from './next-turn.ts'
import { createRng } from './rng.ts'
import type { Control, Matrix } from './types.ts'

/** How a small network learns. */
export interface MlpRecipe {
  /** Channels of the hidden layers. */
  readonly hidden: readonly number[]
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
}

const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
const ROWS_A_TURN = 20_000

/**
 * A small fully connected network that gives a probability, trained by Adam on the log loss, in plain arithmetic: the same
 * numbers on every machine. Inputs are standardised by the mean and deviation of the training rows, which go with the weights.
 *
 * @param x float32 [n, f]; y 0 or 1 [n]
 * Source: [KINGMA15] for Adam. Deterministic for a seed.
 */
export async function trainMlp(
  x: Matrix,
  y: Uint8Array,
  recipe: MlpRecipe,
  seed: number,
  { signal, onProgress }: Control = {},
): Promise<WeightArrays> {
  const rng = createRng(seed)
  const scaling = scalingOf(x)
  const sizes = [x.cols, ...recipe.hidden, 1]
  const layers = sizes.slice(1).map((out, i) => ({
    weight: xavierUniform(sizes[i], out, rng).data,
    bias: new Float32Array(out),
    ins: sizes[i],
    outs: out,
  }))
  const parameters = layers.flatMap(({ weight, bias }) => [weight, bias])
  const gradients = parameters.map((values) => new Float32Array(values.length))
  const first = parameters.map((values) => new Float32Array(values.length))
  const second = parameters.map((values) => new Float32Array(values.length))
  const activations = sizes.map((size) => new Float32Array(size))
  const deltas = sizes.map((size) => new Float32Array(size))
  const order = Int32Array.from({ length: x.rows }, (_, v) => v)
  let step = 0
  for (let epoch = 0; epoch < recipe.epochs; epoch++) {
    onProgress?.({ phase: 'train_edges', completed: epoch, total: recipe.epochs })
    rng.shuffle(order)
    for (let at = 0; at < order.length; at += recipe.batchSize) {
      if (at % ROWS_A_TURN < recipe.batchSize) {
        await nextTurn()
        throwIfAborted(signal)
      }
      const batch = order.subarray(at, at + recipe.batchSize)
      for (const gradient of gradients) gradient.fill(0)
      for (const v of batch) {
        standardise(x, v, scaling, activations[0])
        forward(layers, activations)
        deltas[layers.length][0] = (logistic(activations[layers.length][0]) - y[v]) / batch.length
        backward(layers, activations, deltas, gradients)
      }
      step++
      const rate = (recipe.learningRate * Math.sqrt(1 - ADAM.beta2 ** step)) / (1 - ADAM.beta1 ** step)
      for (const [p, values] of parameters.entries()) {
        for (let i = 0; i < values.length; i++) {
          const g = gradients[p][i]
          first[p][i] += (1 - ADAM.beta1) * (g - first[p][i])
          second[p][i] += (1 - ADAM.beta2) * (g * g - second[p][i])
          values[i] -= (rate * first[p][i]) / (Math.sqrt(second[p][i]) + ADAM.epsilon)
        }
      }
    }
  }
  const weights: Record<string, WeightArray> = {
    'input.mean': { shape: [x.cols], data: scaling.mean },
    'input.deviation': { shape: [x.cols], data: scaling.deviation },
  }
  for (const [i, { weight, bias, ins, outs }] of layers.entries()) {
    weights[`layer${i + 1}.weight`] = { shape: [ins, outs], data: weight }
    weights[`layer${i + 1}.bias`] = { shape: [outs], data: bias }
  }
  return weights
}

/** A probability a row, float32 [n]. */
export async function predictMlp(weights: WeightArrays, x: Matrix, { signal }: Control = {}): Promise<Float32Array> {
  const scaling = { mean: weights['input.mean'].data, deviation: weights['input.deviation'].data }
  const layers: Layer[] = []
  for (let i = 1; weights[`layer${i}.weight`]; i++) {
    const { shape, data } = weights[`layer${i}.weight`]
    layers.push({ weight: data, bias: weights[`layer${i}.bias`].data, ins: shape[0], outs: shape[1] })
  }
  const activations = [layers[0].ins, ...layers.map(({ outs }) => outs)].map((size) => new Float32Array(size))
  const out = new Float32Array(x.rows)
  for (let v = 0; v < x.rows; v++) {
    if (v % ROWS_A_TURN === 0) {
      await nextTurn()
      throwIfAborted(signal)
    }
    standardise(x, v, scaling, activations[0])
    forward(layers, activations)
    out[v] = logistic(activations[layers.length][0])
  }
  return out
}

interface Layer {
  readonly weight: Float32Array
  readonly bias: Float32Array
  readonly ins: number
  readonly outs: number
}

interface Scaling {
  readonly mean: Float32Array
  readonly deviation: Float32Array
}

function scalingOf({ data, rows, cols }: Matrix): Scaling {
  const mean = new Float64Array(cols)
  const squares = new Float64Array(cols)
  for (let i = 0; i < data.length; i++) mean[i % cols] += data[i] / rows
  for (let i = 0; i < data.length; i++) squares[i % cols] += (data[i] - mean[i % cols]) ** 2 / rows
  return { mean: Float32Array.from(mean), deviation: Float32Array.from(squares, (s) => Math.sqrt(s) || 1) }
}

function standardise({ data, cols }: Matrix, v: number, { mean, deviation }: Scaling, into: Float32Array): void {
  for (let c = 0; c < cols; c++) into[c] = (data[v * cols + c] - mean[c]) / deviation[c]
}

/** ReLU between layers, none after the last. */
function forward(layers: readonly Layer[], activations: readonly Float32Array[]): void {
  for (const [i, { weight, bias, ins, outs }] of layers.entries()) {
    const from = activations[i]
    const to = activations[i + 1]
    to.set(bias)
    for (let a = 0; a < ins; a++) {
      const value = from[a]
      if (value === 0) continue
      for (let b = 0; b < outs; b++) to[b] += value * weight[a * outs + b]
    }
    if (i === layers.length - 1) continue
    for (let b = 0; b < outs; b++) if (to[b] < 0) to[b] = 0
  }
}

function backward(
  layers: readonly Layer[],
  activations: readonly Float32Array[],
  deltas: readonly Float32Array[],
  gradients: readonly Float32Array[],
): void {
  for (let i = layers.length - 1; i >= 0; i--) {
    const { weight, ins, outs } = layers[i]
    const from = activations[i]
    const delta = deltas[i + 1]
    const gradient = gradients[2 * i]
    for (let b = 0; b < outs; b++) gradients[2 * i + 1][b] += delta[b]
    for (let a = 0; a < ins; a++) {
      if (from[a] === 0) {
        deltas[i][a] = 0
        continue
      }
      let sum = 0
      for (let b = 0; b < outs; b++) {
        gradient[a * outs + b] += from[a] * delta[b]
        sum += weight[a * outs + b] * delta[b]
      }
      deltas[i][a] = sum
    }
  }
}
