import { z } from 'zod'
import type { EmbeddingSpace, Job, ModelVersion, Project } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { lockProject } from './project-lock.ts'

/** Embeds what a space made by a trained model does not hold yet: all items at first, new ones after an import. */
export const embedSpaceJob = defineJob({
  name: 'embed_space',
  payload: z.object({ spaceId: z.uuid() }),
  maxAttempts: 5,
})

/** Every space of a project, oldest first. */
export async function listEmbeddingSpaces(app: App, viewer: Viewer, projectId: string): Promise<EmbeddingSpace[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return app.prisma.embeddingSpace.findMany({ where: { projectId }, orderBy: { number: 'asc' } })
}

/** Vectors in each space, in the order of the spaces; one statement. */
export async function countEmbeddings(app: App, spaces: readonly Ref[]): Promise<number[]> {
  const rows = await app.prisma.$queryRaw<{ projectId: string; spaceId: string; n: number }[]>`
    /* countEmbeddings */ SELECT e."projectId", e."spaceId", count(*)::int AS n FROM "Embedding" e
    JOIN unnest(${spaces.map(({ projectId }) => projectId)}::uuid[], ${spaces.map(({ id }) => id)}::uuid[])
      AS s(project, space) ON e."projectId" = s.project AND e."spaceId" = s.space
    GROUP BY 1, 2`
  return spaces.map(({ projectId, id }) => rows.find((r) => r.projectId === projectId && r.spaceId === id)?.n ?? 0)
}

/** The active space of each project. */
export async function findActiveSpaceIds(app: App, projectIds: readonly string[]): Promise<(string | undefined)[]> {
  const projects = await app.prisma.project.findMany({
    where: { id: { in: [...projectIds] } },
    select: { id: true, activeSpaceId: true },
  })
  return projectIds.map((id) => projects.find((project) => project.id === id)?.activeSpaceId)
}

/** The space that imports write to: the one that the active space was made of, or the active space itself. */
export async function getImportSpace(app: { prisma: App['prisma'] | Tx }, projectId: string): Promise<EmbeddingSpace> {
  const [space] = await app.prisma.$queryRaw<EmbeddingSpace[]>`
    /* getImportSpace */ SELECT s.* FROM "Project" p
    JOIN "EmbeddingSpace" a ON a."projectId" = p."id" AND a."id" = p."activeSpaceId"
    JOIN "EmbeddingSpace" s ON s."projectId" = p."id" AND s."id" = coalesce(a."sourceSpaceId", a."id")
    WHERE p."id" = ${projectId}::uuid`
  if (!space) throw notFound('project', projectId)
  return space
}

/** A new space for a model that was just trained, and the job that fills it. Old spaces stay as they are. */
export async function createEmbeddingSpace(
  tx: Tx,
  app: App,
  model: ModelVersion,
  sourceSpaceId: string,
  createdById: string,
): Promise<EmbeddingSpace> {
  const { projectId } = model
  const last = await tx.embeddingSpace.findFirst({ where: { projectId }, orderBy: { number: 'desc' } })
  const id = newId()
  const job = await enqueueJob(tx, app, embedSpaceJob, { projectId, payload: { spaceId: id }, createdById })
  return tx.embeddingSpace.create({
    data: {
      projectId,
      id,
      number: (last?.number ?? 0) + 1,
      dimension: model.embeddingDimension,
      embedderId: model.embedderId,
      modelVersionId: model.id,
      sourceSpaceId,
      jobId: job.id,
    },
  })
}

/** After an import: items that are new, or have a new vector or picture, are embedded into every space made of this one. */
export async function enqueueSpaceUpdates(
  app: App,
  { projectId, id: sourceSpaceId }: EmbeddingSpace,
  createdById: string | null,
): Promise<Job[]> {
  const derived = await app.prisma.embeddingSpace.findMany({ where: { projectId, sourceSpaceId } })
  if (derived.length === 0) return []
  return app.prisma.$transaction(async (tx) => {
    const jobs: Job[] = []
    for (const { id } of derived) {
      const job = await enqueueJob(tx, app, embedSpaceJob, {
        projectId,
        payload: { spaceId: id },
        ...(createdById && { createdById }),
      })
      await tx.embeddingSpace.update({ where: { projectId_id: { projectId, id } }, data: { jobId: job.id } })
      jobs.push(job)
    }
    return jobs
  })
}

