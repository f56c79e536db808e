import type { EmbeddingSpace } from '../generated/prisma/client.ts'
import type { App } from './app.ts'

/** Below this exact search takes milliseconds, and an index would only slow imports down. */
const MIN_ROWS = 5_000

/**
 * Builds the HNSW index of one space once it is large enough: partial, so that tenants share neither index nor recall.
 * Built after the bulk load, which is several times faster than growing it row by row. Safe to repeat.
 */
export async function ensureSpaceIndex(app: App, space: EmbeddingSpace): Promise<boolean> {
  const { projectId, id, dimension, indexedAt } = space
  if (indexedAt) return true
  const count = await app.prisma.embedding.count({ where: { projectId, spaceId: id } })
  if (count < MIN_ROWS) return false
  // The names are built from checked UUIDs: DDL takes no parameters.
  const name = `Embedding_hnsw_${id.replaceAll('-', '')}`
  await app.prisma.$executeRawUnsafe(`CREATE INDEX IF NOT EXISTS "${name}" ON "Embedding"
    USING hnsw (("vector"::vector(${dimension})) vector_cosine_ops)
    WHERE "projectId" = '${projectId}'::uuid AND "spaceId" = '${id}'::uuid`)
  await app.prisma.embeddingSpace.update({
    where: { projectId_id: { projectId, id } },
    data: { indexedAt: app.clock.now() },
  })
  return true
}
