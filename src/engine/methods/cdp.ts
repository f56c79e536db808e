import type { Decoder, DecoderParameters } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { denseLabels } from '../partition/labels.ts'
import { similarityAt } from './default-tau.ts'
import { dynamicThreshold } from './dynamic-threshold.ts'
import { listPairs } from './list-pairs.ts'
import type { Method } from './method.ts'
import { countOf, numberOf } from './parameter.ts'

const decode: Decoder = async ({ lists, features, parameters, seed }, { signal } = {}) => {
  throwIfAborted(signal)
  const tau = numberOf(parameters, 'tau', similarityAt(lists, features, seed, 0.5), [-1, 1])
  const maxSize = countOf(parameters, 'maxSize', 300, [1, 100_000_000])
  const step = numberOf(parameters, 'step', 0.05, [0.001, 0.999])
  const pairs = listPairs(lists, (e) => lists.similarities[e] > tau)
  const { labels } = denseLabels(dynamicThreshold(lists.n, pairs, { maxSize, step }))
  return { labels, parametersChosen: { tau, maxSize, step } }
}

/** Largest clusters worth trying: a few times the mean size of a class. */
export function cdpSettings(meanSize: number, taus: readonly number[]): DecoderParameters[] {
  const sizes = [2, 5, 20].map((times) => Math.max(10, Math.round(times * meanSize)))
  return taus.flatMap((tau) => sizes.map((maxSize) => ({ tau, maxSize })))
}

/**
 * Consensus-driven propagation with one model: components of pairs above a similarity, split by rising thresholds until none
 * is larger than a size.
 *
 * `tau`: least similarity of a pair, default from a label-free prior, the released 0.7; `maxSize`: default 300; `step` of the
 * threshold: default 0.05.
 *
 * Source: [ZHAN18], the released code's "single model".
 */
export const cdp: Method = {
  name: 'CDP',
  title: 'CDP, one model',
  decode,
  contendsUpTo: 200_000,
  settings: ({ n, classes }) => [{}, ...cdpSettings(n / classes, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])],
}
