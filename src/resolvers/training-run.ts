import type {
  DatasetVersion,
  Job,
  ModelVersion,
  Project,
  TrainingRun,
  TrainingTarget,
} from '../generated/prisma/client.ts'
import { downloadUrl } from '../services/media.ts'
import { activeHoldoutOf } from '../services/model-versions.ts'
import { importedFileName } from '../services/project-embedder.ts'
import * as trainings from '../services/training-runs.ts'
import { byId, type PageArgs, pageOf } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, encodeId } from './global-id.ts'
import { payload } from './payload.ts'

interface Estimate {
  value: number
  low: number
  high: number
  sampleSize: number
}

type Holdout = { pairwiseF: Estimate; bcubedF: Estimate } | null

export const id = (training: TrainingRun) => encodeId('TrainingRun', training)
export const modelId = (model: ModelVersion) => encodeId('ModelVersion', model)

export const job = ({ projectId, jobId }: TrainingRun, _args: unknown, { load }: Context) =>
  load.job.load({ projectId, id: jobId }) as Promise<Job>

export const lossCurve = (training: TrainingRun) =>
  training.lossCurve as unknown as { step: number; loss: number; heldOutLoss?: number | null }[]

export const datasetVersion = ({ projectId, datasetVersionId }: TrainingRun, _args: unknown, { load }: Context) =>
  load.datasetVersion.load({ projectId, id: datasetVersionId }) as Promise<DatasetVersion>

export const model = ({ projectId, modelVersionId }: TrainingRun, _args: unknown, { load }: Context) =>
  modelVersionId ? load.modelVersion.load({ projectId, id: modelVersionId }) : null

export const modelTraining = ({ projectId, trainingRunId }: ModelVersion, _args: unknown, { load }: Context) =>
  trainingRunId ? load.trainingRun.load({ projectId, id: trainingRunId }) : null

export const pairwiseF = ({ holdout }: ModelVersion) => (holdout as Holdout)?.pairwiseF ?? null
export const bcubedF = ({ holdout }: ModelVersion) => (holdout as Holdout)?.bcubedF ?? null
export const activePairwiseF = (model: ModelVersion) => activeHoldoutOf(model)?.pairwiseF ?? null
export const activeBcubedF = (model: ModelVersion) => activeHoldoutOf(model)?.bcubedF ?? null

export const weightsUrl = (model: ModelVersion, _args: unknown, { app }: Context) =>
  downloadUrl(app, model.weightsKey, importedFileName(model) ?? `model-${model.number}.weights`)

export const activeModel = ({ id, activeModelId }: Project, _args: unknown, { load }: Context) =>
  activeModelId ? load.modelVersion.load({ projectId: id, id: activeModelId }) : null

export async function projectTrainings({ id }: Project, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  return byId(page, await trainings.listTrainingRuns(app, viewer, id, page))
}

export async function projectModels({ id }: Project, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  return byId(page, await trainings.listModelVersions(app, viewer, id, page))
}

interface StartInput {
  datasetVersionId: string
  target: TrainingTarget
  fromModelVersionId?: string | null
  embedding?: trainings.StartTrainingRun['embedding']
  idempotencyKey: string
}

export const startTrainingRun = payload(async ({ input }: { input: StartInput }, { app, viewer }) => {
  const { projectId, id } = decodeId('DatasetVersion', input.datasetVersionId, 'input', 'datasetVersionId')
  const from =
    input.fromModelVersionId && decodeId('ModelVersion', input.fromModelVersionId, 'input', 'fromModelVersionId').id
  return {
    trainingRun: await trainings.startTrainingRun(app, viewer, {
      ...input,
      projectId,
      datasetVersionId: id,
      fromModelVersionId: from,
    }),
  }
})

export const activateModel = payload(
  async ({ input }: { input: { modelVersionId: string; idempotencyKey: string } }, { app, viewer }) => {
    const ref = decodeId('ModelVersion', input.modelVersionId, 'input', 'modelVersionId')
    return { model: await trainings.activateModel(app, viewer, { ...ref, idempotencyKey: input.idempotencyKey }) }
  },
)
