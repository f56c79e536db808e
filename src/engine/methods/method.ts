import type { Decoder, DecoderParameters } from '../decoder.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import type { Control, Labels, Matrix, NeighbourLists } from '../types.ts'

/** What is known of a data set before parameters are chosen for it. */
export interface DataFacts {
  readonly n: number
  /** Neighbours in the lists at hand, itself not counted. */
  readonly k: number
  /** Classes to expect, for methods that must be told how many. */
  readonly classes: number
}

/** A clustering method that needs no training: what cluster runs, `auto` and `compare` know of it. */
export interface Method {
  /** As in the API, for example CHINESE_WHISPERS. */
  readonly name: string
  /** For tables, for example "Chinese Whispers". */
  readonly title: string
  readonly decode: Decoder
  /** True when it must be told the number of clusters (parameter `clusterCount`). */
  readonly needsClusterCount?: boolean
  /** True when results differ from seed to seed. */
  readonly isRandom?: boolean
  /** AUTO tries it on labelled sets of up to so many rows, unless told otherwise. Default 0: never by itself. */
  readonly contendsUpTo?: number
  /** True when it looks at the features alone, so that the number of neighbours makes no difference. */
  readonly ignoresLists?: boolean
  /** Settings worth trying on labelled identities, plain defaults first. Only what differs from the defaults is named. */
  readonly settings: (facts: DataFacts) => readonly DecoderParameters[]
}

/** What a learned comparison system is trained on: the labelled part only. */
export interface MethodTrainingInput {
  /** Exact lists over the labelled part, self excluded, most similar first. */
  readonly lists: NeighbourLists
  /** L2-normalised rows, float32 [n, d]. */
  readonly features: Matrix
  /** int32 [n] */
  readonly labels: Labels
  readonly parameters?: DecoderParameters
  readonly seed: number
}

/** A method that learns from labels first (L-GCN, LTC, CDP with its mediator, structural edges). */
export interface TrainableMethod {
  readonly name: string
  readonly title: string
  readonly isRandom?: boolean
  /** AUTO tries it on labelled sets of up to so many rows, unless told otherwise. Default 0: never by itself. */
  readonly contendsUpTo?: number
  /** Trains once; what comes back is kept in model files, so it must hold everything that `decoder` needs. */
  readonly train: (input: MethodTrainingInput, control?: Control) => Promise<WeightArrays>
  /** The trained decoder; it takes `settings` at decoding. */
  readonly decoder: (weights: WeightArrays) => Decoder
  readonly settings: (facts: DataFacts) => readonly DecoderParameters[]
}
