import { z } from 'zod'
import { decodeRecognitionModel } from '../engine/index.ts'
import type { EmbeddingSpace } from '../generated/prisma/client.ts'
import { enqueueSpaceIndex } from '../services/embedding-index.ts'
import { embedSpaceJob } from '../services/embedding-spaces.ts'
import { readAll } from '../services/media.ts'
import { countUnembedded, listUnembedded, looksAtSchema, readSamples } from '../services/recognition-samples.ts'
import { refreshStatistics } from '../services/statistics.ts'
import { encodeVectors, findVectorOid } from '../services/vectors.ts'
import { implementJob } from './implement-job.ts'

/** Items in one transaction. */
const BATCH = 1_024
const FIRST = '00000000-0000-0000-0000-000000000000'

const summarySchema = z.object({ looksAt: looksAtSchema })

/**
 * Embeds every item that a space does not hold yet, with the model the space belongs to. Each batch commits by itself, so that a
 * restarted job goes on with what is missing. Vectors of other spaces are only read.
 */
export const embedSpace = implementJob(embedSpaceJob, async ({ app, job, payload, signal, progress, failRow }) => {
  const { projectId } = job
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: payload.spaceId } },
  })
  const version = await app.prisma.modelVersion.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: space.modelVersionId as string } },
  })
  const { looksAt } = summarySchema.parse(version.summary)
  const source = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: space.sourceSpaceId as string } },
  })
  const model = decodeRecognitionModel(await readAll(app, version.weightsKey))
  const total = await countUnembedded(app, space, looksAt)
  progress('embed', 0, total)
  let done = 0
  let failures = 0
  for (let after = FIRST; ; ) {
    const wanted = await listUnembedded(app, space, looksAt, after, BATCH)
    if (wanted.length === 0) break
    signal.throwIfAborted()
    const { itemIds, samples, failed } = await readSamples(app, source, looksAt, wanted, { signal })
    for (const { itemId, problem } of failed) failRow({ row: ++failures, externalKey: itemId, problem })
    if (itemIds.length > 0) {
      const { data } = await app.engine.embed({ model, samples }, { signal })
      await writeVectors(space, itemIds, data)
    }
    done += wanted.length
    after = wanted.at(-1) as string
    progress('embed', done, Math.max(total, done))
  }
  await refreshStatistics(app, 'Embedding')
  await enqueueSpaceIndex(app, space, job.createdById ?? undefined)

  async function writeVectors({ id: spaceId, dimension }: EmbeddingSpace, itemIds: string[], data: Float32Array) {
    await app.prisma.$transaction(async (tx) => {
      const oid = await findVectorOid(app.prisma, tx)
      const rows = itemIds.map((_, i) => data.subarray(i * dimension, (i + 1) * dimension))
      // An item may have been erased meanwhile: its vector must not come back.
      await tx.$executeRaw`
        /* embedSpace */
        INSERT INTO "Embedding" ("projectId", "spaceId", "itemId", "vector")
        SELECT ${projectId}::uuid, ${spaceId}::uuid, t.item, t.vector
        FROM unnest(${itemIds}::uuid[], ${encodeVectors(rows, oid)}::vector[]) AS t(item, vector)
        JOIN "Item" i ON i."projectId" = ${projectId}::uuid AND i."id" = t.item AND i."erasedAt" IS NULL
        ON CONFLICT ("projectId", "spaceId", "itemId") DO NOTHING`
    })
  }
})
