import { describe, expect, it } from 'vitest'
import { initGcnE } from '../../src/engine/gcn/gcn-e.ts'
import { initGcnV } from '../../src/engine/gcn/gcn-v.ts'
import { type ClusteringModel, checkFits, decodeModel, encodeModel } from '../../src/engine/model.ts'

const unchanged = { bias: 0, slope: 1 }
const model: ClusteringModel = {
  embedderId: 'mobilenet-v2',
  embeddingDimension: 6,
  seed: 4,
  k: 5,
  tree: { graph: 'raw', raw: { k: 5, tau: 0.4 }, rebuilt: { k: 10, tau: 0.6 } },
  connectivity: { k: 10, tau: 0.6, rho: 0.3, usesNetwork: true },
  threshold: { k: 5, tau: 0.7 },
  calibration: { k: 5, bias: -3, similarity: 2, shared: 1, parent: unchanged, merge: unchanged, edges: 120 },
  heldOut: { gcnV: 0.5, gcnVE: 0.6, threshold: 0.4 },
  gcnV: initGcnV({ features: 6, hidden: 4 }, 1),
  gcnE: initGcnE({ features: 4, convolutions: [4, 4, 2, 2], loss: 'nll' }, 1),
}

describe('a model as bytes', () => {
  it('comes back as it was, with and without GCN-E', () => {
    expect(decodeModel(encodeModel(model))).toEqual(model)
    const { gcnE: _, ...plain } = { ...model, connectivity: { ...model.connectivity, usesNetwork: false } }
    expect(decodeModel(encodeModel(plain))).toEqual(plain)
  })

  it('comes back from the middle of a larger buffer', () => {
    const bytes = encodeModel(model)
    const larger = new Uint8Array(bytes.length + 7)
    larger.set(bytes, 3)
    expect(decodeModel(larger.subarray(3, 3 + bytes.length))).toEqual(model)
  })

  it.each([
    ['something else', new TextEncoder().encode('not a model at all, only text')],
    ['nothing', new Uint8Array(0)],
    ['a file cut short', encodeModel(model).slice(0, -9)],
    ['a file with one bit turned', encodeModel(model).map((byte, i) => (i === 900 ? byte ^ 4 : byte))],
    ['weights of another width', encodeModel({ ...model, embeddingDimension: 7 })],
    ['a missing GCN-E', encodeModel({ ...model, gcnE: {} })],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeModel(bytes)).toThrow(expect.objectContaining({ code: 'BAD_WEIGHTS' }))
  })

  it('is pinned to the dimension and the embedder', () => {
    expect(() => checkFits(model, 6, 'mobilenet-v2')).not.toThrow()
    expect(() => checkFits(model, 8)).toThrow(/got a model for 6 dimensions, expected 8/)
    expect(() => checkFits(model, 6, 'clip')).toThrow(/got mobilenet-v2, expected clip/)
  })
})