/** A new vector or picture makes what trained models have made of the old one stale: it is taken away, and embedded anew. */
export async function dropDerivedEmbeddings(
  tx: Tx,
  { projectId, id: sourceSpaceId }: EmbeddingSpace,
  itemIds: readonly string[],
): Promise<void> {
  if (itemIds.length === 0) return
  await tx.$executeRaw`
    /* dropDerivedEmbeddings */ DELETE FROM "Embedding" e USING "EmbeddingSpace" s
    WHERE e."projectId" = ${projectId}::uuid AND s."projectId" = e."projectId" AND s."id" = e."spaceId"
      AND s."sourceSpaceId" = ${sourceSpaceId}::uuid AND e."itemId" = ANY(${[...itemIds]}::uuid[])`
}

export interface ActivateEmbeddingSpace extends Ref {
  idempotencyKey: string
}

/**
 * Makes a space the one that searches, new runs and new snapshots use. ENGINEER and above. Taken back by activating the former
 * one: no vector is touched either way. Refused while its items are being embedded, and for a model that failed its gate.
 */
export async function activateEmbeddingSpace(
  app: App,
  viewer: Viewer,
  input: ActivateEmbeddingSpace,
): Promise<EmbeddingSpace> {
  const { projectId, id } = input
  await requireAccess(app, viewer, projectId, 'model.activate')
  const where = { projectId_id: { projectId, id } }
  await onceOnly(app, viewer, 'activateEmbeddingSpace', input, async (tx) => {
    const project = await lockProject(tx, projectId)
    const space = await tx.embeddingSpace.findUnique({ where })
    if (!space) throw notFound('embedding space', id)
    await switchSpace(tx, viewer, project, space)
    return { id }
  })
  return app.prisma.embeddingSpace.findUniqueOrThrow({ where })
}

/** The switch itself, in the caller's transaction; the project row is locked. */
export async function switchSpace(tx: Tx, viewer: Viewer, project: Project, space: EmbeddingSpace): Promise<void> {
  const { id: projectId } = project
  if (project.activeSpaceId === space.id) return
  await requireReady(tx, space)
  const models = { where: { projectId, target: 'EMBEDDING' as const, state: 'ACTIVE' as const } }
  await tx.modelVersion.updateMany({ ...models, data: { state: 'ARCHIVED' } })
  if (space.modelVersionId) {
    await tx.modelVersion.update({
      where: { projectId_id: { projectId, id: space.modelVersionId } },
      data: { state: 'ACTIVE' },
    })
  }
  const activeModelId = await switchClusteringModel(tx, projectId, space.embedderId)
  await tx.project.update({ where: { id: projectId }, data: { activeSpaceId: space.id, activeModelId } })
  await recordAudit(tx, viewer, {
    projectId,
    action: 'embedding_space.activated',
    target: ['EmbeddingSpace', space.id],
    detail: { from: project.activeSpaceId, number: space.number, activeModelId },
  })
}

async function requireReady(tx: Tx, { projectId, number, modelVersionId, jobId }: EmbeddingSpace): Promise<void> {
  if (modelVersionId) {
    const model = await tx.modelVersion.findUniqueOrThrow({
      where: { projectId_id: { projectId, id: modelVersionId } },
    })
    if (model.state === 'REJECTED' || model.state === 'CANDIDATE') {
      throw new DomainError(
        'INVALID_STATE',
        model.state === 'REJECTED'
          ? `space ${number} holds embeddings of a model that was measured worse than the active space: train another`
          : `space ${number} holds embeddings of a model that could not be measured, for too few identities are held out: confirm more, and train again`,
      )
    }
  }
  const job = jobId ? await tx.job.findUnique({ where: { projectId_id: { projectId, id: jobId } } }) : undefined
  if (job && job.state !== 'SUCCEEDED') {
    const isOver = job.state === 'FAILED' || job.state === 'CANCELED'
    throw new DomainError(
      'INVALID_STATE',
      isOver
        ? `space ${number} is not complete: embedding its items has ${job.state === 'FAILED' ? `failed (${job.failure})` : 'been cancelled'}; import or train again`
        : `space ${number} is still being embedded: ${job.completed} of ${job.total ?? 'its'} items are done; wait for its job`,
    )
  }
}

/** Clustering models are pinned to the embedder they learnt from: the latest one of this embedder that was in use is taken up again. */
async function switchClusteringModel(tx: Tx, projectId: string, embedderId: string): Promise<string | null> {
  const target = 'CLUSTERING' as const
  await tx.modelVersion.updateMany({
    where: { projectId, target, state: 'ACTIVE', embedderId: { not: embedderId } },
    data: { state: 'ARCHIVED' },
  })
  const model = await tx.modelVersion.findFirst({
    where: { projectId, target, embedderId, state: { in: ['ACTIVE', 'ARCHIVED'] } },
    orderBy: [{ state: 'desc' }, { number: 'desc' }],
  })
  if (!model) return null
  await tx.modelVersion.update({ where: { projectId_id: { projectId, id: model.id } }, data: { state: 'ACTIVE' } })
  return model.id
}
