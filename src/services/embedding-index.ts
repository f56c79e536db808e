import { z } from 'zod'
import type { EmbeddingSpace, Job } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'

/** Below this exact search takes milliseconds, and an index would only slow imports down. */
const MIN_ROWS = 5_000

/** Builds the HNSW index of a space: apart from imports, which are done as soon as their rows are there. */
export const embeddingIndexJob = defineJob({
  name: 'embedding_index',
  payload: z.object({ spaceId: z.uuid() }),
  maxAttempts: 3,
})

/** Both sides of a distance as the index keeps them: of length one, so that any scale fits into 16 bits a value. */
export const indexedForm = (vector: string, dimension: number): string =>
  `(l2_normalize(${vector})::halfvec(${Math.trunc(dimension)}))`

/** Queues the index of a space that has none and has become large enough for one; undefined where nothing is to do. */
export async function enqueueSpaceIndex(
  app: App,
  { projectId, id: spaceId, indexedAt }: EmbeddingSpace,
  createdById?: string,
): Promise<Job | undefined> {
  if (indexedAt) return undefined
  const [found] = await app.prisma.$queryRaw<{ n: number; isQueued: boolean }[]>`
    /* enqueueSpaceIndex */ SELECT count(*)::int AS n, EXISTS (SELECT 1 FROM "Job" j
      WHERE j."projectId" = ${projectId}::uuid AND j."kind" = ${embeddingIndexJob.name}
        AND j."state" IN ('QUEUED', 'RUNNING') AND j."payload"->>'spaceId' = ${spaceId}) AS "isQueued"
    FROM (SELECT 1 FROM "Embedding" e WHERE e."projectId" = ${projectId}::uuid AND e."spaceId" = ${spaceId}::uuid
      LIMIT ${MIN_ROWS}) s`
  if (!found || found.n < MIN_ROWS || found.isQueued) return undefined
  return app.prisma.$transaction((tx) =>
    enqueueJob(tx, app, embeddingIndexJob, { projectId, payload: { spaceId }, createdById }),
  )
}

/** Memory of a vertex of the graph while it is built, beside its vector: links of a mean of 1.06 levels, and their room. */
const BYTES_A_VERTEX = 700

/**
 * Builds the HNSW index of one space: partial, so that tenants share neither index nor recall, and after the bulk load,
 * which is several times faster than growing it row by row. Vectors are kept in 16 bits a value: half the memory and
 * traffic, while searches order what they find by the full vectors. Safe to repeat.
 */
export async function buildSpaceIndex(
  app: App,
  { projectId, id, dimension }: EmbeddingSpace,
  control: { signal: AbortSignal; onProgress(completed: number, total?: number): void },
): Promise<void> {
  const rows = await app.prisma.embedding.count({ where: { projectId, spaceId: id } })
  // Names are built from checked UUIDs: DDL takes no parameters.
  const name = `Embedding_hnsw_${id.replaceAll('-', '')}`
  const on = `"Embedding" USING hnsw (${indexedForm('"vector"', dimension)} halfvec_ip_ops)
    WHERE "projectId" = '${projectId}'::uuid AND "spaceId" = '${id}'::uuid`
  await app.indexes.build(name, on, rows * (2 * dimension + BYTES_A_VERTEX), control)
}
