import { describe, expect, it } from 'vitest'
import { expectedCompany } from '../../../src/engine/partition/expected-company.ts'
import { createRng } from '../../../src/engine/rng.ts'

describe('expected company', () => {
  it('is the size of a cluster without doubts, and 1 where every link is wrong', () => {
    const parent = Int32Array.of(-1, 0, 0, 2, -1)
    const confidence = Float32Array.of(5, 4, 3, 2, 1)
    expect([...expectedCompany(parent, Float32Array.of(1, 1, 1, 1, 1), confidence)]).toEqual([4, 4, 4, 4, 1])
    expect([...expectedCompany(parent, Float32Array.of(1, 0, 0, 0, 1), confidence)]).toEqual([1, 1, 1, 1, 1])
  })

  it('is the sum over the tree of the products of probabilities on the paths', () => {
    const random = createRng(7).next
    for (let trial = 0; trial < 50; trial++) {
      const n = 1 + Math.floor(random() * 12)
      const confidence = Float32Array.from({ length: n }, (_, v) => n - v)
      const parent = Int32Array.from({ length: n }, (_, v) =>
        v === 0 || random() < 0.2 ? -1 : Math.floor(random() * v),
      )
      const probability = Float32Array.from({ length: n }, (_, v) => (parent[v] < 0 ? 1 : random()))
      const company = expectedCompany(parent, probability, confidence)
      for (let v = 0; v < n; v++) expect(company[v]).toBeCloseTo(sumOfPaths(v, parent, probability), 6)
    }
  })
})

/** By walking every path from v, edge after edge. */
function sumOfPaths(v: number, parent: Int32Array, probability: Float32Array, from = -1): number {
  let sum = 1
  for (const [child, up] of parent.entries()) {
    if (up === v && child !== from) sum += probability[child] * sumOfPaths(child, parent, probability, v)
  }
  const up = parent[v]
  return up < 0 || up === from ? sum : sum + probability[v] * sumOfPaths(up, parent, probability, v)
}
