import type { EdgeCalibration } from './calibration.ts'
import { EngineError } from './errors.ts'
import type { WeightArrays } from './gcn/parameters.ts'
import { decodeWeights, encodeWeights } from './gcn/weights.ts'
import type { MethodChoice } from './selection/choose-method.ts'

/** Which graph the tree is cut from: that of the embedding, or the one rebuilt on F_L. */
export type GraphKind = 'raw' | 'rebuilt'

/** How a graph is cut into trees: neighbours looked at, the vertex itself not counted, and the least similarity. */
export interface TreeCut {
  readonly k: number
  readonly tau: number
}

/** Everything that a clustering run needs to know of a training. */
export interface ClusteringModel {
  /** The embedder whose vectors it was trained on; a model is of no use with another. */
  readonly embedderId: string
  readonly embeddingDimension: number
  readonly seed: number
  /** Neighbours that GCN-V aggregates over, the vertex itself not counted. */
  readonly k: number
  /** GCN_V: which graph is cut, and how each one would be. Chosen on held-out identities. */
  readonly tree: { readonly graph: GraphKind } & Readonly<Record<GraphKind, TreeCut>>
  /** GCN_VE, on the rebuilt graph. */
  readonly connectivity: TreeCut & {
    readonly rho: number
    /** False: on held-out identities GCN-E was not worth its noise, and GCN_VE gives the result of GCN_V. */
    readonly usesNetwork: boolean
  }
  /** Best plain cosine threshold on the same identities. */
  readonly threshold: TreeCut
  readonly calibration: EdgeCalibration
  /** Mean of pairwise and BCubed F on held-out identities, by method. */
  readonly heldOut: { readonly gcnV: number; readonly gcnVE: number; readonly threshold: number }
  /** What AUTO does with this model: the method that did best on held-out identities. */
  readonly choice?: MethodChoice
  readonly gcnV: WeightArrays
  /** Absent where GCN-E was not worth keeping. */
  readonly gcnE?: WeightArrays
  /** What `space: learned` is: the metric that labelled identities have taught. */
  readonly metric?: WeightArrays
  /** Weights of other trained methods, by name; `NAME@learned` has learnt after the metric. */
  readonly learned?: Readonly<Record<string, WeightArrays>>
}

/**
 * A model as bytes: the weights format of `encodeWeights`, with everything else in its header.
 *
 * @returns bytes that `decodeModel` reads back to an equal model
 */
export function encodeModel(model: ClusteringModel): Uint8Array {
  const { gcnV, gcnE, metric, learned = {}, ...facts } = model
  const weights = Object.fromEntries([
    ...Object.entries(gcnV).map(([name, array]) => [`gcnV/${name}`, array]),
    ...Object.entries(gcnE ?? {}).map(([name, array]) => [`gcnE/${name}`, array]),
    ...Object.entries(metric ?? {}).map(([name, array]) => [`metric/${name}`, array]),
    ...Object.entries(learned).flatMap(([method, arrays]) =>
      Object.entries(arrays).map(([name, array]) => [`${method}/${name}`, array]),
    ),
  ])
  return encodeWeights({ kind: 'clustering-model', ...facts }, weights)
}

/** @throws EngineError BAD_WEIGHTS when the bytes are no model, are damaged, or lack a part. */
export function decodeModel(bytes: Uint8Array): ClusteringModel {
  const { header, weights } = decodeWeights(bytes)
  if (header.kind !== 'clustering-model') {
    throw new EngineError('BAD_WEIGHTS', `the file must hold a clustering model: got ${JSON.stringify(header.kind)}`)
  }
  const { kind: _, ...facts } = header
  const part = (prefix: string): WeightArrays =>
    Object.fromEntries(
      Object.entries(weights)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, array]) => [name.slice(prefix.length), array]),
    )
  const gcnE = part('gcnE/')
  const metric = part('metric/')
  const others = new Set(Object.keys(weights).map((name) => name.slice(0, name.indexOf('/'))))
  const learned = Object.fromEntries(
    [...others].filter((name) => !['gcnV', 'gcnE', 'metric'].includes(name)).map((name) => [name, part(`${name}/`)]),
  )
  const model = {
    ...facts,
    gcnV: part('gcnV/'),
    ...(Object.keys(gcnE).length > 0 && { gcnE }),
    ...(Object.keys(metric).length > 0 && { metric }),
    ...(Object.keys(learned).length > 0 && { learned }),
  } as ClusteringModel
  checkModel(model)
  return model
}

/** The same model with a choice that was measured elsewhere; what that has no row for keeps its own. */
export function withChoice(model: ClusteringModel, choice: MethodChoice | undefined): ClusteringModel {
  if (!choice) return model
  const isNew = ({ method, parameters }: MethodChoice['table'][number]) =>
    !choice.table.some((row) => row.method === method && row.parameters.space === parameters.space)
  return { ...model, choice: { ...choice, table: [...choice.table, ...(model.choice?.table ?? []).filter(isNew)] } }
}

/** Refuses a model of another embedding. */
export function checkFits(model: ClusteringModel, dimension: number, embedderId?: string): void {
  if (model.embeddingDimension !== dimension) {
    throw new EngineError(
      'BAD_WEIGHTS',
      `the model must fit the embedding: got a model for ${model.embeddingDimension} dimensions, expected ${dimension}; ` +
        'train one on these embeddings',
    )
  }
  if (embedderId !== undefined && model.embedderId !== embedderId) {
    throw new EngineError(
      'BAD_WEIGHTS',
      `the model must come from the same embedder: got ${model.embedderId}, expected ${embedderId}; train one on these embeddings`,
    )
  }
}

function checkModel(model: ClusteringModel): void {
  const missing = (['embedderId', 'embeddingDimension', 'k', 'tree', 'connectivity', 'calibration'] as const).filter(
    (name) => model[name] === undefined,
  )
  if (missing.length > 0) {
    throw new EngineError('BAD_WEIGHTS', `the header must describe the model: missing ${missing.join(', ')}`)
  }
  const shape = model.gcnV['conv1.weight']?.shape
  if (shape?.[0] !== 2 * model.embeddingDimension) {
    throw new EngineError(
      'BAD_WEIGHTS',
      `conv1.weight of GCN-V must have twice the embedding's dimensions as rows: got ${shape?.[0]}, expected ${2 * model.embeddingDimension}`,
    )
  }
  if (model.connectivity.usesNetwork && !model.gcnE) {
    throw new EngineError(
      'BAD_WEIGHTS',
      'the model must hold the weights of GCN-E: got none, though its header uses them',
    )
  }
}
