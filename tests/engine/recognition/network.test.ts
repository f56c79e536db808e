import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { chooseBackend } from '../../../src/engine/gcn/backend.ts'
import { disposeParameters, type Parameters, toParameters } from '../../../src/engine/gcn/parameters.ts'
import {
  type BackboneShape,
  backward,
  convolutionalBackbone,
  embeddingHead,
  forwardFinished,
  forwardTraining,
  initBackbone,
} from '../../../src/engine/recognition/backbone.ts'
import { headLoss, type MarginHead } from '../../../src/engine/recognition/margin-head.ts'
import { learningRateFactor } from '../../../src/engine/recognition/schedule.ts'
import { createRng } from '../../../src/engine/rng.ts'

beforeAll(async () => {
  await chooseBackend()
})

const values = (size: number, seed: number, scale = 1) => {
  const rng = createRng(seed)
  return Float32Array.from({ length: size }, () => scale * rng.normal())
}

describe('heads with a margin', () => {
  const embeddings = [2, 0, 0, 3]
  const weights = [5, 0, 0, 1]

  const lossOf = (head: MarginHead, rowWeights = [1, 1]) =>
    tf.tidy(
      () =>
        headLoss(
          head,
          tf.tensor2d(embeddings, [2, 2]),
          tf.tensor2d(weights, [2, 2]),
          Int32Array.of(0, 1),
          Float32Array.from(rowWeights),
        ).loss.dataSync()[0],
    )

  it('gives the cross-entropy worked out by hand', () => {
    // Cosines of 1 with the true class and 0 with the other one.
    expect(lossOf({ kind: 'cosface', scale: 4, margin: 0.5 })).toBeCloseTo(Math.log(1 + Math.exp(-4 * 0.5)), 5)
    const turned = Math.cos(Math.acos(1 - 1e-4) + 0.5)
    expect(lossOf({ kind: 'arcface', scale: 4, margin: 0.5 })).toBeCloseTo(Math.log(1 + Math.exp(-4 * turned)), 4)
    // Products of 10 and 3 with the true class, 0 with the other one.
    expect(lossOf({ kind: 'softmax' })).toBeCloseTo((Math.log(1 + Math.exp(-10)) + Math.log(1 + Math.exp(-3))) / 2, 5)
  })

  it('without a margin both are the cosine softmax', () => {
    const plain = Math.log(1 + Math.exp(-4))
    expect(lossOf({ kind: 'cosface', scale: 4, margin: 0 })).toBeCloseTo(plain, 5)
    expect(lossOf({ kind: 'arcface', scale: 4, margin: 0 })).toBeCloseTo(plain, 3)
  })

  it('counts a row as much as its weight says', () => {
    const head = { kind: 'softmax' } as const
    expect(lossOf(head, [2, 0])).toBeCloseTo(Math.log(1 + Math.exp(-10)), 5)
    expect(lossOf(head, [0, 0])).toBe(0)
  })

  it('stays finite where a logit is large, and where embedding and class are one', () => {
    const loss = tf.tidy(() => {
      const result = headLoss(
        { kind: 'arcface', scale: 64, margin: 0.5 },
        tf.tensor2d([1e4, 0], [1, 2]),
        tf.tensor2d([1, 0, 0, 1], [2, 2]),
        Int32Array.of(0),
        Float32Array.of(1),
      )
      return [result.loss, result.embeddingGradient, result.weightGradient].flatMap((t) => [...t.dataSync()])
    })
    for (const value of loss) expect(value).toSatisfy(Number.isFinite)
  })
})

const NETWORKS: [string, BackboneShape][] = [
  ['fully connected', embeddingHead(6, 4, 5)],
  [
    'convolutional',
    { ...convolutionalBackbone([5, 5, 2], 4, 2), hidden: convolutionalBackbone([5, 5, 2], 4, 2).hidden.slice(0, 2) },
  ],
]

