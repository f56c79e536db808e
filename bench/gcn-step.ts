import * as tf from '@tensorflow/tfjs'
import '@tensorflow/tfjs-backend-wasm'
import { createRng } from '../src/engine/rng.ts'

/** CPU and wall seconds of the fastest of several runs, after one to warm up. */
export interface Timing {
  readonly cpuSeconds: number
  readonly seconds: number
}

export const SHAPES = {
  /** GCN-V: [features, aggregate] of a batch of vertices through one layer of 512 and a head. */
  gcnV: { batch: 8192, input: 512, hidden: 512 },
  /** GCN-E: 64 subgraphs of 80 vertices, four graph layers. */
  gcnE: { graphs: 64, size: 80, input: 256, hidden: [256, 256, 128, 64] },
} as const

/** Random values of a layer's weights and inputs, the same for every system that is compared. */
export function randomTensor(shape: number[], seed: number, scale: number): tf.Tensor {
  const rng = createRng(seed)
  const values = new Float32Array(shape.reduce((all, size) => all * size, 1))
  for (let i = 0; i < values.length; i++) values[i] = scale * (2 * rng.next() - 1)
  return tf.tensor(values, shape)
}

/** One step of gradient descent: forward, backward, update; returns the loss. */
export function gcnVStep(): () => number {
  const { batch, input, hidden } = SHAPES.gcnV
  const x = randomTensor([batch, input], 1, 1) as tf.Tensor2D
  const target = randomTensor([batch, 1], 2, 1)
  const first = tf.variable(randomTensor([input, hidden], 3, 0.05) as tf.Tensor2D)
  const second = tf.variable(randomTensor([hidden, hidden], 4, 0.05) as tf.Tensor2D)
  const head = tf.variable(randomTensor([hidden, 1], 5, 0.05) as tf.Tensor2D)
  const optimizer = tf.train.sgd(0.01)
  return () =>
    descend(optimizer, () => x.matMul(first).relu().matMul(second).relu().matMul(head).sub(target).square().mean())
}

export function gcnEStep(): () => number {
  const { graphs, size, input, hidden } = SHAPES.gcnE
  const x = randomTensor([graphs, size, input], 1, 1)
  const adjacency = tf.tidy(() => randomTensor([graphs, size, size], 2, 0.5).add(0.5).div(size)) as tf.Tensor3D
  const target = tf.tidy(() =>
    randomTensor([graphs * size, 1], 3, 1)
      .greater(0)
      .toFloat(),
  )
  const widths = [input, ...hidden]
  const weights = hidden.map((width, l) => tf.variable(randomTensor([2 * widths[l], width], 4 + l, 0.1) as tf.Tensor2D))
  const head = tf.variable(randomTensor([widths[widths.length - 1], 1], 9, 0.1) as tf.Tensor2D)
  const optimizer = tf.train.sgd(0.01)
  return () =>
    descend(optimizer, () => {
      let h = x as tf.Tensor3D
      for (const weight of weights) {
        const joined = tf.concat([h, adjacency.matMul(h)], 2) as tf.Tensor3D
        const flat = joined
          .reshape([graphs * size, joined.shape[2]])
          .matMul(weight)
          .relu()
        h = flat.reshape([graphs, size, weight.shape[1]]) as tf.Tensor3D
      }
      const logits = h.reshape([graphs * size, head.shape[0]]).matMul(head)
      return tf.losses.sigmoidCrossEntropy(target, logits)
    })
}

function descend(optimizer: tf.Optimizer, loss: () => tf.Tensor): number {
  const cost = optimizer.minimize(() => loss() as tf.Scalar, true) as tf.Scalar
  const value = cost.dataSync()[0]
  cost.dispose()
  return value
}

export function timeStep(step: () => number, runs: number): Timing & { losses: number[] } {
  const losses = [step()]
  let best: Timing = { cpuSeconds: Infinity, seconds: Infinity }
  for (let run = 0; run < runs; run++) {
    const cpu = process.cpuUsage()
    const start = performance.now()
    losses.push(step())
    const { user, system } = process.cpuUsage(cpu)
    const timing = { cpuSeconds: (user + system) / 1e6, seconds: (performance.now() - start) / 1e3 }
    if (timing.cpuSeconds < best.cpuSeconds) best = timing
  }
  return { ...best, losses }
}
