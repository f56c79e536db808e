import type { Decoder, DecoderParameters } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import { knn } from '../knn/knn.ts'
import { selectRows, shorterLists } from '../knn/sub-lists.ts'
import { JOIN_FROM } from '../methods/infomap.ts'
import type { DataFacts } from '../methods/method.ts'
import { methods, trainableMethods } from '../methods.ts'
import { type BothF, meanF } from '../metrics/score.ts'
import type { Control, Labels, Matrix, NeighbourLists } from '../types.ts'
import { LABEL_FREE_K, type PartlyLabelled } from './company.ts'
import { type Contender, type Standing, standingOf } from './contender.ts'

/** What `auto` has settled on, and what it goes by. */
export interface MethodChoice {
  readonly method: string
  readonly parameters: DecoderParameters
  /** Rows it was measured on: a number of clusters is scaled by it. 0 where nothing was measured. */
  readonly rows: number
  /** Best first, after them those that were only tuned; empty where there were no labels to go by. */
  readonly table: readonly { readonly method: string; readonly parameters: DecoderParameters; readonly score: number }[]
  readonly explanation: string
}

/** Where no labels say otherwise: the method that needs none. */
export const LABEL_FREE_METHOD = 'INFOMAP'
const LABEL_FREE_PARAMETERS: DecoderParameters = { joinFrom: JOIN_FROM }

/** Value of the parameter `space` where the embedding is seen through the learned metric. */
export const LEARNED_SPACE = 'learned'

/** What is worth trying after the learned metric: fewer settings than without, since every fold has its own space. */
const METRIC_SETTINGS: Readonly<Record<string, readonly DecoderParameters[]>> = {
  STRUCTURE: [10, 20, 40].flatMap((edges) =>
    [0.3, 0.5, 0.7].map((leastProbability) => ({ edges, leastProbability, power: 3 })),
  ),
  INFOMAP: [10, 20, 40, 79].flatMap((k) => [4, 2].map((power) => ({ k, power }))),
}

/** Difference in the mean of both F, beyond which a simpler method no longer passes for as good as the best. */
const MOST_FORGIVEN = 0.01

/** The labelled part of a data set, ready to be clustered; lists are exact over its rows, and long enough for every setting. */
export interface LabelledSet extends PartlyLabelled {
  /** The labelled rows without their company; absent where all are labelled. */
  readonly alone?: PartlyLabelled
  /** Identities held out in each fold. */
  readonly folds: readonly ReadonlySet<number>[]
  readonly seed: number
}

/** Neighbour counts worth trying for settings that name none: about an identity's, and the most there are. */
export function neighbourCounts({ labels, lists }: Pick<LabelledSet, 'labels' | 'lists'>): number[] {
  const { known, identities } = countKnown(labels)
  const own = Math.max(4, Math.min(lists.k, Math.round(known / identities) - 1))
  // Among many rows that are not known, two numbers must do: there is more to cluster.
  const wanted = known < labels.length ? [own, lists.k] : [own, 4 * own, lists.k]
  return [...new Set(wanted.map((k) => Math.min(k, lists.k)))].sort((a, b) => b - a)
}

/** Contenders that need no training, each with its settings for this set. */
export function plainContenders(set: LabelledSet, only?: readonly string[], control: Control = {}): Contender[] {
  const facts = factsOf(set)
  const { alone } = set
  return methods
    .filter(({ name }) => !only || only.includes(name))
    .map((method): Contender => {
      // Nothing is learnt, so that every fold looks at the same partition.
      let last: { setting: DecoderParameters; labels: Promise<Labels> } | undefined
      return {
        name: method.name,
        settings: method.ignoresLists
          ? method.settings(facts)
          : withNeighbourCounts(method.settings(facts), neighbourCounts(set)),
        partition: (setting) => {
          if (last?.setting !== setting) last = { setting, labels: partitionOf(method.decode, set, setting, control) }
          return last.labels
        },
        partitionAlone:
          alone && ((setting) => partitionOf(method.decode, { ...alone, seed: set.seed }, setting, control)),
      }
    })
    .filter(({ settings }) => settings.length > 0)
}

/** A labelled set as the metric learnt without a fold's held-out identities sees it. */
export interface LearnedSpace {
  readonly features: Matrix
  readonly lists: NeighbourLists
}

/**
 * The same methods after the learned metric, which each fold has fitted without its held-out identities.
 *
 * @param spaces one a fold; without them there are no contenders
 * @param trainWithin weights of a trainable method that has learnt in a fold's space, without its held-out identities
 */
