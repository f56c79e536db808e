import { describe, expect, it } from 'vitest'
import { simulateReview } from '../../bench/simulated-review.ts'
import { createRng } from '../../src/engine/rng.ts'

describe('the simulated annotator', () => {
  it('by hand: a wrong link is cut with all below it, a right merge joins, and what follows is not asked', () => {
    // Two clusters: {0, 1, 2, 3} with 2 and 3 of another class hanging on 1, and {4} of the class of 0.
    const run = { labels: Int32Array.of(0, 0, 0, 0, 1), parent: Int32Array.of(-1, 0, 1, 2, -1) }
    const truth = Int32Array.of(7, 7, 8, 8, 7)
    const questions = [
      { kind: 'EDGE', child: 2, parent: 1 },
      { kind: 'MERGE', child: 4, parent: 0 },
      // Follows from the two before: 4 is with 0, and 1 is not asked about again.
      { kind: 'EDGE', child: 1, parent: 0 },
      { kind: 'MERGE', child: 4, parent: 1 },
    ] as const
    const curve = simulateReview(run, truth, questions, (isSame) => isSame, [1, 2, 3, 4])
    expect(curve.map(({ answers, changes }) => [answers, changes])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 2],
    ])
    // 2 of 6 claimed pairs right, of 4 true ones; then 2 of 2; then all 4 of 4.
    expect(curve[0]?.pairwiseF).toBeCloseTo((2 * 2) / (6 + 4), 12)
    expect(curve[1]?.pairwiseF).toBeCloseTo((2 * 2) / (2 + 4), 12)
    expect(curve[2]?.pairwiseF).toBe(1)
  })

  it('a perfect annotator who is asked everything about a tree ends with no wrong pair', () => {
    const rng = createRng(4)
    const n = 60
    const truth = Int32Array.from({ length: n }, () => rng.int(5))
    const parent = Int32Array.from({ length: n }, (_, v) => (v === 0 ? -1 : rng.int(v)))
    const questions = Array.from(
      { length: n - 1 },
      (_, i) => ({ kind: 'EDGE', child: i + 1, parent: parent[i + 1] as number }) as const,
    )
    const curve = simulateReview({ labels: new Int32Array(n), parent }, truth, questions, (isSame) => isSame, [n])
    const { pairwiseF, answers, changes } = curve.at(-1) as (typeof curve)[number]
    expect(answers).toBe(n - 1)
    expect(changes).toBe(questions.filter(({ child, parent }) => truth[child] !== truth[parent]).length)
    // What is left is pure, so that only pairs of a class in different pieces are missing.
    expect(pairwiseF).toBeGreaterThan(0)
    expect(pairwiseF).toBeLessThan(1)
  })
})
