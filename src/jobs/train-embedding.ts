import { z } from 'zod'
import {
  encodeRecognitionModel,
  identificationScores,
  type Labels,
  type Matrix,
  type RetrainMemory,
  type RetrainOutput,
  retrain,
  type Samples,
  selectSamples,
} from '../engine/index.ts'
import type { DatasetVersion, EmbeddingSpace, TrainingRun } from '../generated/prisma/client.ts'
import type { App } from '../services/app.ts'
import { readManifestRows } from '../services/dataset-manifest.ts'
import { readEmbeddings } from '../services/embedding-matrix.ts'
import { createEmbeddingSpace } from '../services/embedding-spaces.ts'
import { DomainError } from '../services/errors.ts'
import { readAll } from '../services/media.ts'
import { createEmbeddingModel, isHeldOut } from '../services/model-versions.ts'
import { type LooksAt, PICTURE_EDGE, readSamples } from '../services/recognition-samples.ts'
import type { TrainingOptions } from '../services/training-runs.ts'
import type { JobContext } from './implement-job.ts'

/** Fewer identities than this beside the hold-out are too few to learn from. */
const MIN_IDENTITIES = 10
/** More unlabelled items than this are not looked at: they would not fit in memory. */
const MOST_UNLABELLED = 200_000

const checkpointSchema = z.object({ files: z.record(z.string(), z.string()).default({}) })

/** The items of one training, the same in every attempt. */
interface TrainingItems {
  readonly looksAt: LooksAt
  readonly itemIds: string[]
  /** Number of the identity; -1 = not known; -2 = an identity of the frozen hold-out. */
  readonly labels: number[]
  /** Numbers of the identities of the hold-out, one an item with label -2. */
  readonly heldOut: Record<string, number>
}

/**
 * Trains a recognition model on labels and pseudo-labels, and measures it and the active space on identities that no training
 * ever sees. Better: the model gets a space of its own, which a second job fills. The active space stays active whatever happens.
 *
 * Every finished step and the latest checkpoint of a training are files that the job knows of: a restarted attempt goes on.
 */
export async function trainEmbedding(
  context: JobContext<{ trainingRunId: string } & TrainingOptions>,
  training: TrainingRun,
): Promise<void> {
  const { app, job, payload, signal, progress } = context
  const { projectId } = job
  const version = await app.prisma.datasetVersion.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: training.datasetVersionId } },
  })
  const source = await sourceSpaceOf(app, version)
  const memory = fileMemory(context)
  progress('load')
  const items = await remembered(memory, 'items', () => chooseItems(app, version, source, payload.source))
  const { itemIds, samples } = await readSamples(app, source, items.looksAt, items.itemIds, {
    signal,
    onRows: (read, total) => progress('load', read, total),
  })
  const rows = placeRows(items, itemIds)
  requireEnough(rows, version.tag, items.looksAt)

  const control = {
    signal,
    onProgress: ({ phase, completed, total }: { phase: string; completed: number; total?: number }) =>
      progress(phase, completed, total),
  }
  const output = await retrain(
    {
      samples: selectSamples(samples, rows.trained),
      labels: rows.trained.map((row) => rows.labels[row] as number),
      ...(payload.steps !== undefined && { recipe: { steps: payload.steps } }),
      seed: training.seed,
    },
    app.engine,
    control,
    memory,
  )

  progress('evaluate')
  const scores = await measure(app, version, items, itemIds, samples, rows, output, signal)
  const { key: weightsKey } = await app.files.put(encodeRecognitionModel(output.final))
  const { data, ...heldOut } = scores
  await app.prisma.$transaction(async (tx) => {
    const model = await createEmbeddingModel(tx, training, {
      weightsKey,
      embeddingDimension: output.final.shape.embedding,
      score: data?.model ?? null,
      activeScore: data?.active ?? null,
      summary: {
        looksAt: items.looksAt,
        ...JSON.parse(JSON.stringify({ report: output.report, ...heldOut, ...(data && { identification: data }) })),
      },
    })
    if (model.state !== 'REJECTED') {
      await createEmbeddingSpace(tx, app, model, source.id, training.createdById)
    }
    await tx.trainingRun.update({
      where: { projectId_id: { projectId, id: training.id } },
      data: {
        modelVersionId: model.id,
        lossCurve: output.lossCurve.map(({ step, loss, heldOut: score }) => ({
          step,
          loss,
          ...(score !== undefined && { heldOutLoss: 1 - score }),
        })),
        report: JSON.parse(JSON.stringify(output.report)),
      },
    })
  })
  await memory.forget()
}