export async function metricContenders(
  set: LabelledSet,
  only: readonly string[],
  spaces: readonly LearnedSpace[],
  trainWithin: (name: string, fold: number) => Promise<WeightArrays>,
  control: Control = {},
): Promise<Contender[]> {
  const { alone } = set
  const contenders: Contender[] = []
  if (spaces.length < set.folds.length) return contenders
  for (const name of Object.keys(METRIC_SETTINGS).filter((name) => only.includes(name))) {
    const decoders: Decoder[] = []
    for (const fold of spaces.keys()) {
      throwIfAborted(control.signal)
      const method = trainableMethods.find((method) => method.name === name)
      const plain = methods.find((method) => method.name === name)?.decode
      const decoder = method ? method.decoder(await trainWithin(name, fold)) : plain
      if (!decoder) throw new Error(`${name} must be a method`)
      decoders.push(decoder)
    }
    contenders.push({
      name,
      isLearned: true,
      settings: METRIC_SETTINGS[name]
        .filter(({ k }) => typeof k !== 'number' || k <= set.lists.k)
        .map((setting) => ({ k: set.lists.k, ...setting, space: LEARNED_SPACE })),
      partition: ({ space: _, ...parameters }, fold) =>
        partitionOf(decoders[fold], { ...spaces[fold], seed: set.seed }, parameters, control),
      partitionAlone:
        alone &&
        (async ({ space: _, ...parameters }, fold) => {
          const features = selectRows(spaces[fold].features, Int32Array.from(alone.labels.keys()))
          const lists = await knn(features, alone.lists.k, { signal: control.signal })
          return partitionOf(decoders[fold], { features, lists, seed: set.seed }, parameters, control)
        }),
    })
  }
  return contenders
}

/** Contenders that are trained anew for each fold, without its held-out identities. */
export async function learnedContenders(
  set: LabelledSet,
  only: readonly string[],
  trainWithout: (name: string, heldOut: ReadonlySet<number>) => Promise<WeightArrays>,
  control: Control = {},
): Promise<Contender[]> {
  const facts = factsOf(set)
  const { alone } = set
  const contenders: Contender[] = []
  for (const method of trainableMethods.filter(({ name }) => only.includes(name))) {
    const decoders: Decoder[] = []
    for (const heldOut of set.folds) {
      throwIfAborted(control.signal)
      decoders.push(method.decoder(await trainWithout(method.name, heldOut)))
    }
    contenders.push({
      name: method.name,
      isLearned: true,
      settings: withNeighbourCounts(method.settings(facts), neighbourCounts(set)),
      partition: (setting, fold) => partitionOf(decoders[fold], set, setting, control),
      partitionAlone:
        alone && ((setting, fold) => partitionOf(decoders[fold], { ...alone, seed: set.seed }, setting, control)),
    })
  }
  return contenders
}

/** What a run without a model does. */
export function labelFreeContender(set: LabelledSet, control: Control = {}): Contender {
  const [contender] = plainContenders(set, [LABEL_FREE_METHOD], control)
  return { ...contender, settings: [{ ...LABEL_FREE_PARAMETERS, k: LABEL_FREE_K }] }
}

/** One partition of some rows, by the first neighbours where the parameters say how many. */
async function partitionOf(
  decode: Decoder,
  { features, lists, seed }: Pick<LabelledSet, 'features' | 'lists' | 'seed'>,
  parameters: DecoderParameters,
  control: Control,
): Promise<Labels> {
  const { labels } = await decode({ features, lists: listsFor(lists, parameters), parameters, seed }, control)
  return labels
}

/** What a choice goes by. */
export interface ChoiceRule {
  /** Taken unless the choice is better by more than one standard error over the folds. Default: the choice stands. */
  readonly labelFree?: Contender
  readonly scoreOf?: (scores: BothF) => number
  readonly scoreName?: string
}

/**
 * The contender that does best on identities it has not seen; of those that are as good within one standard error over the folds,
 * and within a point, the one that is named first.
 *
 * @param contenders the simplest first
 * @param measured standings that were found elsewhere, such as those of GCN-V and GCN-V+E; they count as the least simple
 */