describe.each(NETWORKS)('gradients of a %s network', (_name, shape) => {
  it.each(['softmax', 'cosface', 'arcface'] as const)('agree with small changes of the weights, head %s', (kind) => {
    const { weights, statistics } = initBackbone(shape, 3)
    const parameters = toParameters(weights)
    const running = toParameters(statistics)
    const n = 16
    const batch = tf.tensor(values(n * shape.input.reduce((a, b) => a * b, 1), 1), [n, ...shape.input])
    const columns = tf.tensor2d(values(4 * 3, 2), [4, 3])
    const labels = Int32Array.from({ length: n }, (_, i) => i % 3)
    const counts = Float32Array.from({ length: n }, (_, i) => 0.5 + (i % 2))
    // No layer is cut at zero in the comparison: a kink has no slope to compare with.
    for (const name of Object.keys(parameters)) {
      if (!name.endsWith('.shift')) continue
      parameters[name].dispose()
      parameters[name] = tf.fill(weights[name].shape.slice() as [number], 6)
    }
    const lossAt = (changed: Parameters) =>
      tf.tidy(() => {
        const { embeddings } = forwardTraining(shape, changed, running, batch)
        return headLoss({ kind, scale: 4, margin: 0.3 }, embeddings, columns, labels, counts).loss.dataSync()[0]
      })
    const gradients = tf.tidy(() => {
      const forward = forwardTraining(shape, parameters, running, batch)
      const { embeddingGradient } = headLoss(
        { kind, scale: 4, margin: 0.3 },
        forward.embeddings,
        columns,
        labels,
        counts,
      )
      return backward(forward, parameters, embeddingGradient)
    })
    expect(Object.keys(gradients).sort()).toEqual(Object.keys(parameters).sort())
    for (const [name, { shape: size, data }] of Object.entries(weights)) {
      const gradient = gradients[name].dataSync()
      for (let i = 0; i < data.length; i += Math.max(1, Math.floor(data.length / 5))) {
        const moved = (step: number) => {
          const now = Float32Array.from(parameters[name].dataSync())
          now[i] += step
          const tensor = tf.tensor(now, size.slice())
          const loss = lossAt({ ...parameters, [name]: tensor })
          tensor.dispose()
          return loss
        }
        const slope = (moved(5e-3) - moved(-5e-3)) / 1e-2
        expect(Math.abs(gradient[i] - slope), `${name} ${i}: ${gradient[i]}, expected ${slope}`).toBeLessThan(4e-3)
      }
    }
    for (const tensors of [parameters, running, gradients]) disposeParameters(tensors)
    tf.dispose([batch, columns])
  })
})

describe('the finished network', () => {
  it('normalises by the running statistics: a sample has the same embedding alone and in company', () => {
    const shape = embeddingHead(6, 4, 5)
    const { weights, statistics } = initBackbone(shape, 1)
    const [parameters, running] = [toParameters(weights), toParameters(statistics)]
    const x = values(4 * 6, 5)
    const of = (rows: Float32Array) =>
      tf.tidy(() => forwardFinished(shape, parameters, running, tf.tensor2d(rows, [rows.length / 6, 6])).dataSync())
    const [together, alone] = [of(x), of(x.subarray(0, 6))]
    for (let d = 0; d < 4; d++) expect(alone[d]).toBeCloseTo(together[d], 5)
    disposeParameters(parameters)
    disposeParameters(running)
  })
})

describe('the learning rate', () => {
  it('rises, then falls along half a cosine to a hundredth', () => {
    expect(learningRateFactor(0)).toBeLessThan(0.2)
    expect(learningRateFactor(0.1)).toBeCloseTo(1, 5)
    expect(learningRateFactor(0.55)).toBeCloseTo(0.505, 2)
    expect(learningRateFactor(1)).toBeCloseTo(0.01, 5)
    const all = Array.from({ length: 91 }, (_, i) => learningRateFactor(0.1 + i / 100))
    for (let i = 1; i < all.length; i++) expect(all[i]).toBeLessThan(all[i - 1])
  })
})
