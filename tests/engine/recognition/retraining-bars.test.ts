import { describe, expect, it } from 'vitest'
import { bars, gapClosed, reportLines, type SeedResults } from '../../../bench/retraining/report.ts'

/** Rank-1 of the four arms at 9 parts, in percent. */
function seedOf(seed: number, lower: number, mine: number, upper: number, shuffled: number): SeedResults {
  const arm = (arm: string, parts: number, rank1: number) => ({
    arm,
    seed,
    parts,
    scores: { rank1: rank1 / 100, nearest: 0, tarAtFar: {}, probes: 1, pairs: 1, distractors: 1 },
    epochs: [],
    loss: 0,
    seconds: 1,
    cpuSeconds: 1,
  })
  const arms = [
    arm('labels only', 0, lower),
    arm('AUTO', 9, mine),
    arm('true labels', 9, upper),
    arm('shuffled', 9, shuffled),
  ]
  return { seed, arms }
}
const verdicts = (results: SeedResults[]) => bars(results, 'AUTO', 9).map((line) => line.match(/\*\*(.*?)\*\*/)?.[1])

describe('the bars of the retraining experiment', () => {
  const good = [seedOf(1, 20, 26, 30, 18), seedOf(2, 20, 25, 30, 20), seedOf(3, 16, 22, 24, 10)]

  it('are met where pseudo-labels help on every seed, shuffled ones on none, and half of the gap is closed', () => {
    expect(gapClosed(good, 'AUTO', 9).map((share) => share.toFixed(2))).toEqual(['0.60', '0.50', '0.75'])
    expect(verdicts(good)).toEqual(['met', 'met', 'met', 'met'])
  })

  it('tell a control that helps on one seed from one that helps on all', () => {
    const once = [...good.slice(0, 2), seedOf(3, 16, 22, 24, 17)]
    expect(verdicts(once)).toEqual(['met', 'met', 'not met', 'met'])
    expect(bars(once, 'AUTO', 9)[2]).toContain('on 1 of 3, seed 3 by 1.0')
    expect(verdicts([seedOf(1, 20, 26, 30, 21), seedOf(2, 20, 25, 30, 21), seedOf(3, 16, 22, 24, 17)])).toEqual([
      'met',
      'not met',
      'not met',
      'met',
    ])
  })

  it('fail on one seed without a gain, on a mean below half of the gap, and stay open below three seeds', () => {
    expect(verdicts([...good.slice(0, 2), seedOf(3, 16, 16, 24, 10)])).toEqual(['not met', 'met', 'met', 'not met'])
    expect(verdicts(good.slice(0, 2))[0]).toBe('open, 2 of at least 3 seeds, met')
  })

  it('compares a method with the arms of its own seeds alone', () => {
    const withMethod = seedOf(4, 10, 20, 30, 10)
    const method = { ...withMethod.arms[1], arm: 'K_MEANS', scores: { ...withMethod.arms[1].scores, rank1: 0.15 } }
    const lines = reportLines([...good, { ...withMethod, arms: [...withMethod.arms, method] }], 'omniglot')
    const methods = lines.slice(lines.indexOf('Pseudo-labels of every method, at 9 parts:') + 4)
    expect(methods.slice(0, 4).map((line) => line.split(' | ').slice(0, 3).join(' '))).toEqual([
      '| true labels 9 30.0',
      '| AUTO 9 20.0',
      '| K_MEANS 9 15.0',
      '| labels only  10.0',
    ])
    expect(lines).not.toContain('With fewer parts:')
  })
})
