import { priorCalibration } from '../calibration.ts'
import type { Decoder } from '../decoder.ts'
import { EngineError } from '../errors.ts'
import { thresholdPartition } from '../partition/threshold-partition.ts'
import type { Method } from './method.ts'

/** Log-odds at which the label-free threshold cuts: components chain, so that an even chance would merge far too much. */
const CAUTIOUS_LOG_ODDS = Math.log(9)
/** Copies of one image connect, whatever the rest looks like. */
const HIGHEST_TAU = 0.98

const decode: Decoder = async ({ lists, features, parameters, seed }) => {
  const prior = priorCalibration(lists, features, seed)
  const tau =
    parameters.tau ??
    (prior.similarity > 0 ? Math.min(HIGHEST_TAU, (CAUTIOUS_LOG_ODDS - prior.bias) / prior.similarity) : 0)
  if (typeof tau !== 'number' || !(tau >= -1 && tau <= 1)) {
    throw new EngineError('BAD_OPTION', `tau must be a similarity, -1 to 1: got ${tau}`)
  }
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
