import { z } from 'zod'
import type { ModelVersion, TrainingRun, TrainingTarget } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { switchSpace } from './embedding-spaces.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { cutPage, newestFirst, type Page, type PageResult } from './page.ts'
import { importedFileName } from './project-embedder.ts'
import { lockProject } from './project-lock.ts'
import { getActiveSpace } from './similarity.ts'

/** What an embedding model is trained on. */
const SOURCES = ['EMBEDDINGS', 'PICTURES'] as const
export type EmbeddingSource = (typeof SOURCES)[number]
/** Steps of a training of an embedding model, and what can be asked for. */
const STEPS = { least: 10, most: 100_000 }

/** Of trainings of embedding models. */
export interface TrainingOptions {
  /** Default: given embeddings where most items have one, else pictures. */
  source?: EmbeddingSource
  /** Default: by the number of items. */
  steps?: number
}

/** Trains GCN-V and GCN-E, or an embedding model, on one dataset version. */
export const trainingRunJob = defineJob({
  name: 'training_run',
  payload: z.object({
    trainingRunId: z.uuid(),
    source: z.enum(SOURCES).optional(),
    steps: z.number().int().optional(),
  }),
  maxAttempts: 5,
})

export interface StartTrainingRun {
  projectId: string
  datasetVersionId: string
  target: TrainingTarget
  fromModelVersionId?: string | null
  embedding?: { source?: EmbeddingSource | null; steps?: number | null } | null
  idempotencyKey: string
}

/** Begins a training on a frozen snapshot. ENGINEER and above. */
export async function startTrainingRun(app: App, viewer: Viewer, input: StartTrainingRun): Promise<TrainingRun> {
  const { projectId, datasetVersionId, target, fromModelVersionId } = input
  await requireAccess(app, viewer, projectId, 'train.start')
  const options = checkOptions(input)
  const { trainingRunId } = await onceOnly(app, viewer, 'startTrainingRun', input, async (tx) => {
    const version = await tx.datasetVersion.findUnique({ where: { projectId_id: { projectId, id: datasetVersionId } } })
    if (!version) throw notFound('dataset version', datasetVersionId)
    if (!version.manifestKey) {
      throw new DomainError('INVALID_STATE', `dataset version ${version.tag} is not frozen yet: wait for its job`)
    }
    if (fromModelVersionId) {
      const from = await tx.modelVersion.findUnique({ where: { projectId_id: { projectId, id: fromModelVersionId } } })
      if (!from) throw notFound('model version', fromModelVersionId)
      if (from.target !== target) {
        throw invalid(`fromModelVersionId must be a ${target} model: got ${from.target}`, 'input', 'fromModelVersionId')
      }
    }
    const id = newId()
    const job = await enqueueJob(tx, app, trainingRunJob, {
      projectId,
      payload: { trainingRunId: id, ...options },
      createdById: viewer.userId,
    })
    await tx.trainingRun.create({
      data: { projectId, id, target, jobId: job.id, datasetVersionId, fromModelVersionId, createdById: viewer.userId },
    })
    await recordAudit(tx, viewer, { projectId, action: 'training.started', target: ['TrainingRun', id] })
    return { trainingRunId: id }
  })
  return app.prisma.trainingRun.findUniqueOrThrow({ where: { projectId_id: { projectId, id: trainingRunId } } })
}

function checkOptions({ target, embedding, fromModelVersionId }: StartTrainingRun): TrainingOptions {
  if (target === 'CLUSTERING') {
    if (embedding) throw invalid('embedding is for the target EMBEDDING: got CLUSTERING', 'input', 'embedding')
    return {}
  }
  if (fromModelVersionId) {
    throw invalid(
      'an embedding model is trained from scratch, so that old mistakes do not stay: leave fromModelVersionId out',
      'input',
      'fromModelVersionId',
    )
  }
  const { source, steps } = embedding ?? {}
  if (steps != null && (steps < STEPS.least || steps > STEPS.most)) {
    throw invalid(`steps must be ${STEPS.least} to ${STEPS.most}: got ${steps}`, 'input', 'embedding', 'steps')
  }
  return { ...(source && { source }), ...(steps != null && { steps }) }
}

