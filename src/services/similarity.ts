import { type EmbeddingSpace, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { invalid, notFound } from './errors.ts'

/** A neighbour with its cosine similarity. */
export interface SimilarItem {
  projectId: string
  itemId: string
  similarity: number
}

export interface SimilarOptions {
  first: number
  minSimilarity?: number
  excludeIdentityId?: string
}

const MAX_SIMILAR = 100
/** Candidates the HNSW search keeps: recall@10 of .95 and more on the sets measured, see docs/decisions.md. */
const EF_SEARCH = 120

/** Ids are inlined, so that the planner can prove the predicate of the space's own index. */
const uuidLiteral = (id: string): Prisma.Sql => {
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error(`not a UUID: ${id}`)
  return Prisma.raw(`'${id}'::uuid`)
}

const inSpace = ({ projectId, id }: Pick<EmbeddingSpace, 'projectId' | 'id'>) =>
  Prisma.sql`e."projectId" = ${uuidLiteral(projectId)} AND e."spaceId" = ${uuidLiteral(id)}`

const typed = (column: string, dimension: number) => Prisma.raw(`${column}::vector(${Math.trunc(dimension)})`)

function checkSize(first: number): void {
  if (first < 1 || first > MAX_SIMILAR) throw invalid(`first must be 1 to ${MAX_SIMILAR}: got ${first}`, 'first')
}

/** The space searches use now. */
export async function getActiveSpace(app: { prisma: App['prisma'] | Tx }, projectId: string): Promise<EmbeddingSpace> {
  const [space] = await app.prisma.$queryRaw<EmbeddingSpace[]>`
    /* getActiveSpace */ SELECT s.* FROM "Project" p
    JOIN "EmbeddingSpace" s ON s."projectId" = p."id" AND s."id" = p."activeSpaceId"
    WHERE p."id" = ${projectId}::uuid`
  if (!space) throw notFound('project', projectId)
  return space
}

async function search<Row>(app: App, query: Prisma.Sql): Promise<Row[]> {
  return app.prisma.$transaction(async (tx) => {
    // Iterative scans keep filtered searches from coming back short (pgvector 0.8).
    await tx.$queryRawUnsafe(`SELECT set_config('hnsw.ef_search', '${EF_SEARCH}', true),
      set_config('hnsw.iterative_scan', 'relaxed_order', true)`)
    return tx.$queryRaw<Row[]>(query)
  })
}

/**
 * Nearest neighbours of items in the active space, best first; the item itself is left out. One statement for all items.
 * Approximate once the space has its HNSW index, exact before.
 */
export async function findSimilar(
  app: App,
  projectId: string,
  itemIds: readonly string[],
  { first, minSimilarity = -1, excludeIdentityId }: SimilarOptions,
): Promise<SimilarItem[][]> {
  checkSize(first)
  const space = await getActiveSpace(app, projectId)
  const column = typed('e."vector"', space.dimension)
  const notIn = excludeIdentityId
    ? Prisma.sql`AND NOT EXISTS (SELECT 1 FROM "IdentityMember" m WHERE m."projectId" = e."projectId"
        AND m."itemId" = e."itemId" AND m."identityId" = ${excludeIdentityId}::uuid)`
    : Prisma.empty
  const rows = await search<{ queryId: string; itemId: string; distance: number }>(
    app,
    Prisma.sql`/* findSimilar */
      SELECT q."itemId" AS "queryId", n."itemId", n."distance" FROM "Embedding" q
      CROSS JOIN LATERAL (
        SELECT e."itemId", ${column} <=> ${typed('q."vector"', space.dimension)} AS "distance" FROM "Embedding" e
        WHERE ${inSpace(space)} AND e."itemId" <> q."itemId" ${notIn}
        ORDER BY ${column} <=> ${typed('q."vector"', space.dimension)} LIMIT ${first}) n
      WHERE q."projectId" = ${uuidLiteral(projectId)} AND q."spaceId" = ${uuidLiteral(space.id)}
        AND q."itemId" = ANY(${[...itemIds]}::uuid[])`,
  )
  const byQuery = new Map<string, SimilarItem[]>(itemIds.map((id) => [id, []]))
  for (const { queryId, itemId, distance } of rows) {
    const similarity = 1 - distance
    if (similarity >= minSimilarity) byQuery.get(queryId)?.push({ projectId, itemId, similarity })
  }
  return itemIds.map((id) => (byQuery.get(id) ?? []).sort((a, b) => b.similarity - a.similarity))
}

/** k-NN of a stored item; refuses an item without an embedding. */
export async function searchByItem(
  app: App,
  viewer: Viewer,
  { projectId, id }: { projectId: string; id: string },
  first: number,
): Promise<SimilarItem[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const item = await app.prisma.item.findUnique({ where: { projectId_id: { projectId, id } }, select: { id: true } })
  if (!item) throw notFound('item', id)
  const [found] = await findSimilar(app, projectId, [id], { first })
  return found as SimilarItem[]
}

/** k-NN of a raw vector: it must have the project's dimension, finite values and a length above zero. */
export async function searchByVector(
  app: App,
  viewer: Viewer,
  projectId: string,
  vector: readonly number[],
  first: number,
): Promise<SimilarItem[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  checkSize(first)
  const space = await getActiveSpace(app, projectId)
  if (vector.length !== space.dimension) {
    throw invalid(`vector must have ${space.dimension} values: got ${vector.length}`, 'input', 'vector')
  }
  if (!vector.every(Number.isFinite) || vector.every((value) => value === 0)) {
    throw invalid('vector must be finite and not all zero', 'input', 'vector')
  }
  const column = typed('e."vector"', space.dimension)
  const query = Prisma.sql`${JSON.stringify(vector)}::vector`
  const rows = await search<{ itemId: string; distance: number }>(
    app,
    Prisma.sql`/* searchByVector */
      SELECT e."itemId", ${column} <=> ${query} AS "distance" FROM "Embedding" e
      WHERE ${inSpace(space)} ORDER BY ${column} <=> ${query} LIMIT ${first}`,
  )
  return rows
    .map(({ itemId, distance }) => ({ projectId, itemId, similarity: 1 - distance }))
    .sort((a, b) => b.similarity - a.similarity)
}
