import type { DecoderParameters } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { heldOutScores } from '../metrics/held-out.ts'
import { type BothF, meanF } from '../metrics/score.ts'
import { asStrangers } from '../metrics/strangers.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, Labels } from '../types.ts'

/** A method with its parameters still open, and how it clusters the labelled set. */
export interface Contender {
  readonly name: string
  /** Values worth trying, the defaults first. */
  readonly settings: readonly DecoderParameters[]
  /**
   * The partition of all labelled vertices, without having learnt from the identities held out in a fold.
   *
   * @returns the same for every fold where nothing is learnt
   */
  readonly partition: (setting: DecoderParameters, fold: number) => Promise<Labels>
  /** The same of the labelled rows without company; absent where they have none. */
  readonly partitionAlone?: (setting: DecoderParameters, fold: number) => Promise<Labels>
  /** True where each fold has its own trained weights. Settings of the others are chosen on all identities. */
  readonly isLearned?: boolean
}

/** How one contender does on identities it has not seen. */
export interface Standing {
  readonly method: string
  /** Best over all folds, or over all identities where nothing is learnt. */
  readonly parameters: DecoderParameters
  /** Mean of pairwise and BCubed F, or what else was asked for, over held-out identities, each fold with the setting that the other folds chose. */
  readonly score: number
  /** The same fold by fold. */
  readonly byFold: readonly number[]
  /** Every setting that was tried, with the score that the parameters were chosen by. */
  readonly tried: readonly { readonly parameters: DecoderParameters; readonly score: number }[]
}

/**
 * Scores every setting of a contender on the held-out identities of every fold, in the company of all others.
 *
 * The score is cross-fitted: a fold is judged with the setting that does best on the other folds, so that a method with
 * many settings gains nothing by luck. With one fold there is nothing to cross, and the best setting's own score stands.
 *
 * @param labels int32 [n]; below 0 = not known, a stranger to every class
 * @param scoreOf what is gone by. Default the mean of both F
 */
export async function standingOf(
  contender: Contender,
  labels: Labels,
  folds: readonly ReadonlySet<number>[],
  { signal }: Control = {},
  scoreOf: (scores: BothF) => number = meanF,
): Promise<Standing> {
  const scores: number[][] = []
  const overall: number[] = []
  const truth = asStrangers(labels)
  const isKnown = new Set(labels.filter((label) => label >= 0))
  for (const setting of contender.settings) {
    throwIfAborted(signal)
    await nextTurn()
    const row: number[] = []
    for (const [fold, heldOut] of folds.entries()) {
      const predicted = await contender.partition(setting, fold)
      row.push(scoreOf(heldOutScores(predicted, truth, (label) => heldOut.has(label))))
    }
    scores.push(row)
    overall.push(
      contender.isLearned
        ? mean(row)
        : scoreOf(heldOutScores(await contender.partition(setting, 0), truth, (label) => isKnown.has(label))),
    )
  }
  const bestWithout = (fold: number) =>
    scores.reduce((b, row, i) => (mean(row, fold) > mean(scores[b], fold) ? i : b), 0)
  const crossed = folds.map((_, fold) => scores[bestWithout(fold)][fold])
  return {
    method: contender.name,
    parameters: contender.settings[overall.reduce((b, score, i) => (score > overall[b] ? i : b), 0)],
    score: mean(crossed),
    byFold: crossed,
    tried: contender.settings.map((parameters, i) => ({ parameters, score: overall[i] })),
  }
}

/** Of all values but one, where there are others. */
function mean(values: readonly number[], without = -1): number {
  const kept = values.length > 1 ? values.filter((_, i) => i !== without) : values
  return kept.reduce((sum, value) => sum + value, 0) / kept.length
}
