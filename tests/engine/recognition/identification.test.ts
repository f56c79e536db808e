import { describe, expect, it } from 'vitest'
import { identificationScores, type Matrix, pseudoLabels } from '../../../src/engine/index.ts'
import { createRng } from '../../../src/engine/rng.ts'

/** Points on the unit circle by their angle in degrees. */
const circle = (...degrees: number[]): Matrix => ({
  data: Float32Array.from(degrees.flatMap((d) => [Math.cos((d * Math.PI) / 180), Math.sin((d * Math.PI) / 180)])),
  rows: degrees.length,
  cols: 2,
})

describe('identification with distractors', () => {
  it('counts a pair when its second probe is nearer than every distractor', () => {
    // Identity 0 at 0 and 10 degrees, identity 1 at 90 and 130; a distractor at 100.
    const scores = identificationScores(circle(0, 10, 90, 130), Int32Array.of(0, 0, 1, 1), circle(100))
    // 0-10 both ways; 90 -> 130 is farther than 90 -> 100, and 130 -> 90 than 130 -> 100.
    expect(scores).toMatchObject({ rank1: 0.5, pairs: 4, probes: 4, distractors: 1, nearest: 1 })
  })

  it('without distractors every pair counts', () => {
    expect(identificationScores(circle(0, 10, 90, 130), Int32Array.of(0, 0, 1, 1), circle()).rank1).toBe(1)
  })

  it('accepts as many of the same as pass the threshold that lets a share of the others through', () => {
    // Pairs of two: 40, 50, 140, 150 degrees apart; of one: 10 and 100.
    const probes = circle(0, 10, 50, 150)
    const labels = Int32Array.of(0, 0, 1, 1)
    // None may pass: above the most similar pair of two (40 degrees) lies 10 alone.
    expect(identificationScores(probes, labels, circle(), [0]).tarAtFar).toEqual({ 0: 0.5 })
    // Half of the four may pass: above the third (140 degrees) lie both.
    expect(identificationScores(probes, labels, circle(), [0.5]).tarAtFar).toEqual({ 0.5: 1 })
  })

  it('perfect embeddings score 1, and the order of probes does not matter', () => {
    const labels = Int32Array.of(0, 0, 1, 1, 2, 2)
    const scores = identificationScores(circle(0, 0, 120, 120, 240, 240), labels, circle(60, 180))
    expect(scores).toMatchObject({ rank1: 1, nearest: 1, tarAtFar: { '0.01': 1, '0.001': 1 } })
    const order = createRng(1).shuffle(Int32Array.from(labels.keys()))
    const degrees = [0, 0, 120, 120, 240, 240]
    const mixed = identificationScores(
      circle(...[...order].map((i) => degrees[i])),
      order.map((i) => labels[i]),
      circle(60, 180),
    )
    expect(mixed).toEqual(scores)
  })

  it('refuses probes that are all different', () => {
    expect(() => identificationScores(circle(0, 90), Int32Array.of(0, 1), circle())).toThrow(/two of one identity/)
  })
})

describe('pseudo-labels', () => {
  // Two trees and a lone row: 0 <- 1 <- 2, 3 <- 4, 5.
  const clusters = {
    labels: Int32Array.of(0, 0, 0, 1, 1, 2),
    parent: Int32Array.of(-1, 0, 1, -1, 3, -1),
    parentProbability: Float32Array.of(1, 0.9, 0.6, 1, 0.75, 1),
  }

  it('leaves singletons out, and numbers classes from 0', () => {
    expect(pseudoLabels(clusters)).toEqual({
      rows: Int32Array.of(0, 1, 2, 3, 4),
      labels: Int32Array.of(0, 0, 0, 1, 1),
      classes: 2,
      dropped: 1,
    })
  })

  it('keeps them when told to, and leaves larger clusters out too', () => {
    expect(pseudoLabels(clusters, { minSize: 1 })).toMatchObject({ classes: 3, dropped: 0 })
    expect(pseudoLabels(clusters, { minSize: 3 })).toMatchObject({
      rows: Int32Array.of(0, 1, 2),
      classes: 1,
      dropped: 3,
    })
  })

  it('cuts links that are too doubtful', () => {
    expect(pseudoLabels(clusters, { minProbability: 0.7 })).toEqual({
      rows: Int32Array.of(0, 1, 3, 4),
      labels: Int32Array.of(0, 0, 1, 1),
      classes: 2,
      dropped: 2,
    })
  })

  it('weighs a row by the mean probability of the links of its cluster, 1 on average', () => {
    const { weights } = pseudoLabels(clusters, { weighByConfidence: true })
    // 0.75 each: (0.9 + 0.6) / 2, and 0.75.
    expect([...(weights as Float32Array)].map((w) => w.toFixed(4))).toEqual([
      '1.0000',
      '1.0000',
      '1.0000',
      '1.0000',
      '1.0000',
    ])
    const unsure = { ...clusters, parentProbability: Float32Array.of(1, 0.9, 0.9, 1, 0.3, 1) }
    const weighed = pseudoLabels(unsure, { weighByConfidence: true }).weights as Float32Array
    expect(weighed[0] / weighed[3]).toBeCloseTo(3, 4)
    expect(weighed.reduce((a, b) => a + b, 0) / 5).toBeCloseTo(1, 5)
  })

  it('of nothing is nothing, and inputs stay as they are', () => {
    const empty = { labels: new Int32Array(0), parent: new Int32Array(0), parentProbability: new Float32Array(0) }
    expect(pseudoLabels(empty, { weighByConfidence: true })).toMatchObject({ classes: 0, dropped: 0 })
    const before = clusters.labels.slice()
    pseudoLabels(clusters, { minProbability: 0.99 })
    expect(clusters.labels).toEqual(before)
  })
})
