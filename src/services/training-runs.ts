import { z } from 'zod'
import type { ModelVersion, TrainingRun, TrainingTarget } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { cutPage, newestFirst, type Page, type PageResult } from './page.ts'

/** Trains GCN-V and GCN-E on one dataset version. */
export const trainingRunJob = defineJob({
  name: 'training_run',
  payload: z.object({ trainingRunId: z.uuid() }),
  maxAttempts: 5,
})

export interface StartTrainingRun {
  projectId: string
  datasetVersionId: string
  target: TrainingTarget
  fromModelVersionId?: string | null
  idempotencyKey: string
}

/** Begins a training on a frozen snapshot. ENGINEER and above. */
export async function startTrainingRun(app: App, viewer: Viewer, input: StartTrainingRun): Promise<TrainingRun> {
  const { projectId, datasetVersionId, target, fromModelVersionId } = input
  await requireAccess(app, viewer, projectId, 'train.start')
  if (target !== 'CLUSTERING') {
    throw new DomainError('INVALID_STATE', 'this server trains clustering models only: target must be CLUSTERING', {
      path: ['input', 'target'],
    })
  }
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
      payload: { trainingRunId: id },
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
      throw new DomainError(
        'INVALID_STATE',
        model.state === 'REJECTED'
          ? 'this model was measured worse than the active one on the frozen hold-out: train another'
          : 'this model could not be measured, for too few identities are held out: confirm more, and train again',
      )
    }
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