/** The space that imports write to, where the snapshot's own was made of it. */
async function sourceSpaceOf(app: App, { projectId, spaceId }: DatasetVersion): Promise<EmbeddingSpace> {
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: spaceId } },
  })
  if (!space.sourceSpaceId) return space
  return app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: space.sourceSpaceId } },
  })
}

/** Members of the snapshot, and all other items that nobody has excluded or erased. */
async function chooseItems(
  app: App,
  version: DatasetVersion,
  source: EmbeddingSpace,
  wanted: TrainingOptions['source'],
): Promise<TrainingItems> {
  const { projectId } = version
  const identityOf = new Map<string, string>()
  for await (const { itemId, identityId } of readManifestRows(app, version)) identityOf.set(itemId, identityId)
  const looksAt = await chooseSource(app, source, [...identityOf.keys()], wanted)
  const others = await app.prisma.$queryRaw<{ id: string }[]>`
    /* trainEmbedding: items */ SELECT i."id" FROM "Item" i
    WHERE i."projectId" = ${projectId}::uuid AND i."erasedAt" IS NULL
      AND (${looksAt.kind === 'embeddings'} AND EXISTS (SELECT 1 FROM "Embedding" e WHERE e."projectId" = i."projectId"
          AND e."spaceId" = ${source.id}::uuid AND e."itemId" = i."id")
        OR ${looksAt.kind === 'pictures'} AND i."imageKey" IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM "Constraint" x WHERE x."projectId" = i."projectId" AND x."leftItemId" = i."id"
        AND x."kind" = 'EXCLUDED' AND x."revokedById" IS NULL)
      AND NOT (i."id" = ANY(${[...identityOf.keys()]}::uuid[]))
    ORDER BY i."id" LIMIT ${MOST_UNLABELLED}`
  const numbers = new Map<string, number>()
  const number = (identityId: string) => {
    if (!numbers.has(identityId)) numbers.set(identityId, numbers.size)
    return numbers.get(identityId) as number
  }
  const heldOut: Record<string, number> = {}
  const labelled = [...identityOf].map(([itemId, identityId]) => {
    if (!isHeldOut(identityId)) return { itemId, label: number(identityId) }
    heldOut[itemId] = number(identityId)
    return { itemId, label: -2 }
  })
  const all = [...labelled, ...others.map(({ id }) => ({ itemId: id, label: -1 }))]
  return { looksAt, itemIds: all.map(({ itemId }) => itemId), labels: all.map(({ label }) => label), heldOut }
}

/** Given vectors where most members have one, else their pictures. */
async function chooseSource(
  app: App,
  source: EmbeddingSpace,
  itemIds: string[],
  wanted: TrainingOptions['source'],
): Promise<LooksAt> {
  const pictures: LooksAt = { kind: 'pictures', edge: PICTURE_EDGE }
  if (wanted) return wanted === 'PICTURES' ? pictures : { kind: 'embeddings' }
  const [row] = await app.prisma.$queryRaw<{ n: number }[]>`
    /* trainEmbedding: embedded */ SELECT count(*)::int AS n FROM "Embedding"
    WHERE "projectId" = ${source.projectId}::uuid AND "spaceId" = ${source.id}::uuid
      AND "itemId" = ANY(${itemIds}::uuid[])`
  return (row?.n ?? 0) * 2 >= itemIds.length ? { kind: 'embeddings' } : pictures
}

interface PlacedRows {
  /** int32: label of every row that was read. */
  readonly labels: Labels
  /** int32: rows that the training sees: labelled and unlabelled ones. */
  readonly trained: Int32Array
  readonly heldOut: Int32Array
}

function placeRows({ itemIds: chosen, labels: given }: TrainingItems, itemIds: readonly string[]): PlacedRows {
  const labelOf = new Map(chosen.map((id, i) => [id, given[i] as number]))
  const labels = Int32Array.from(itemIds, (id) => labelOf.get(id) ?? -1)
  const all = Int32Array.from(labels.keys())
  return {
    labels,
    trained: all.filter((row) => labels[row] !== -2),
    heldOut: all.filter((row) => labels[row] === -2),
  }
}

