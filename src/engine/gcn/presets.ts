import type { NeighbourScale } from './confidence.ts'
import type { ConnectivityLoss } from './gcn-e.ts'
import { RELEASED_GCN_E, RELEASED_GCN_V, type TrainingRecipe } from './train.ts'

/** Everything that [YANG20] or its released code sets by hand for one data set; what Tributary otherwise learns. */
export interface Preset {
  /** Neighbours of GCN-V, the vertex itself not counted. */
  readonly k: number
  /** Neighbours of GCN-E. */
  readonly connectivityK: number
  /** Share of vertices that GCN-E is applied to, and trained on. */
  readonly rho: number
  readonly trainingRho: number
  /** Least similarity of an edge, on the graph of the embedding and on the one rebuilt on F_L. */
  readonly tau: { readonly raw: number; readonly rebuilt: number }
  readonly scale: NeighbourScale
  readonly loss: ConnectivityLoss
  readonly convolutions: readonly [number, number, number, number]
  readonly gcnV: TrainingRecipe
  readonly gcnE: TrainingRecipe
}

const CONVOLUTIONS = [512, 512, 256, 256] as const

/**
 * The published constants by name. `paper`: as the text has it, confidence divided by |N_i| and the squared error; `released-ms1m` and
 * `released-fashion`: as the configurations of the released code, confidence divided by the largest and two classes.
 *
 * Source: [YANG20]; yl-1993/learn-to-cluster@3b83458. The paper's K counts the vertex itself: K = 80 is k = 79.
 */
export const PRESETS = {
  paper: {
    k: 79,
    connectivityK: 79,
    rho: 0.2,
    trainingRho: 0.2,
    tau: { raw: 0.8, rebuilt: 0.8 },
    scale: 'list-length',
    loss: 'mse',
    convolutions: CONVOLUTIONS,
    gcnV: RELEASED_GCN_V,
    gcnE: RELEASED_GCN_E,
  },
  'released-ms1m': {
    k: 79,
    connectivityK: 159,
    rho: 0.2,
    trainingRho: 0.3,
    tau: { raw: 0.65, rebuilt: 0.8 },
    scale: 'global-max',
    loss: 'nll',
    convolutions: CONVOLUTIONS,
    gcnV: RELEASED_GCN_V,
    gcnE: RELEASED_GCN_E,
  },
  'released-fashion': {
    k: 4,
    connectivityK: 79,
    rho: 0.2,
    trainingRho: 0.1,
    tau: { raw: 0.8, rebuilt: 0.85 },
    scale: 'global-max',
    loss: 'nll',
    convolutions: CONVOLUTIONS,
    gcnV: { ...RELEASED_GCN_V, epochs: 20_000, optimiser: { ...RELEASED_GCN_V.optimiser, weightDecay: 1e-4 } },
    gcnE: { ...RELEASED_GCN_E, batchSize: 64, optimiser: { ...RELEASED_GCN_E.optimiser, learningRate: 0.01 } },
  },
} as const satisfies Readonly<Record<string, Preset>>

export type PresetName = keyof typeof PRESETS

export const presetNames = Object.keys(PRESETS) as PresetName[]
