import { z } from 'zod'
import type { Job, ModelVersion, Project } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import type { Embedder, EmbedderSpec } from './embedder-port.ts'
import { getImportSpace } from './embedding-spaces.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { readModelBundle } from './model-bundle.ts'
import { lockProject } from './project-lock.ts'

/** Embeds items that came with a picture and without a vector, before the project named what to embed them with. */
export const embedItemsJob = defineJob({
  name: 'embed_items',
  payload: z.object({ embedderId: z.string() }),
  maxAttempts: 5,
})

/** face-api: one item a face, vectors of 128 values. */
export const FACES = 'face-api'
const FACE_DIMENSION = 128
const MODEL_PREFIX = 'model:'

export type EmbedderKind = 'FACES' | 'MODEL'

/** What a project embeds pictures with. */
export interface ProjectEmbedder {
  readonly kind: EmbedderKind
  readonly projectId: string
  readonly modelVersionId: string | null
}

export function describeEmbedder({ id, embedderId }: Pick<Project, 'id' | 'embedderId'>): ProjectEmbedder | null {
  if (!embedderId) return null
  if (embedderId === FACES) return { kind: 'FACES', projectId: id, modelVersionId: null }
  return { kind: 'MODEL', projectId: id, modelVersionId: embedderId.slice(MODEL_PREFIX.length) }
}

/** A model that was brought in, with the name of its file. */
const importedSchema = z.object({ imported: z.object({ fileName: z.string() }) })

/** The file of an imported model; undefined for models that were trained here. */
export const importedFileName = ({ summary }: Pick<ModelVersion, 'summary'>): string | undefined =>
  importedSchema.safeParse(summary).data?.imported.fileName

async function specOf(app: App, embedder: ProjectEmbedder): Promise<EmbedderSpec> {
  const { kind, projectId, modelVersionId } = embedder
  if (kind === 'FACES') return { kind: 'faces' }
  const id = modelVersionId as string
  const model = await app.prisma.modelVersion.findUnique({ where: { projectId_id: { projectId, id } } })
  const fileName = model && importedFileName(model)
  if (!model || !fileName) throw notFound('model version', id)
  return { kind: 'model', modelVersionId: id, load: () => readModelBundle(app, model.weightsKey, fileName) }
}

/** What a project embeds pictures with that come without a vector, loaded; undefined where it names nothing. */
export async function findProjectEmbedder(app: App, projectId: string): Promise<Embedder | undefined> {
  const project = await app.prisma.project.findUnique({ where: { id: projectId } })
  const named = project && describeEmbedder(project)
  return named ? app.embedders.open(await specOf(app, named)) : undefined
}

/** The one vector of a picture that is searched with. */
export async function embedQuery(app: App, projectId: string, bytes: Uint8Array): Promise<Float32Array> {
  const embedder = await findProjectEmbedder(app, projectId)
  if (!embedder) {
    throw new DomainError(
      'INVALID_STATE',
      'this project names no embedder: a picture can not be searched with until setEmbedder names one',
    )
  }
  const [found] = await embedder.embed([{ bytes }])
  if (!found || 'problem' in found)
    throw new DomainError('INVALID', found?.problem ?? 'the picture can not be embedded')
  // The largest: whoever searches with a group picture means its main figure.
  const [first] = found
  if (!first) throw new DomainError('INVALID', `no ${embedder.subject ?? 'subject'} was found in the picture`)
  return first.vector
}

export interface SetEmbedder {
  projectId: string
  kind?: EmbedderKind | null
  modelVersionId?: string | null
  trustStoredVectors: boolean
  idempotencyKey: string
}

/**
 * Says what embeds pictures that come without a vector: faces, a model that was brought in, or nothing. ENGINEER and above.
 * Items that have a picture and no vector yet are embedded by a job. Refused where the project holds vectors of another
 * embedder: two kinds in one space could not be compared.
 */
export async function setEmbedder(
  app: App,
  viewer: Viewer,
  input: SetEmbedder,
): Promise<{ project: Project; job: Job | null }> {
  const { projectId } = input
  await requireAccess(app, viewer, projectId, 'model.activate')
  // Refused here and not in the middle of an import: the package of faces is optional.
  if (input.kind === 'FACES') await app.embedders.open({ kind: 'faces' })
  const { jobId } = await onceOnly(app, viewer, 'setEmbedder', input, async (tx) => {
    const project = await lockProject(tx, projectId)
    const embedderId = await checkEmbedder(tx, project, input)
    if (embedderId) await adoptSpace(tx, projectId, embedderId, input.trustStoredVectors)
    await tx.project.update({ where: { id: projectId }, data: { embedderId } })
    await recordAudit(tx, viewer, {
      projectId,
      action: 'embedder.set',
      target: ['Project', projectId],
      detail: { embedder: embedderId },
    })
    const total = embedderId
      ? await countUnembedded(tx, projectId, (await getImportSpace({ prisma: tx }, projectId)).id)
      : 0
    if (!embedderId || total === 0) return { jobId: null }
    const job = await enqueueJob(tx, app, embedItemsJob, {
      projectId,
      payload: { embedderId },
      createdById: viewer.userId,
      total,
    })
    return { jobId: job.id }
  })
  return {
    project: await app.prisma.project.findUniqueOrThrow({ where: { id: projectId } }),
    job: jobId ? await app.prisma.job.findUniqueOrThrow({ where: { projectId_id: { projectId, id: jobId } } }) : null,
  }
}

