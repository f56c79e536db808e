import { z } from 'zod'
import type { Job, ModelVersion, Prisma, TrainingTarget } from '../generated/prisma/client.ts'
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
import { getActiveSpace } from './similarity.ts'
import { getStagedUpload, STAGED_SCHEME } from './uploads.ts'

/** Looks at a model that was brought in before anything is embedded or clustered with it. */
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

/** What a file is, by its extension. */
const TARGETS: Readonly<Record<string, TrainingTarget>> = {
  '.onnx': 'EMBEDDING',
  '.zip': 'EMBEDDING',
  '.weights': 'CLUSTERING',
}

/**
 * Brings in a model: one that embeds pictures (an ONNX file, or a zip archive with an ONNX or TensorFlow.js model), which a job checks
 * and `setEmbedder` names afterwards; or a clustering model (the `model.weights` of `tributary train`), which a job measures
 * as those trained here are, and `activateModel` puts to use. ENGINEER and above. It begins as a CANDIDATE.
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
  const target = TARGETS[extensionOf(upload.fileName)]
  if (!target) {
    throw refuse(
      `a model must be an .onnx file or a .zip archive (it embeds pictures), or the model.weights of \`tributary train\` (it clusters): got ${upload.fileName}`,
    )
  }
  const { modelVersionId, jobId } = await onceOnly(app, viewer, 'importModel', input, async (tx) => {
    const project = await lockProject(tx, projectId)
    const last = await tx.modelVersion.findFirst({ where: { projectId }, orderBy: { number: 'desc' } })
    const id = newId()
    const embedderId =
      target === 'EMBEDDING' ? `model:${id}` : (await getActiveSpace({ prisma: tx }, projectId)).embedderId
    await tx.modelVersion.create({
      data: {
        projectId,
        id,
        number: (last?.number ?? 0) + 1,
        target,
        state: 'CANDIDATE',
        weightsKey: upload.fileKey,
        embeddingDimension: project.embeddingDimension,
        embedderId,
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
