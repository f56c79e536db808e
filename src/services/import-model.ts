import { z } from 'zod'
import type { Job, ModelVersion, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import type { ModelFacts } from './embedder-port.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { extensionOf } from './import-file.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { lockProject } from './project-lock.ts'
import { getStagedUpload, STAGED_SCHEME } from './uploads.ts'

/** Looks at a model that was brought in before anything is embedded with it. */
export const importModelJob = defineJob({
  name: 'import_model',
  payload: z.object({ modelVersionId: z.uuid() }),
  maxAttempts: 3,
})

export interface ImportModel {
  projectId: string
  stagedUrl: string
  idempotencyKey: string
}

const refuse = (message: string) => invalid(message, 'input', 'stagedUrl')

/**
 * Brings in a model that embeds pictures: an upload of an ONNX file, or of a zip archive with an ONNX or TensorFlow.js model.
 * ENGINEER and above. It becomes a CANDIDATE that a job checks; `setEmbedder` names it afterwards.
 */
export async function importModel(
  app: App,
  viewer: Viewer,
  input: ImportModel,
): Promise<{ model: ModelVersion; job: Job }> {
  const { projectId, stagedUrl } = input
  await requireAccess(app, viewer, projectId, 'model.activate')
  if (!stagedUrl.startsWith(STAGED_SCHEME)) throw refuse(`stagedUrl must be one of createUpload: got ${stagedUrl}`)
  const upload = await getStagedUpload(app, projectId, stagedUrl, { field: 'stagedUrl' })
  if (!['.onnx', '.zip'].includes(extensionOf(upload.fileName))) {
    throw refuse(`a model must be an .onnx file or a .zip archive: got ${upload.fileName}`)
  }
  const { modelVersionId, jobId } = await onceOnly(app, viewer, 'importModel', input, async (tx) => {
    const project = await lockProject(tx, projectId)
    const last = await tx.modelVersion.findFirst({ where: { projectId }, orderBy: { number: 'desc' } })
    const id = newId()
    await tx.modelVersion.create({
      data: {
        projectId,
        id,
        number: (last?.number ?? 0) + 1,
        target: 'EMBEDDING',
        state: 'CANDIDATE',
        weightsKey: upload.fileKey,
        embeddingDimension: project.embeddingDimension,
        embedderId: `model:${id}`,
        summary: { imported: { fileName: upload.fileName } },
      },
    })
    const job = await enqueueJob(tx, app, importModelJob, {
      projectId,
      payload: { modelVersionId: id },
      createdById: viewer.userId,
    })
    await recordAudit(tx, viewer, { projectId, action: 'model.imported', target: ['ModelVersion', id] })
    return { modelVersionId: id, jobId: job.id }
  })
  const where = (id: string) => ({ where: { projectId_id: { projectId, id } } })
  return {
    model: await app.prisma.modelVersion.findUniqueOrThrow(where(modelVersionId)),
    job: await app.prisma.job.findUniqueOrThrow(where(jobId)),
  }
}

/** Keeps what a check found; refused when the vectors do not fit the project. */
export async function keepModelFacts(app: App, { projectId, id }: Ref, facts: ModelFacts): Promise<void> {
  const where = { projectId_id: { projectId, id } }
  const model = await app.prisma.modelVersion.findUnique({ where })
  if (!model) throw notFound('model version', id)
  if (facts.dimension !== model.embeddingDimension) {
    throw new DomainError(
      'INVALID',
      `the model must give vectors of ${model.embeddingDimension} values, the project's dimension: got ${facts.dimension}`,
    )
  }
  const summary = { ...(model.summary as Prisma.JsonObject), checked: { ...facts } }
  await app.prisma.modelVersion.update({ where, data: { summary } })
}
