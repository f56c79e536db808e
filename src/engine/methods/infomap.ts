import { priorCalibration } from '../calibration.ts'
import type { Decoder, DecoderParameters } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { logistic } from '../logistic-regression.ts'
import { edgeGraph } from './edge-graph.ts'
import { joinPieces } from './join-pieces.ts'
import { minimiseMapEquation } from './map-equation.ts'
import type { Method } from './method.ts'
import { countOf, numberOf } from './parameter.ts'

/** Chosen on the training halves of four labelled sets: faces, drawings, objects, emoji. Flat around these values. */
const POWER = 4
const LEAST_BELIEF = 0.3

const decode: Decoder = async ({ lists, features, parameters, seed }, control) => {
  throwIfAborted(control?.signal)
  const power = numberOf(parameters, 'power', POWER, [0, 32])
  const leastBelief = numberOf(parameters, 'leastBelief', LEAST_BELIEF, [0, 1])
  const markovTime = numberOf(parameters, 'markovTime', 1, [0.01, 100])
  const { bias, similarity } = priorCalibration(lists, features, seed)
  const weights = lists.similarities.map((s, e) => {
    const belief = lists.ids[e] < 0 ? 0 : logistic(bias + similarity * s)
    return belief < leastBelief ? 0 : belief ** power
  })
  const joinFrom = countOf(parameters, 'joinFrom', 0, [0, Number.MAX_SAFE_INTEGER])
  const { labels, modules, codelength, oneLevelCodelength } = await minimiseMapEquation(
    edgeGraph(lists, weights),
    { seed, markovTime },
    control,
  )
  const joined = joinFrom > 0 ? await joinPieces(labels, features, { least: joinFrom, seed }, control) : labels
  return {
    labels: joined,
    parametersChosen: { power, leastBelief, markovTime, ...(joinFrom > 0 && { joinFrom }) },
    explanation:
      `Two-level map equation on the neighbour graph, needing no labels: ${modules} modules describe a random walk in ` +
      `${codelength.toFixed(2)} bits a step, one module in ${oneLevelCodelength.toFixed(2)}.` +
      (joinFrom > 0 ? ` Modules of ${joinFrom} and more that are alike on average were joined.` : ''),
  }
}

const SETTINGS: readonly DecoderParameters[] = [{}, { power: 2 }, { power: 1, leastBelief: 0.5 }]
/** Half of the longest lists: larger modules may be pieces. Chosen on the training halves of the four sets of docs/results.md. */
export const JOIN_FROM = 40

/**
 * Communities of the neighbour graph by the map equation. Needs neither labels nor thresholds.
 *
 * The weight of an edge is what a label-free prior believes of its similarity (half way between chance and the typical
 * nearest neighbour = .5), to the power of `power`; edges believed less than `leastBelief` are left out. `markovTime`: steps
 * of the walker between code words, more gives fewer clusters. `joinFrom`: modules of at least this size are joined where they are
 * likely pieces of one class (join-pieces.ts), default 0 = never.
 *
 * Source: [ROSVALL08]; settings published for faces are cosine or NEP weights with directed flow.
 */
export const infomap: Method = {
  name: 'INFOMAP',
  title: 'Infomap',
  decode,
  isRandom: true,
  contendsUpTo: 200_000,
  settings: ({ k }) =>
    [10, 20, 40, 79]
      .filter((count) => count <= k)
      .flatMap((count) => [...SETTINGS, { joinFrom: JOIN_FROM }].map((setting) => ({ ...setting, k: count }))),
}
