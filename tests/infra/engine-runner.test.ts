import { afterAll, describe, expect, it } from 'vitest'
import { EngineError, type Progress } from '../../src/engine/index.ts'
import { createRng } from '../../src/engine/rng.ts'
import { openEngineRunner } from '../../src/infra/engine-runner.ts'

const runner = openEngineRunner()
afterAll(() => runner.close())

/** Vectors around class centres, with their classes. */
function blobs(classes: number, each: number, d: number) {
  const rng = createRng(7)
  const centres = Array.from({ length: classes }, () => Float32Array.from({ length: d }, () => rng.normal()))
  const data = new Float32Array(classes * each * d)
  const labels = new Int32Array(classes * each)
  for (let v = 0; v < labels.length; v++) {
    labels[v] = v % classes
    for (let c = 0; c < d; c++) data[v * d + c] = centres[labels[v]][c] + 0.4 * rng.normal()
  }
  return { features: { data, rows: labels.length, cols: d }, labels }
}

describe('the engine in its thread', () => {
  it('says which backend it runs on and why nothing faster', async () => {
    const { name, passedOver } = await runner.backend()
    expect(['tensorflow-gpu', 'wasm', 'cpu']).toContain(name)
    for (const { reason } of passedOver) expect(reason.length).toBeGreaterThan(0)
  })

  it('clusters off the event loop, reports progress and leaves the input alone', async () => {
    const { features, labels } = blobs(8, 12, 16)
    const before = features.data.slice()
    const seen: Progress[] = []
    const result = await runner.cluster(
      { features, method: 'THRESHOLD', parameters: { tau: 0.6 }, seed: 1 },
      { onProgress: (progress) => seen.push(progress) },
    )
    expect(result.labels).toBeInstanceOf(Int32Array)
    expect(result.labels).toHaveLength(labels.length)
    expect(result.phases.every(({ seconds }) => seconds >= 0)).toBe(true)
    expect(result.phases[0].peakRssBytes).toBeGreaterThan(0)
    expect(seen.length).toBeGreaterThan(0)
    expect(features.data).toEqual(before)
  })

  it('keeps the code of a refusal', async () => {
    const features = { data: new Float32Array([1, Number.NaN, 0, 1]), rows: 2, cols: 2 }
    const refusal = await runner.cluster({ features, method: 'THRESHOLD', seed: 1 }).catch((error) => error)
    expect(refusal).toBeInstanceOf(EngineError)
    expect(refusal.code).toBe('NOT_FINITE')
    expect(refusal.message).toMatch(/row 0/)
  })

  it('trains, and the model it hands back clusters', async () => {
    const { features, labels } = blobs(12, 10, 16)
    const parameters = { hidden: 32, gcnV: { epochs: 3 }, gcnE: { epochs: 1 } }
    const { model } = await runner.train({ features, labels, embedderId: 'test', seed: 1, parameters })
    const { pairwiseF } = await runner.evaluate({ model, features, labels })
    expect(pairwiseF.sampleSize).toBe(12)
    expect(pairwiseF.low).toBeLessThanOrEqual(pairwiseF.high)
  })

  it('stops a running and a waiting call within a few seconds, and goes on working', async () => {
    const { features, labels } = blobs(40, 40, 64)
    const stop = new AbortController()
    const parameters = { gcnV: { epochs: 10_000 } }
    const call = (seed: number) =>
      runner.train({ features, labels, embedderId: 'test', seed, parameters }, { signal: stop.signal }).catch((e) => e)
    const both = [call(1), call(2)]
    setTimeout(() => stop.abort(), 500)
    const outcomes = await Promise.all(both)
    for (const outcome of outcomes) expect(outcome.code).toBe('ABORTED')
    expect((await runner.cluster({ ...blobs(2, 3, 4), method: 'THRESHOLD', seed: 1 })).labels).toHaveLength(6)
  })

  it('refuses calls after it was closed', async () => {
    const closed = openEngineRunner()
    await closed.close()
    await expect(closed.backend()).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