export async function chooseMethod(
  set: LabelledSet,
  contenders: readonly Contender[],
  measured: readonly Standing[] = [],
  control: Control = {},
  { labelFree, scoreOf = meanF, scoreName = 'mean of pairwise and BCubed F' }: ChoiceRule = {},
): Promise<MethodChoice & { readonly standings: readonly Standing[] }> {
  const standings: Standing[] = []
  for (const [i, contender] of contenders.entries()) {
    control.onProgress?.({ phase: 'choose_method', completed: i, total: contenders.length })
    standings.push(await standingOf(contender, set.labels, set.folds, control, scoreOf))
  }
  standings.push(...measured)
  const ranked = standings.map((standing, i) => ({ standing, i }))
  ranked.sort((a, b) => b.standing.score - a.standing.score || a.i - b.i)
  const [best, second] = ranked.map(({ standing }) => standing)
  // Methods are named the simplest first: one that is no worse than the best beyond noise is taken.
  const isAsGood = (standing: Standing) =>
    best.score - standing.score <= Math.min(MOST_FORGIVEN, noiseOf(best, standing))
  const first = standings.find(isAsGood) ?? best
  const heldOut = set.folds.reduce((sum, fold) => sum + fold.size, 0)
  const { known, identities } = countKnown(set.labels)
  const among = set.alone ? `, among ${set.labels.length - known} rows without a label` : ''
  const free = labelFree && (await standingOf(labelFree, set.labels, set.folds, control, scoreOf))
  if (free && first.score - free.score <= noiseOf(first, free)) {
    const { method, parameters, score } = free
    // A run that names the method gets these parameters as well: its row is theirs.
    const others = ranked.flatMap(({ standing }) => (isSameRow(standing, free) ? [] : [standing]))
    return {
      method,
      parameters,
      rows: set.labels.length,
      table: [free, ...others].map(({ method, parameters, score }) => ({ method, parameters, score })),
      explanation:
        `Measured on ${heldOut} held-out identities out of ${identities}${among}: ${method} as without labels, with a ${scoreName} of ` +
        `${percent(score)}; labels teach no better within the noise: ${first.method} has ${percent(first.score)}, of ${standings.length} methods.`,
      standings: [...standings, free],
    }
  }
  return {
    method: first.method,
    parameters: first.parameters,
    rows: set.labels.length,
    table: ranked.map(({ standing: { method, parameters, score } }) => ({ method, parameters, score })),
    explanation:
      `Chosen on ${heldOut} held-out identities out of ${identities}${among}: ${first.method}${inWords(first.parameters)} ` +
      (first === best
        ? `has the best ${scoreName}, ${percent(first.score)}` +
          (second ? `; next is ${second.method} with ${percent(second.score)}, of ${standings.length} methods.` : '.')
        : `with a ${scoreName} of ${percent(first.score)} is as good as ${best.method} with ` +
          `${percent(best.score)} within the noise, and simpler; ${standings.length} methods were measured.`),
    standings,
  }
}

/** The choice where too few identities are labelled to measure anything. */
export function labelFreeChoice(): MethodChoice {
  return {
    method: LABEL_FREE_METHOD,
    parameters: LABEL_FREE_PARAMETERS,
    rows: 0,
    table: [],
    explanation: `Too few labelled identities to compare methods: ${LABEL_FREE_METHOD} with defaults, which needs none.`,
  }
}

/** In company as many classes as there would be if all were as large as those that are known. */
export function factsOf({ labels, lists }: Pick<LabelledSet, 'labels' | 'lists'>): DataFacts {
  const { known, identities } = countKnown(labels)
  return { n: labels.length, k: lists.k, classes: Math.round((identities * labels.length) / known) }
}

function countKnown(labels: Labels): { known: number; identities: number } {
  const known = labels.filter((label) => label >= 0)
  return { known: known.length, identities: new Set(known).size }
}

/** Settings that name no `k` are tried with each of these; those that do, as they are. */
export function withNeighbourCounts(
  settings: readonly DecoderParameters[],
  counts: readonly number[],
): DecoderParameters[] {
  return settings.flatMap((setting) => (setting.k === undefined ? counts.map((k) => ({ ...setting, k })) : [setting]))
}

/** The same lists for the same k, so that a method may remember what it has computed of them. */
const shortened = new WeakMap<NeighbourLists, Map<number, NeighbourLists>>()

function listsFor(lists: NeighbourLists, { k }: DecoderParameters): NeighbourLists {
  if (typeof k !== 'number' || k >= lists.k) return lists
  const known = shortened.get(lists) ?? new Map<number, NeighbourLists>()
  shortened.set(lists, known)
  const shorter = known.get(k) ?? shorterLists(lists, k)
  known.set(k, shorter)
  return shorter
}

/** One standard error of the difference of two methods over the folds. */
function noiseOf(a: Standing, b: Standing): number {
  const differences = a.byFold.map((score, fold) => score - b.byFold[fold])
  const n = differences.length
  if (a === b || n < 2) return 0
  const mean = differences.reduce((sum, value) => sum + value, 0) / n
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)
  return Math.sqrt(variance / n)
}

const isSameRow = (a: Standing, b: Standing) => a.method === b.method && a.parameters.space === b.parameters.space

function inWords(parameters: DecoderParameters): string {
  const named = Object.entries(parameters).map(([name, value]) => `${name} ${value}`)
  return named.length > 0 ? ` (${named.join(', ')})` : ''
}

const percent = (score: number) => (100 * score).toFixed(1)
