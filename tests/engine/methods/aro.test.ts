import { describe, expect, it } from 'vitest'
import { knn } from '../../../src/engine/knn/knn.ts'
import { aro, rankOrderDistances } from '../../../src/engine/methods/aro.ts'
import { evaluateClustering } from '../../../src/engine/metrics/evaluate-clustering.ts'
import { blobs } from '../support/data.ts'

describe('ARO', () => {
  it('links at the greatest distance itself, though 3/5 is a little above .6 in float32', async () => {
    const { features } = blobs({ classes: 12, each: 15, d: 12, noise: 0.9, seed: 3 })
    const lists = await knn(features, 12)
    const distances = await rankOrderDistances(lists)
    const clusters = async (maxDistance: number) => {
      const { labels } = await aro.decode({ lists, features, parameters: { maxDistance }, seed: 1 })
      return evaluateClustering(labels, labels).clusters
    }
    expect(distances.filter((distance) => distance === Math.fround(0.6)).length).toBeGreaterThan(0)
    expect(await clusters(0.6)).toBe(await clusters(0.6001))
    expect(await clusters(0.6)).toBeLessThan(await clusters(0.5999))
  })
})
