import {
  type ClusteringModel,
  decodeModel,
  type EvaluationOutput,
  encodeModel,
  type Labels,
  type Matrix,
} from '../engine/index.ts'
import type { EmbeddingSpace } from '../generated/prisma/client.ts'
import type { App } from '../services/app.ts'
import { readManifestRows } from '../services/dataset-manifest.ts'
import { readEmbeddings } from '../services/embedding-matrix.ts'
import { DomainError } from '../services/errors.ts'
import { readAll } from '../services/media.ts'
import { createModelVersion, isHeldOut } from '../services/model-versions.ts'
import { trainingRunJob } from '../services/training-runs.ts'
import { implementJob } from './implement-job.ts'
import { trainEmbedding } from './train-embedding.ts'

/** Fewer identities than this can neither train nor hold out. */
const MIN_IDENTITIES = 10
const MAX_CURVE_POINTS = 500
/** Other items that keep the hold-out company while it is measured: as in a run, within what takes a minute. */
const MOST_COMPANIONS = 20_000

/** Rows of a matrix and their labels, without those whose label is not wanted. */
function select(
  matrix: Matrix,
  labels: Labels,
  isWanted: (label: number) => boolean,
): { features: Matrix; labels: Labels } {
  const kept = [...labels.keys()].filter((row) => isWanted(labels[row] as number))
  const data = new Float32Array(kept.length * matrix.cols)
  kept.forEach((row, i) => {
    data.set(matrix.data.subarray(row * matrix.cols, (row + 1) * matrix.cols), i * matrix.cols)
  })
  return {
    features: { data, rows: kept.length, cols: matrix.cols },
    labels: Int32Array.from(kept, (row) => labels[row] as number),
  }
}

function thin<Point>(points: readonly Point[]): Point[] {
  const step = Math.max(1, Math.ceil(points.length / MAX_CURVE_POINTS))
  return points.filter((_, i) => i % step === 0 || i === points.length - 1)
}

/**
 * The hold-out among the other items of the project, whose labels are left out. Alone it would be clustered at a density that no run
 * ever meets, and a model that merges too much would pass for the best: docs/retraining.md has the figures.
 */
async function inCompany(
  app: App,
  space: EmbeddingSpace,
  itemIds: readonly string[],
  matrix: Matrix,
  labels: Labels,
  heldOut: ReadonlySet<number>,
): Promise<{ features: Matrix; labels: Labels }> {
  const { projectId } = space
  const others = await app.prisma.$queryRaw<{ id: string }[]>`
    /* trainModel: companions */ SELECT e."itemId" AS id FROM "Embedding" e
    WHERE e."projectId" = ${projectId}::uuid AND e."spaceId" = ${space.id}::uuid
      AND NOT (e."itemId" = ANY(${[...itemIds]}::uuid[]))
      AND NOT EXISTS (SELECT 1 FROM "Constraint" x WHERE x."projectId" = e."projectId" AND x."leftItemId" = e."itemId"
        AND x."kind" = 'EXCLUDED' AND x."revokedById" IS NULL)
    ORDER BY hashtext(e."itemId"::text), e."itemId" LIMIT ${MOST_COMPANIONS}`
  const { matrix: company } = await readEmbeddings(
    app,
    space,
    others.map(({ id }) => id),
  )
  const rows = matrix.rows + company.rows
  const data = new Float32Array(rows * matrix.cols)
  data.set(matrix.data)
  data.set(company.data, matrix.data.length)
  const known = Int32Array.from({ length: rows }, (_, row) => {
    const label = labels[row] ?? -1
    return heldOut.has(label) ? label : -1
  })
  return { features: { data, rows, cols: matrix.cols }, labels: known }
}

async function findModel(app: App, projectId: string, id: string | null): Promise<ClusteringModel | undefined> {
  if (!id) return undefined
  const row = await app.prisma.modelVersion.findUnique({ where: { projectId_id: { projectId, id } } })
  return row ? decodeModel(await readAll(app, row.weightsKey)) : undefined
}

