import { describe, expect, it } from 'vitest'
import { assertDisjoint, assertUnseen, splitIdentities } from '../../../bench/retraining/split.ts'

/** Forty identities of three rows each, in turns. */
const labels = Int32Array.from({ length: 120 }, (_, row) => row % 40)
const identitiesOf = (rows: Int32Array) => new Set(rows.map((row) => labels[row]))

describe('the parts of the retraining experiment', () => {
  it('share no identity, lose no row, and follow from the seed', () => {
    const split = splitIdentities(labels, 2, 1)
    const parts = [split.L, ...split.U, split.T, split.D]
    expect(parts.map((rows) => identitiesOf(rows).size)).toEqual([...Array(10).fill(2), 10, 10])
    expect(new Set(parts.flatMap((rows) => [...rows])).size).toBe(120)
    expect(splitIdentities(labels, 2, 1)).toEqual(split)
    expect(splitIdentities(labels, 2, 2)).not.toEqual(split)
  })

  it('an identity in two parts is a leak, and stops the experiment', () => {
    const split = splitIdentities(labels, 2, 1)
    const leaking = { ...split, T: Int32Array.from([...split.T, split.L[0]]) }
    expect(() => assertDisjoint(labels, leaking)).toThrow(/identity \d+ is in parts 0 and 10/)
    expect(() => assertDisjoint(labels, { ...split, D: new Int32Array(0) })).toThrow(/part 11 of the split is empty/)
  })

  it('so is a training on rows of an identity that is measured', () => {
    const split = splitIdentities(labels, 2, 1)
    assertUnseen(labels, split.L, split)
    for (const measured of [split.T, split.D]) {
      expect(() => assertUnseen(labels, Int32Array.of(split.L[0], measured[0]), split)).toThrow(
        /identity \d+ is measured and trained on/,
      )
    }
  })

  it('needs enough identities for every part', () => {
    expect(() => splitIdentities(labels, 4, 1)).toThrow(/the split needs 50 identities: got 40/)
  })
})
