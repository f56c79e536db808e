import type { Decoder } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { thresholdPartition } from '../partition/threshold-partition.ts'
import { similarityAt } from './default-tau.ts'
import type { Method } from './method.ts'
import { numberOf } from './parameter.ts'

/** Components chain, so that an even chance would merge far too much. */
const CAUTIOUS_BELIEF = 0.9

const decode: Decoder = async ({ lists, features, parameters, seed }, { signal } = {}) => {
  throwIfAborted(signal)
  const tau = numberOf(parameters, 'tau', similarityAt(lists, features, seed, CAUTIOUS_BELIEF), [-1, 1])
  return {
    labels: thresholdPartition(lists, tau),
    parametersChosen: { tau },
    explanation: `Everything that a chain of similarities above ${tau.toFixed(2)} connects is one cluster.`,
  }
}

/**
 * Connected components of the neighbour graph above a cosine similarity.
 *
 * `tau`: the similarity, -1..1. Default: that of a typical nearest neighbour, where the label-free prior says .9.
 */
export const threshold: Method = {
  name: 'THRESHOLD',
  title: 'Cosine threshold',
  contendsUpTo: 1_000_000,
  decode,
  settings: () => [{}, ...Array.from({ length: 60 }, (_, i) => ({ tau: Number((0.4 + i / 100).toFixed(2)) }))],
}