/**
 * Trains GCN-V and GCN-E on the identities of a frozen dataset version, and measures the model and what runs use now, the
 * active model or none, on the same identities that no training ever sees. The active model stays active whatever happens here.
 */
export const trainModel = implementJob(trainingRunJob, async (context) => {
  const { app, job, payload, signal, progress } = context
  const { projectId } = job
  const where = { projectId_id: { projectId, id: payload.trainingRunId } }
  const training = await app.prisma.trainingRun.findUniqueOrThrow({ where })
  if (training.modelVersionId) return
  if (training.target === 'EMBEDDING') return trainEmbedding(context, training)
  const versionWhere = { projectId_id: { projectId, id: training.datasetVersionId } }
  const version = await app.prisma.datasetVersion.findUniqueOrThrow({ where: versionWhere })
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: version.spaceId } },
  })

  progress('load')
  const identityOf = new Map<string, string>()
  for await (const { itemId, identityId } of readManifestRows(app, version)) identityOf.set(itemId, identityId)
  const { itemIds, matrix } = await readEmbeddings(app, space, [...identityOf.keys()], (read, total) =>
    progress('load', read, total),
  )
  const numbers = new Map<string, number>()
  const heldOut = new Set<number>()
  const labels = Int32Array.from(itemIds, (itemId) => {
    const identityId = identityOf.get(itemId) as string
    let number = numbers.get(identityId)
    if (number === undefined) {
      number = numbers.size
      numbers.set(identityId, number)
      if (isHeldOut(identityId)) heldOut.add(number)
    }
    return number
  })
  if (numbers.size - heldOut.size < MIN_IDENTITIES) {
    throw new DomainError(
      'INVALID_STATE',
      `training needs at least ${MIN_IDENTITIES} identities with embeddings beside the frozen hold-out: dataset version ${version.tag} has ${numbers.size - heldOut.size} (and ${heldOut.size} held out); confirm more identities and freeze a new version`,
    )
  }

  const control = {
    signal,
    onProgress: ({ phase, completed, total }: { phase: string; completed: number; total?: number }) =>
      progress(phase, completed, total),
  }
  const { model, lossCurve, report } = await app.engine.train(
    {
      ...select(matrix, labels, (label) => !heldOut.has(label)),
      embedderId: space.embedderId,
      seed: training.seed,
      fromModel: await findModel(app, projectId, training.fromModelVersionId),
    },
    control,
  )
  const project = await app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
  const active = await findModel(app, projectId, project.activeModelId)
  progress('evaluate')
  const measured = await inCompany(app, space, itemIds, matrix, labels, heldOut)
  const measure = (by?: ClusteringModel): Promise<EvaluationOutput> =>
    app.engine.evaluate({ model: by, ...measured }, control)
  const holdout = heldOut.size > 1 ? await measure(model) : null
  // A model of another embedder can not be measured on these vectors, and so can not be lost to: runs here do without one.
  const isComparable = active?.embedderId === space.embedderId && active.embeddingDimension === space.dimension
  const activeHoldout = holdout ? await measure(isComparable ? active : undefined) : null
  const { key: weightsKey } = await app.files.put(encodeModel(model))
  await app.prisma.$transaction(async (tx) => {
    const { id } = await createModelVersion(tx, training, {
      weightsKey,
      embeddingDimension: space.dimension,
      embedderId: space.embedderId,
      holdout,
      activeHoldout,
      summary: { identities: numbers.size, heldOutIdentities: heldOut.size, explanation: report.explanation },
    })
    await tx.trainingRun.update({
      where,
      data: {
        modelVersionId: id,
        lossCurve: thin(lossCurve).map((point) => ({ ...point })),
        report: JSON.parse(JSON.stringify(report)),
      },
    })
  })
})
