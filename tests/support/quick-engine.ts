import type { RetrainSteps } from '../../src/engine/index.ts'
import type { EngineRunner } from '../../src/services/engine-port.ts'
import { standInModel } from '../engine/support/stand-in-model.ts'

/** The real engine, but for the clustering model: its training has tests of its own and takes seconds. */
export const quickEngine = (engine: EngineRunner): EngineRunner => ({
  ...engine,
  train: async ({ features, embedderId }) =>
    ({ model: standInModel(features.cols, embedderId) }) as Awaited<ReturnType<RetrainSteps['train']>>,
  cluster: ({ model: _, ...input }, control) => engine.cluster({ ...input, method: 'INFOMAP' }, control),
})
