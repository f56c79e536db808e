import { createRng } from '../rng.ts'
import type { AcrossSpacesInput, SpaceToMeasureIn } from '../selection/choose-across-spaces.ts'
import type { MethodChoice } from '../selection/choose-method.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import type { RecognitionModel } from './recognition-model.ts'
import { type Samples, selectSamples } from './samples.ts'

export interface ClustererInput {
  readonly samples: Samples
  /** int32 [n]; below 0 = not known. */
  readonly labels: Labels
  readonly seed: number
}

export interface ClustererSteps {
  /** A recognition model that learns from these rows alone. */
  trainOn(rows: Int32Array, half: number): Promise<RecognitionModel>
  embed(model: RecognitionModel, samples: Samples): Promise<Matrix>
  choose(input: AcrossSpacesInput, control?: Control): Promise<MethodChoice>
}

/** Fewer identities cannot be halved. */
const FEWEST_IDENTITIES = 8
/** More unlabelled samples keep no better company, and take longer. */
const MOST_COMPANY = 2_000

/**
 * Chooses what clusters unlabelled samples, by identities that the recognition model has not seen, among the unlabelled samples.
 *
 * A recognition model has learnt its labelled identities by heart: on their embeddings nearly every method is right, a threshold that
 * merges all others too. So the identities are halved; a model that learns from one half embeds the other half and the unlabelled
 * samples; each method, with each of its settings, clusters these together and is scored on the half.
 *
 * Methods that learn are not among them: their weights are of one space of embeddings, and say nothing in another.
 *
 * @returns undefined with fewer than eight identities of two samples. Deterministic for a seed on one backend.
 */
export async function chooseClusterer(
  { samples, labels, seed }: ClustererInput,
  steps: ClustererSteps,
  control: Control = {},
): Promise<MethodChoice | undefined> {
  const halves = halve(labels, seed)
  if (!halves) return undefined
  const unlabelled = Int32Array.from(labels.keys()).filter((row) => labels[row] < 0)
  const company = createRng(seed + 2)
    .shuffle(unlabelled)
    .subarray(0, MOST_COMPANY)
  const spaces: SpaceToMeasureIn[] = []
  for (const [half, own] of halves.entries()) {
    const model = await steps.trainOn(own, half)
    const rows = Int32Array.from([...halves[1 - half], ...company])
    spaces.push({
      features: await steps.embed(model, selectSamples(samples, rows)),
      labels: rows.map((row) => labels[row]),
    })
  }
  const choice = await steps.choose({ spaces, seed }, control)
  return { ...choice, explanation: `On embeddings that have not learnt from what is measured: ${choice.explanation}` }
}

/** Labelled rows in two halves that share no identity, each with identities of two samples. */
function halve(labels: Labels, seed: number): [Int32Array, Int32Array] | undefined {
  const sizes = new Map<number, number>()
  for (const label of labels) if (label >= 0) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const several = Int32Array.from([...sizes].filter(([, size]) => size > 1).map(([label]) => label)).sort()
  if (several.length < FEWEST_IDENTITIES) return undefined
  const first = new Set(
    createRng(seed + 1)
      .shuffle(several)
      .subarray(0, several.length >> 1),
  )
  const rows = Int32Array.from(labels.keys()).filter((row) => labels[row] >= 0)
  return [rows.filter((row) => first.has(labels[row])), rows.filter((row) => !first.has(labels[row]))]
}
