import { describe, expect, it } from 'vitest'
import {
  averageConfidence,
  centreConfidence,
  densityConfidence,
  neighbourConfidence,
} from '../../../src/engine/gcn/confidence.ts'
import { lists } from '../support/data.ts'

/** 0 and 1 are of one class, 2 of another; 3 is alone. */
const graph = lists([
  [
    [1, 0.8],
    [2, 0.5],
  ],
  [[0, 0.8]],
  [[0, 0.5]],
  [],
])
const labels = Int32Array.of(0, 0, 1, 2)
const plane = { data: Float32Array.of(1, 0, 0, 1, -1, 0, 0.6, 0.8), rows: 4, cols: 2 }

describe('confidence', () => {
  it('s_nbr adds neighbours of the class and takes the others away, itself counted once', () => {
    const perList = neighbourConfidence(graph, labels, 'list-length')
    expect(perList[0]).toBeCloseTo((1 + 0.8 - 0.5) / 3, 6)
    expect(perList[2]).toBeCloseTo((1 - 0.5) / 3, 6)
    expect(perList[3]).toBeCloseTo(1 / 3, 6)
    const global = neighbourConfidence(graph, labels)
    expect(Math.max(...global)).toBeCloseTo(1, 6)
    expect(global[0] / global[1]).toBeCloseTo(1.3 / 1.8, 6)
  })

  it('s_nbr takes unknown neighbours as others', () => {
    expect(neighbourConfidence(graph, Int32Array.of(-1, -1, 1, 2), 'list-length')[0]).toBeCloseTo(
      (1 - 0.8 - 0.5) / 3,
      6,
    )
  })

  it('s_center and s_avg look at the whole class; a class of one is certain of itself', () => {
    const classes = Int32Array.of(0, 0, 1, -1)
    expect(centreConfidence(plane, classes)[0]).toBeCloseTo(0.5, 6)
    expect(averageConfidence(plane, classes)[0]).toBeCloseTo(0, 6)
    expect(averageConfidence(plane, classes)[2]).toBe(1)
    expect(centreConfidence(plane, classes)[3]).toBeCloseTo(1, 6)
  })

  it('u_num and u_weight count what lies strictly within the radius', () => {
    expect([...densityConfidence(graph, { kind: 'count', radius: 0.3 })]).toEqual([2, 2, 1, 1])
    expect(densityConfidence(graph, { kind: 'weight', radius: Number.POSITIVE_INFINITY })[0]).toBeCloseTo(2.3, 6)
    expect(() => densityConfidence(graph, { kind: 'count', radius: 0 })).toThrow(/radius/)
  })
})
