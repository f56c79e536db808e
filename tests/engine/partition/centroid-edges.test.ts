import { describe, expect, it } from 'vitest'
import { knn } from '../../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { centroidEdges } from '../../../src/engine/partition/centroid-edges.ts'
import { mergeCandidates } from '../../../src/engine/partition/merge-candidates.ts'
import { createRng } from '../../../src/engine/rng.ts'

/** Two tight halves of one identity close to each other, and other identities elsewhere. */
async function world() {
  const [each, d] = [12, 16]
  const rng = createRng(2)
  const draw = () => Float32Array.from({ length: d }, () => rng.normal())
  const identity = draw()
  const centres = [0, 1].map(() => identity.map((value) => value + 0.35 * rng.normal()))
  for (let c = 0; c < 6; c++) centres.push(draw())
  const data = new Float32Array(centres.length * each * d)
  const labels = new Int32Array(centres.length * each)
  for (const [c, centre] of centres.entries()) {
    for (let i = 0; i < each; i++) {
      const v = c * each + i
      labels[v] = c
      for (let j = 0; j < d; j++) data[v * d + j] = centre[j] + 0.1 * rng.normal()
    }
  }
  const x = await normalizeRows({ data, rows: labels.length, cols: d })
  return { x, labels, confidence: Float32Array.from(labels, (_, v) => 1 - v / 1000), each }
}

describe('edges between near centroids', () => {
  it('find two halves whose neighbour lists are full of their own, by their most similar confident members', async () => {
    const { x, labels, confidence, each } = await world()
    const lists = await knn(x, each - 1)
    const company = Float64Array.from(labels, () => each)
    const bySimilarity = (_v: number, _u: number, similarity: number) => similarity
    const alone = mergeCandidates(labels, company, lists, confidence, bySimilarity)
    const isHalves = (left: number, right: number) => left === 0 && right === 1
    expect(Array.from(alone.left, (left, i) => isHalves(left, alone.right[i])).some(Boolean)).toBe(false)
    const between = await centroidEdges(labels, x, confidence)
    const found = mergeCandidates(labels, company, lists, confidence, bySimilarity, undefined, { between })
    expect([found.left[0], found.right[0]]).toEqual([0, 1])
    // The slow way: the best pair among the eight most confident of either half.
    let best = -1
    for (let v = 0; v < 8; v++) {
      for (let u = each; u < each + 8; u++) {
        let s = 0
        for (let c = 0; c < x.cols; c++) s += x.data[v * x.cols + c] * x.data[u * x.cols + c]
        best = Math.max(best, s)
      }
    }
    expect(found.similarity[0]).toBeCloseTo(best, 5)
  })

  it('are none for single vertices, one cluster, or nothing, and leave the input alone', async () => {
    const { x, confidence } = await world()
    const before = x.data.slice()
    for (const labels of [Int32Array.from(confidence.keys()), new Int32Array(confidence.length)]) {
      expect((await centroidEdges(labels, x, confidence)).from).toHaveLength(0)
    }
    expect(
      (await centroidEdges(new Int32Array(0), { data: new Float32Array(0), rows: 0, cols: 4 }, new Float32Array(0)))
        .from,
    ).toHaveLength(0)
    expect(x.data).toEqual(before)
  })

  it('members that cancel each other out do no harm', async () => {
    const x = { data: Float32Array.of(1, 0, -1, 0, 0, 1, 0, -1), rows: 4, cols: 2 }
    const { from, to } = await centroidEdges(Int32Array.of(0, 0, 1, 1), x, Float32Array.of(4, 3, 2, 1))
    expect([from.length, to.length]).toEqual([1, 1])
  })
})
