import type { Control, Labels, Matrix, NeighbourLists } from './types.ts'

/** Free parameters of a method, by the names its own docstring documents; a missing one takes its default. */
export type DecoderParameters = Readonly<Record<string, number | string | boolean>>

/** What every decoder starts from. Nothing here may be changed by the decoder. */
export interface DecoderInput {
  /** The affinity graph as nearest-neighbour lists, self excluded, most similar first. */
  readonly lists: NeighbourLists
  /** L2-normalised rows, float32 [n, d]. */
  readonly features: Matrix
  readonly parameters: DecoderParameters
  /** The only source of randomness. */
  readonly seed: number
}

/** What a decoder hands back. */
export interface DecoderOutput {
  /** One cluster number a vertex, dense from 0 in order of first appearance; noise is a cluster of its own. */
  readonly labels: Labels
  /** Higher = nearer to the middle of its class; where absent, the pipeline takes the weighted density. */
  readonly confidence?: Float32Array
  /** Values the method settled on, defaults included; shown with the run. */
  readonly parametersChosen?: DecoderParameters
  /** What was done and why, in a sentence or two; shown with the run. */
  readonly explanation?: string
}

/**
 * Turns neighbour lists into a partition.
 *
 * A decoder knows nothing of constraints: the pipeline makes any result honour them afterwards
 * (partition/enforce-constraints.ts), so that every method offered for cluster runs does.
 */
export type Decoder = (input: DecoderInput, control?: Control) => Promise<DecoderOutput>