async function checkEmbedder(tx: Tx, project: Project, { kind, modelVersionId }: SetEmbedder): Promise<string | null> {
  if ((kind === 'MODEL') !== Boolean(modelVersionId)) {
    throw invalid(
      kind === 'MODEL'
        ? 'modelVersionId must name the model: got none'
        : `modelVersionId belongs to the kind MODEL: got ${kind}`,
      'input',
      'modelVersionId',
    )
  }
  if (!kind) return null
  if (kind === 'FACES') {
    if (project.embeddingDimension !== FACE_DIMENSION) {
      throw invalid(
        `faces have vectors of ${FACE_DIMENSION} values: this project has embeddingDimension ${project.embeddingDimension}`,
        'input',
        'kind',
      )
    }
    return FACES
  }
  const id = modelVersionId as string
  const model = await tx.modelVersion.findUnique({ where: { projectId_id: { projectId: project.id, id } } })
  if (!model) throw notFound('model version', id)
  if (model.target !== 'EMBEDDING') {
    throw invalid(
      `modelVersionId must be a model that embeds pictures: number ${model.number} clusters, activateModel puts it to use`,
      'input',
      'modelVersionId',
    )
  }
  if (!importedFileName(model)) {
    throw invalid(
      `modelVersionId must be a model of importModel: number ${model.number} was trained here`,
      'input',
      'modelVersionId',
    )
  }
  if (!checkedSchema.safeParse(model.summary).success || model.state === 'REJECTED') {
    throw new DomainError(
      'INVALID_STATE',
      model.state === 'REJECTED'
        ? `model ${model.number} failed its check: see the failure of its job`
        : `model ${model.number} is not checked yet: wait for its job`,
    )
  }
  return MODEL_PREFIX + id
}

const checkedSchema = z.object({ checked: z.looseObject({}) })

/** An empty space belongs to the first embedder that fills it. */
async function adoptSpace(tx: Tx, projectId: string, embedderId: string, trustsVectors: boolean): Promise<void> {
  const space = await getImportSpace({ prisma: tx }, projectId)
  if (space.embedderId === embedderId) return
  const [row] = await tx.$queryRaw<{ isFilled: boolean }[]>`
    /* adoptSpace */ SELECT EXISTS (SELECT 1 FROM "Embedding"
      WHERE "projectId" = ${projectId}::uuid AND "spaceId" = ${space.id}::uuid) AS "isFilled"`
  if (!row?.isFilled) {
    await tx.embeddingSpace.update({ where: { projectId_id: { projectId, id: space.id } }, data: { embedderId } })
    return
  }
  if (space.embedderId !== 'import') {
    throw new DomainError(
      'INVALID_STATE',
      `the vectors of this project were made by ${space.embedderId}: those of ${embedderId} could not be compared with them; use another project`,
    )
  }
  if (!trustsVectors) {
    throw new DomainError(
      'INVALID_STATE',
      `this project holds imported vectors: if ${embedderId} made them, say so with trustStoredVectors; vectors of two embedders can not be compared`,
      { path: ['input', 'trustStoredVectors'] },
    )
  }
}

/** Items with a picture that have no vector in a space. */
async function countUnembedded(tx: Tx, projectId: string, spaceId: string): Promise<number> {
  const [row] = await tx.$queryRaw<{ n: number }[]>`
    /* countUnembedded */ SELECT count(*)::int AS n FROM "Item" i
    WHERE i."projectId" = ${projectId}::uuid AND i."imageKey" IS NOT NULL AND i."erasedAt" IS NULL
      AND NOT EXISTS (SELECT 1 FROM "Embedding" e WHERE e."projectId" = i."projectId" AND e."spaceId" = ${spaceId}::uuid
        AND e."itemId" = i."id")`
  return row?.n ?? 0
}

export interface UnembeddedItem {
  readonly id: string
  readonly externalKey: string
  readonly imageKey: string
  readonly width: number
  readonly height: number
  readonly box: { x: number; y: number; width: number; height: number } | null
  readonly isLabelled: boolean
}

/** A page of items with a picture and without a vector in a space, by id. */
export async function listUnembedded(
  app: App,
  { projectId, spaceId, after, first }: { projectId: string; spaceId: string; after: string; first: number },
): Promise<UnembeddedItem[]> {
  return app.prisma.$queryRaw<UnembeddedItem[]>`
    /* listUnembedded */ SELECT i."id", i."externalKey", i."imageKey", i."width", i."height", i."box",
      EXISTS (SELECT 1 FROM "IdentityMember" m WHERE m."projectId" = i."projectId" AND m."itemId" = i."id") AS "isLabelled"
    FROM "Item" i WHERE i."projectId" = ${projectId}::uuid AND i."id" > ${after}::uuid AND i."imageKey" IS NOT NULL
      AND i."erasedAt" IS NULL AND NOT EXISTS (SELECT 1 FROM "Embedding" e WHERE e."projectId" = i."projectId"
        AND e."spaceId" = ${spaceId}::uuid AND e."itemId" = i."id")
    ORDER BY i."id" LIMIT ${first}`
}
