import type { DecoderParameters } from '../decoder.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import { knn } from '../knn/knn.ts'
import { normalizeRows } from '../knn/normalize-rows.ts'
import { selectRows } from '../knn/sub-lists.ts'
import { findMethod, offeredContenders, simplicityRank } from '../methods.ts'
import { fitMetric } from '../metric/learned-metric.ts'
import type { ClusteringModel } from '../model.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import {
  chooseMethod,
  LEARNED_SPACE,
  labelFreeChoice,
  type MethodChoice,
  metricContenders,
  plainContenders,
} from './choose-method.ts'
import { countTeaching, identityFolds } from './identity-folds.ts'
import { learnedSpaces } from './learned-spaces.ts'

/** With fewer identities of two or more images, the differences between methods are noise. */
const IDENTITIES_TO_MEASURE = 20
/** Rows that methods are compared on, at most: whole identities are drawn. */
const ROWS_TO_MEASURE = 20_000
/** Every identity is held out once. */
const FOLDS = 4
const LONGEST_LISTS = 79

/** What AUTO does with a model: what its training has found, or GCN-V+E where that found nothing. */
export function modelChoice({ choice, heldOut }: ClusteringModel): MethodChoice {
  return (
    choice ?? {
      method: heldOut.threshold > heldOut.gcnVE ? 'THRESHOLD' : 'GCN_VE',
      parameters: {},
      rows: 0,
      table: [],
      explanation: 'The better of GCN-V+E and a plain threshold on the held-out identities of the training.',
    }
  )
}

/**
 * What AUTO does without a model: the method without training that does best on the labelled identities, and the one
 * that needs no labels where these are too few to tell.
 *
 * @param input.labels int32 [n]; below 0 = not known
 */
export async function chooseByLabels(
  { features, labels, seed }: { readonly features: Matrix; readonly labels?: Labels; readonly seed: number },
  control: Control = {},
): Promise<MethodChoice & { readonly metric?: WeightArrays }> {
  if (!labels || countTeaching(labels) < IDENTITIES_TO_MEASURE) return labelFreeChoice()
  const rows = drawIdentities(labels, ROWS_TO_MEASURE, seed)
  const known = rows.map((v) => labels[v])
  const x = await normalizeRows(selectRows(features, rows))
  const lists = await knn(x, Math.min(LONGEST_LISTS, rows.length - 1), { signal: control.signal })
  const { folds } = identityFolds(known, 1 / FOLDS, FOLDS, seed)
  const set = { features: x, labels: known, lists, folds, seed }
  const offered = offeredContenders(rows.length)
  const plain = offered.filter((name) => findMethod(name) !== undefined)
  const untrained = () => Promise.reject(new Error('only methods without training were asked for'))
  const contenders = [
    ...plainContenders(set, plain, { signal: control.signal }),
    ...(await metricContenders(set, plain, await learnedSpaces(set, control), untrained, { signal: control.signal })),
  ].sort((a, b) => simplicityRank(a) - simplicityRank(b))
  const { standings: _, ...choice } = await chooseMethod(set, contenders, [], control)
  return choice.parameters.space === LEARNED_SPACE ? { ...choice, metric: fitMetric(x, known, seed) } : choice
}

/** The parameters of a choice for a set of another size: a number of clusters grows with the rows. */
export function parametersOf(
  { parameters, rows }: Pick<MethodChoice, 'parameters' | 'rows'>,
  n: number,
): DecoderParameters {
  const { clusterCount } = parameters
  if (typeof clusterCount !== 'number' || rows === 0) return parameters
  return { ...parameters, clusterCount: Math.max(1, Math.round((clusterCount * n) / rows)) }
}

/** All rows of known identities, of as many identities as fit; ascending. */
function drawIdentities(labels: Labels, most: number, seed: number): Int32Array {
  const sizes = new Map<number, number>()
  for (const label of labels) if (label >= 0) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const drawn = new Set<number>()
  let rows = 0
  for (const label of createRng(seed).shuffle(Int32Array.from(sizes.keys()))) {
    const size = sizes.get(label) ?? 0
    if (rows + size > most && rows > 0) continue
    drawn.add(label)
    rows += size
  }
  return Int32Array.from(labels.keys()).filter((v) => drawn.has(labels[v]))
}