function requireEnough({ labels }: PlacedRows, tag: string, looksAt: LooksAt): void {
  const identities = new Set(labels.filter((label) => label >= 0)).size
  const what = looksAt.kind === 'embeddings' ? 'embeddings' : 'pictures'
  if (identities < MIN_IDENTITIES) {
    throw new DomainError(
      'INVALID_STATE',
      `training needs at least ${MIN_IDENTITIES} identities with ${what} beside the frozen hold-out: dataset version ${tag} has ${identities}; confirm more identities and freeze a new version`,
    )
  }
  if (!labels.some((label) => label === -1)) {
    throw new DomainError(
      'INVALID_STATE',
      `training on pseudo-labels needs items without an identity: every item with ${what} is in dataset version ${tag} already; import more first`,
    )
  }
}

/** The model and the active space on the frozen hold-out: nobody has trained on these identities. */
async function measure(
  app: App,
  { projectId }: DatasetVersion,
  { heldOut }: TrainingItems,
  itemIds: readonly string[],
  samples: Samples,
  rows: PlacedRows,
  { final }: RetrainOutput,
  signal: AbortSignal,
) {
  const labels = rows.heldOut.map((row) => heldOut[itemIds[row] as string] as number)
  const heldOutIdentities = new Set(labels).size
  const isMeasurable = heldOutIdentities > 1 && labels.length > heldOutIdentities
  if (!isMeasurable) return { heldOutIdentities }
  const embeddings = await app.engine.embed({ model: final, samples: selectSamples(samples, rows.heldOut) }, { signal })
  const model = scoresOf(embeddings, labels)
  const { activeSpaceId } = await app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: activeSpaceId } },
  })
  const ids = Array.from(rows.heldOut, (row) => itemIds[row] as string)
  const active = await readEmbeddings(app, space, ids)
  const labelOf = new Map(ids.map((id, i) => [id, labels[i] as number]))
  // Pictures without a vector in the active space leave nothing to compare with.
  const isComparable = active.itemIds.length === ids.length
  return {
    heldOutIdentities,
    data: {
      model,
      active: isComparable
        ? scoresOf(
            unitRows(active.matrix),
            Int32Array.from(active.itemIds, (id) => labelOf.get(id) as number),
          )
        : null,
    },
  }
}

function scoresOf(embeddings: Matrix, labels: Labels) {
  const none = { data: new Float32Array(0), rows: 0, cols: embeddings.cols }
  const { nearest, tarAtFar, probes } = identificationScores(embeddings, labels, none)
  return { nearest, tarAtFar, probes }
}

function unitRows({ data, rows, cols }: Matrix): Matrix {
  const unit = Float32Array.from(data)
  for (let i = 0; i < rows; i++) {
    const row = unit.subarray(i * cols, (i + 1) * cols)
    const norm = Math.hypot(...row) || 1
    for (let d = 0; d < cols; d++) row[d] = (row[d] as number) / norm
  }
  return { data: unit, rows, cols }
}

/** Steps and checkpoints as files, named in the job's own checkpoint. */
function fileMemory({ app, job, checkpoint }: JobContext<unknown>): RetrainMemory & { forget(): Promise<void> } {
  const files: Record<string, string> = { ...checkpointSchema.parse(job.checkpoint ?? {}).files }
  const note = () => app.prisma.$transaction((tx) => checkpoint(tx, { files }))
  return {
    async load(name) {
      const key = files[name]
      return key === undefined ? undefined : new Uint8Array(await readAll(app, key))
    },
    async save(name, bytes) {
      const { key } = await app.files.put(bytes)
      const former = files[name]
      files[name] = key
      await note()
      if (former !== undefined && former !== key) await app.files.delete(former)
    },
    async forget() {
      for (const [name, key] of Object.entries(files)) {
        delete files[name]
        await app.files.delete(key)
      }
      await note()
    },
  }
}

async function remembered<T>(memory: RetrainMemory, name: string, make: () => Promise<T>): Promise<T> {
  const kept = await memory.load(name)
  if (kept) return JSON.parse(new TextDecoder().decode(kept))
  const value = await make()
  await memory.save(name, new TextEncoder().encode(JSON.stringify(value)))
  return value
}
