import { describe, expect, it } from 'vitest'
import { trainClusteringModel } from '../../src/engine/index.ts'
import { blobs } from './support/data.ts'

const { features, labels } = blobs({ classes: 12, each: 8, d: 8, noise: 0.4, seed: 4 })
const train = (parameters: object) =>
  trainClusteringModel({
    features,
    labels,
    embedderId: 'test',
    seed: 1,
    parameters: { folds: 1, hidden: 16, gcnV: { epochs: 2 }, gcnE: { epochs: 1 }, contenders: [], ...parameters },
  })

describe('published constants', () => {
  it('stay available by name: as released for fashion, and as in the text', async () => {
    const fashion = await train({ preset: 'released-fashion' })
    expect(fashion.model).toMatchObject({
      k: 4,
      tree: { graph: 'rebuilt', raw: { k: 4, tau: 0.8 }, rebuilt: { k: 4, tau: 0.85 } },
      connectivity: { k: 79, tau: 0.85, rho: 0.2, usesNetwork: true },
    })
    expect(fashion.model.gcnE?.['conv2.weight'].shape).toEqual([1024, 512])
    expect(fashion.model.gcnE?.['output.weight'].shape).toEqual([256, 2])
    const paper = await train({ preset: 'paper', rho: 0.1 })
    expect(paper.model).toMatchObject({ k: 79, tree: { rebuilt: { tau: 0.8 } }, connectivity: { rho: 0.1 } })
    expect(paper.model.gcnE?.['output.weight'].shape).toEqual([256, 1])
    // Another scale of the label is another loss, though it orders vertices alike.
    expect(paper.lossCurve[0].loss).not.toBe(fashion.lossCurve[0].loss)
  }, 120_000)

  it('are otherwise learnt, and the report has the curves that K, tau and the graph were chosen by', async () => {
    const { report, model } = await train({ connectivity: false })
    const { neighbours, raw, rebuilt } = report.curves
    expect(new Set(neighbours.map(({ graph }) => graph))).toEqual(new Set(['raw', 'rebuilt']))
    for (const graph of ['raw', 'rebuilt'] as const) {
      const own = neighbours.filter((point) => point.graph === graph)
      expect(own.map(({ k }) => k)).toEqual([7, 14, 28])
      const best = own.reduce((a, b) => (b.pairwiseF + b.bcubedF > a.pairwiseF + a.bcubedF ? b : a))
      expect(model.tree[graph]).toEqual({ k: best.k, tau: best.tau })
    }
    expect([raw.length, rebuilt.length]).toEqual([50, 50])
    await expect(train({ preset: 'ms2m' })).rejects.toThrow(/preset must be one of paper, .*got ms2m/)
  }, 120_000)
})