export interface ActivateModel extends Ref {
  idempotencyKey: string
}

/**
 * Makes a measured model the one new runs use; the former one is kept as ARCHIVED and can be activated again. ENGINEER
 * and above. A model that failed its gate is refused.
 */
export async function activateModel(app: App, viewer: Viewer, input: ActivateModel): Promise<ModelVersion> {
  const { projectId, id } = input
  await requireAccess(app, viewer, projectId, 'model.activate')
  const where = { projectId_id: { projectId, id } }
  await onceOnly(app, viewer, 'activateModel', input, async (tx) => {
    const model = await tx.modelVersion.findUnique({ where })
    if (!model) throw notFound('model version', id)
    if (model.state === 'ACTIVE') return { id }
    if (model.state !== 'EVALUATED' && model.state !== 'ARCHIVED') {
      throw new DomainError('INVALID_STATE', whyNotActive(model))
    }
    if (model.target === 'EMBEDDING') {
      await activateEmbeddingModel(tx, viewer, model)
      return { id }
    }
    await requireActiveEmbedder(tx, model)
    await tx.modelVersion.updateMany({
      where: { projectId, target: model.target, state: 'ACTIVE' },
      data: { state: 'ARCHIVED' },
    })
    await tx.modelVersion.update({ where, data: { state: 'ACTIVE' } })
    await tx.project.update({ where: { id: projectId }, data: { activeModelId: id } })
    await recordAudit(tx, viewer, { projectId, action: 'model.activated', target: ['ModelVersion', id] })
    return { id }
  })
  return app.prisma.modelVersion.findUniqueOrThrow({ where })
}

function whyNotActive(model: ModelVersion): string {
  const isImported = importedFileName(model) !== undefined
  if (isImported && model.target === 'EMBEDDING') {
    return model.state === 'REJECTED'
      ? 'this model failed its check: the failure of its job says why'
      : 'a model that embeds pictures and was brought in is put to use by setEmbedder'
  }
  const again = isImported ? 'bring it in again' : 'train again'
  if (model.state === 'CANDIDATE') {
    return `this model is not measured: its job has not ended, or too few identities are held out: confirm more, freeze a dataset version, and ${again}`
  }
  return isImported && model.holdout === null
    ? 'this model failed its check: the failure of its job says why'
    : `this model was measured worse than the active one, or than runs without a model, on the frozen hold-out: ${isImported ? 'bring in' : 'train'} another`
}

/** Trainings, newest first. */
export async function listTrainingRuns(
  app: App,
  viewer: Viewer,
  projectId: string,
  page: Page,
): Promise<PageResult<TrainingRun>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return cutPage(await app.prisma.trainingRun.findMany(newestFirst(projectId, page)), page.first)
}

/** Models, newest first. */
export async function listModelVersions(
  app: App,
  viewer: Viewer,
  projectId: string,
  page: Page,
): Promise<PageResult<ModelVersion>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return cutPage(await app.prisma.modelVersion.findMany(newestFirst(projectId, page)), page.first)
}

/** An embedding model is in use when its space is the active one. */
async function activateEmbeddingModel(tx: Tx, viewer: Viewer, { projectId, id, number }: ModelVersion): Promise<void> {
  const space = await tx.embeddingSpace.findFirst({
    where: { projectId, modelVersionId: id },
    orderBy: { number: 'desc' },
  })
  if (!space) {
    throw new DomainError('INVALID_STATE', `model ${number} has embedded no items: there is no space to switch to`)
  }
  await switchSpace(tx, viewer, await lockProject(tx, projectId), space)
}

/** A clustering model is of no use with vectors of another embedder. */
async function requireActiveEmbedder(tx: Tx, { projectId, number, embedderId }: ModelVersion): Promise<void> {
  const space = await getActiveSpace({ prisma: tx }, projectId)
  if (space.embedderId === embedderId) return
  throw new DomainError(
    'INVALID_STATE',
    `model ${number} has learnt from embeddings of ${embedderId}, and the active space holds those of ${space.embedderId}: activate its space first, or train on the active one`,
  )
}
