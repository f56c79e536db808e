import type { Decoder, DecoderParameters } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import { shorterLists } from '../knn/sub-lists.ts'
import { JOIN_FROM } from '../methods/infomap.ts'
import type { DataFacts } from '../methods/method.ts'
import { methods, trainableMethods } from '../methods.ts'
import type { Control, Labels, Matrix, NeighbourLists } from '../types.ts'
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

/** The labelled part of a data set, ready to be clustered. */
export interface LabelledSet {
  /** L2-normalised rows, float32 [n, d]. */
  readonly features: Matrix
  /** int32 [n], none below 0. */
  readonly labels: Labels
  /** Exact lists over these rows, long enough for every setting. */
  readonly lists: NeighbourLists
  /** Identities held out in each fold. */
  readonly folds: readonly ReadonlySet<number>[]
  readonly seed: number
}

/** Neighbour counts worth trying for settings that name none: about an identity's, and the most there are. */
export function neighbourCounts({ labels, lists }: Pick<LabelledSet, 'labels' | 'lists'>): number[] {
  const identities = new Set(labels).size
  const own = Math.max(4, Math.min(lists.k, Math.round(labels.length / identities) - 1))
  return [...new Set([own, 4 * own, lists.k].map((k) => Math.min(k, lists.k)))].sort((a, b) => b - a)
}

/** Contenders that need no training, each with its settings for this set. */
export function plainContenders(set: LabelledSet, only?: readonly string[], control: Control = {}): Contender[] {
  const facts = factsOf(set)
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
          if (last?.setting !== setting) {
            const input = { ...set, lists: listsFor(set.lists, setting), parameters: setting }
            last = { setting, labels: method.decode(input, control).then(({ labels }) => labels) }
          }
          return last.labels
        },
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
      partition: async ({ space: _, ...parameters }, fold) => {
        const lists = listsFor(spaces[fold].lists, parameters)
        const { labels } = await decoders[fold]({ ...spaces[fold], lists, parameters, seed: set.seed }, control)
        return labels
      },
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
      partition: async (setting, fold) => {
        const { labels } = await decoders[fold](
          { ...set, lists: listsFor(set.lists, setting), parameters: setting },
          control,
        )
        return labels
      },
    })
  }
  return contenders
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
): Promise<MethodChoice & { readonly standings: readonly Standing[] }> {
  const standings: Standing[] = []
  for (const [i, contender] of contenders.entries()) {
    control.onProgress?.({ phase: 'choose_method', completed: i, total: contenders.length })
    standings.push(await standingOf(contender, set.labels, set.folds, control))
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
  return {
    method: first.method,
    parameters: first.parameters,
    rows: set.labels.length,
    table: ranked.map(({ standing: { method, parameters, score } }) => ({ method, parameters, score })),
    explanation:
      `Chosen on ${heldOut} held-out identities out of ${new Set(set.labels).size}: ${first.method}${inWords(first.parameters)} ` +
      (first === best
        ? `has the best mean of pairwise and BCubed F, ${percent(first.score)}` +
          (second ? `; next is ${second.method} with ${percent(second.score)}, of ${standings.length} methods.` : '.')
        : `with a mean of pairwise and BCubed F of ${percent(first.score)} is as good as ${best.method} with ` +
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

export function factsOf({ labels, lists }: Pick<LabelledSet, 'labels' | 'lists'>): DataFacts {
  return { n: labels.length, k: lists.k, classes: new Set(labels).size }
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

function inWords(parameters: DecoderParameters): string {
  const named = Object.entries(parameters).map(([name, value]) => `${name} ${value}`)
  return named.length > 0 ? ` (${named.join(', ')})` : ''
}

const percent = (score: number) => (100 * score).toFixed(1)
