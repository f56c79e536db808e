import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { chooseBackend } from '../../../src/engine/gcn/backend.ts'
import { knn } from '../../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { shorterLists } from '../../../src/engine/knn/sub-lists.ts'
import { methods, trainableMethods } from '../../../src/engine/methods.ts'
import { evaluateClustering } from '../../../src/engine/metrics/evaluate-clustering.ts'
import { blobs } from '../support/data.ts'

async function setOf(seed: number, classes = 20) {
  const { features, labels } = blobs({ classes, each: 12, d: 24, noise: 0.3, seed })
  const x = normalizeRows(features)
  return { features: x, labels, lists: await knn(x, 30) }
}

describe('methods that learn', () => {
  it.each(trainableMethods.map((method) => [method.name, method] as const))(
    '%s finds classes it has not seen, the same for a seed, and leaves no tensor behind',
    async (_, method) => {
      await chooseBackend()
      const train = await setOf(1, 30)
      const test = await setOf(2)
      const before = tf.memory().numTensors
      const weights = await method.train({ ...train, seed: 5 })
      const again = await method.train({ ...train, seed: 5 })
      expect(again).toEqual(weights)
      for (const { shape, data } of Object.values(weights)) {
        expect(data.length).toBe(shape.reduce((a, b) => a * b, 1))
        expect(data.every(Number.isFinite)).toBe(true)
      }
      let best = 0
      for (const parameters of method.settings({ n: 240, k: 30, classes: 20 })) {
        const { labels } = await method.decoder(weights)({ ...test, parameters, seed: 5 })
        const { pairwise, bcubed } = evaluateClustering(labels, test.labels)
        best = Math.max(best, (pairwise.f + bcubed.f) / 2)
      }
      expect(best).toBeGreaterThan(0.7)
      expect(tf.memory().numTensors).toBe(before)
      const stopped = method.train({ ...train, seed: 5 }, { signal: AbortSignal.abort() })
      await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' })
      expect(tf.memory().numTensors).toBe(before)
    },
    180_000,
  )
})

describe('methods without training', () => {
  it.each(methods.map((method) => [method.name, method] as const))(
    '%s has a setting that finds clear classes, and names what it cannot take',
    async (_, method) => {
      const set = await setOf(3)
      let best = 0
      for (const parameters of method.settings({ n: 240, k: 30, classes: 20 })) {
        // Whoever runs a method gives it lists of the length that its setting names.
        const lists = shorterLists(set.lists, Math.min(set.lists.k, Number(parameters.k ?? set.lists.k)))
        const output = await method.decode({ ...set, lists, parameters, seed: 1 })
        const { pairwise, bcubed } = evaluateClustering(output.labels, set.labels)
        best = Math.max(best, (pairwise.f + bcubed.f) / 2)
        expect(Math.max(...output.labels) + 1).toBe(new Set(output.labels).size)
      }
      expect(best).toBeGreaterThan(0.85)
      const [parameters] = method.settings({ n: 240, k: 30, classes: 20 })
      // A matrix of its own, since some remember what they have computed of one.
      const fresh = { ...set, features: { ...set.features }, parameters, seed: 1 }
      const stopped = method.decode(fresh, { signal: AbortSignal.abort() })
      await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' })
      for (const name of Object.keys(
        (await method.decode({ ...set, parameters: {}, seed: 1 })).parametersChosen ?? {},
      )) {
        const wrong = method.decode({ ...set, parameters: { [name]: -5 }, seed: 1 })
        await expect(wrong, name).rejects.toThrow(new RegExp(`${name} must`))
      }
    },
    180_000,
  )
})
