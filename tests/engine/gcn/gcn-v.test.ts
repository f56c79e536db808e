import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { chooseBackend } from '../../../src/engine/gcn/backend.ts'
import { neighbourConfidence } from '../../../src/engine/gcn/confidence.ts'
import { gcnVInput, gcnVPredict, gcnVStep, initGcnV } from '../../../src/engine/gcn/gcn-v.ts'
import { createOptimiser } from '../../../src/engine/gcn/optimiser.ts'
import { disposeParameters, toParameters, toWeightArrays } from '../../../src/engine/gcn/parameters.ts'
import { type TrainingRecipe, trainGcnV } from '../../../src/engine/gcn/train.ts'
import { affinityGraph } from '../../../src/engine/knn/graph.ts'
import { knn } from '../../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { blobs } from '../support/data.ts'

beforeAll(async () => {
  await chooseBackend()
})

async function problem(d = 12) {
  const { features, labels } = blobs({ classes: 6, each: 12, d })
  const x = normalizeRows(features)
  const lists = await knn(x, 8)
  return { x, lists, input: await gcnVInput(x, lists), target: neighbourConfidence(lists, labels) }
}

const recipe: TrainingRecipe = {
  optimiser: { kind: 'sgd', learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4, milestones: [0.5] },
  epochs: 5,
  batchSize: 16,
}

describe('GCN-V', () => {
  it('sees each vertex beside the mean of its neighbourhood', async () => {
    const { x, lists, input } = await problem(4)
    const { offsets, targets, weights } = affinityGraph(lists)
    for (const v of [0, 17, 71]) {
      for (let c = 0; c < 4; c++) {
        let mean = 0
        for (let e = offsets[v]; e < offsets[v + 1]; e++) mean += weights[e] * x.data[targets[e] * 4 + c]
        expect(input.data[v * 8 + c]).toBe(x.data[v * 4 + c])
        expect(input.data[v * 8 + 4 + c]).toBeCloseTo(mean, 5)
      }
    }
  })

  it('has in mini-batches the gradient of the full-graph step', async () => {
    const { input, target } = await problem()
    const parameters = toParameters(initGcnV({ features: 12, hidden: 8 }, 1))
    const n = input.rows
    const gradientOf = (from: number, to: number) => {
      const x = tf.tensor2d(input.data.subarray(from * input.cols, to * input.cols), [to - from, input.cols])
      const y = tf.tensor1d(target.subarray(from, to))
      const { loss, gradients } = gcnVStep(parameters, x, y)
      const arrays = toWeightArrays(gradients)
      tf.dispose([x, y, loss])
      disposeParameters(gradients)
      return arrays
    }
    const whole = gradientOf(0, n)
    const parts = [gradientOf(0, n / 4), gradientOf(n / 4, n)]
    for (const name of Object.keys(whole)) {
      whole[name].data.forEach((expected, i) => {
        expect(parts[0][name].data[i] / 4 + (3 * parts[1][name].data[i]) / 4).toBeCloseTo(expected, 5)
      })
    }
    disposeParameters(parameters)
  })

  it('comes down to the same loss by mini-batches as by full-graph steps', async () => {
    const { input, target } = await problem()
    const all = Int32Array.from(target.keys())
    const train = async (batchSize: number, epochs: number) => {
      const { lossCurve } = await trainGcnV(
        { input, target, fit: all, heldOut: new Int32Array(0) },
        {
          recipe: { ...recipe, batchSize, epochs, optimiser: { ...recipe.optimiser, milestones: [0.6, 0.9] } },
          hidden: 16,
          seed: 3,
        },
      )
      return lossCurve[lossCurve.length - 1].loss
    }
    const full = await train(Number.POSITIVE_INFINITY, 400)
    const mini = await train(18, 100)
    const variance = target.reduce((sum, t) => sum + t * t, 0) / target.length
    expect(full).toBeLessThan(0.1 * variance)
    expect(mini).toBeLessThan(0.1 * variance)
  })

  it('gives the same weights for the same seed, and others for another', async () => {
    const { input, target } = await problem()
    const all = Int32Array.from(target.keys())
    const train = (seed: number) =>
      trainGcnV({ input, target, fit: all.slice(0, 50), heldOut: all.slice(50) }, { recipe, hidden: 8, seed })
    const [a, b, c] = [await train(1), await train(1), await train(2)]
    expect(a).toEqual(b)
    expect(a.weights['conv1.weight'].data).not.toEqual(c.weights['conv1.weight'].data)
  })

  it('stops by the held-out loss and keeps the best weights', async () => {
    const { input, target } = await problem()
    const all = Int32Array.from(target.keys())
    const trained = await trainGcnV(
      { input, target, fit: all.slice(0, 20), heldOut: all.slice(20) },
      {
        recipe: { optimiser: { kind: 'adam', learningRate: 0.01 }, epochs: 200, batchSize: 20, patience: 5 },
        hidden: 8,
        seed: 1,
      },
    )
    const losses = trained.lossCurve.map(({ heldOutLoss }) => heldOutLoss as number)
    expect(trained.epochs).toBe(losses.indexOf(Math.min(...losses)) + 1)
    expect(losses.length).toBe(Math.min(200, trained.epochs + 5))
  })

  it('leaves no tensor behind, finished or cancelled', async () => {
    const { input, target } = await problem()
    const all = Int32Array.from(target.keys())
    const before = tf.memory().numTensors
    const data = { input, target, fit: all, heldOut: all.slice(60) }
    await trainGcnV(data, { recipe, hidden: 8, seed: 1 })
    const stop = new AbortController()
    const cancelled = trainGcnV(
      data,
      { recipe, hidden: 8, seed: 1 },
      { signal: stop.signal, onProgress: () => stop.abort() },
    )
    await expect(cancelled).rejects.toMatchObject({ code: 'ABORTED' })
    const parameters = toParameters(initGcnV({ features: 12, hidden: 8 }, 1))
    await gcnVPredict(parameters, input)
    disposeParameters(parameters)
    expect(tf.memory().numTensors).toBe(before)
  })

  it('refuses weights of another dimension', async () => {
    const { input } = await problem()
    const parameters = toParameters(initGcnV({ features: 5, hidden: 8 }, 1))
    await expect(gcnVPredict(parameters, input)).rejects.toMatchObject({ code: 'BAD_WEIGHTS' })
    disposeParameters(parameters)
  })
})

describe('the optimiser', () => {
  it('is Adam as published, on a parabola worked out by hand', () => {
    const optimiser = createOptimiser({ kind: 'adam', learningRate: 0.1 })
    const parameters = { p: tf.tensor1d([1]) as tf.Tensor }
    // The first step of Adam is the rate itself, whatever the size of the gradient.
    optimiser.step(parameters, { p: tf.tensor1d([250]) }, 0)
    expect(parameters.p.dataSync()[0]).toBeCloseTo(0.9, 5)
    optimiser.dispose()
    disposeParameters(parameters)
  })

  it('divides the rate by ten at each milestone', () => {
    const optimiser = createOptimiser({ kind: 'sgd', learningRate: 1, momentum: 0, milestones: [0.5] })
    const parameters = { p: tf.tensor1d([0]) as tf.Tensor }
    optimiser.step(parameters, { p: tf.tensor1d([1]) }, 0.4)
    expect(parameters.p.dataSync()[0]).toBeCloseTo(-1, 6)
    optimiser.step(parameters, { p: tf.tensor1d([1]) }, 0.5)
    expect(parameters.p.dataSync()[0]).toBeCloseTo(-1.1, 6)
    optimiser.dispose()
    disposeParameters(parameters)
  })
})
