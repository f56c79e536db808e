import { type EmbeddingSpace, type Item, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { indexedForm } from './embedding-index.ts'
import { getImportSpace } from './embedding-spaces.ts'
import { invalid, notFound } from './errors.ts'
import { encodeVector, problemOfVector } from './vectors.ts'

/** A neighbour with its cosine similarity. */
export interface SimilarItem {
  item: Item
  similarity: number
}

export interface SimilarOptions {
  first: number
  minSimilarity?: number
  excludeIdentityId?: string
}

const MAX_SIMILAR = 100
/** Neighbours are found by 16-bit vectors and ordered by the full ones: this many times what is asked for, and a few. */
const RERANKED = (first: number) => 2 * first + 10

/** Inlined: with a limit that it cannot see, the planner of a kept statement takes any number of rows into account. */
const literal = (count: number): Prisma.Sql => Prisma.raw(String(Math.trunc(count)))

/** Ids are inlined, so that the planner can prove the predicate of the space's own index. */
const uuidLiteral = (id: string): Prisma.Sql => {
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error(`not a UUID: ${id}`)
  return Prisma.raw(`'${id}'::uuid`)
}

const inSpace = ({ projectId, id }: Pick<EmbeddingSpace, 'projectId' | 'id'>) =>
  Prisma.sql`e."projectId" = ${uuidLiteral(projectId)} AND e."spaceId" = ${uuidLiteral(id)}`

/** What is known of a space's index; without a width, searches keep as many candidates as the session says. */
type SearchedSpace = Pick<EmbeddingSpace, 'projectId' | 'id' | 'dimension' | 'searchWidth'>

/**
 * The nearest rows of a space to a vector: candidates by the index where there is one, their order by the full vectors. The
 * width holds for this statement alone: the candidates depend on its row, so that it is set before the index is looked into.
 */
function nearest(space: SearchedSpace, query: Prisma.Sql, first: number, and: Prisma.Sql = Prisma.empty): Prisma.Sql {
  const indexed = Prisma.raw(indexedForm('e."vector"', space.dimension))
  const cast = Prisma.raw(`halfvec(${Math.trunc(space.dimension)})`)
  const width = space.searchWidth
    ? Prisma.sql`set_config('hnsw.ef_search', ${String(Math.max(space.searchWidth, RERANKED(first)))}, true)`
    : Prisma.sql`''`
  return Prisma.sql`
    SELECT c."itemId", c."vector" <=> ${query} AS "distance" FROM (SELECT ${width} AS "width") w CROSS JOIN LATERAL (
      SELECT e."itemId", e."vector" FROM "Embedding" e WHERE w."width" IS NOT NULL AND ${inSpace(space)} ${and}
      ORDER BY ${indexed} <#> l2_normalize(${query})::${cast} LIMIT ${literal(RERANKED(first))}) c
    ORDER BY "distance" LIMIT ${literal(first)}`
}

/** Neighbours with the items that they are: one statement for both. */
const withItems = (projectId: string, neighbours: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`SELECT n.*, i.* FROM (${neighbours}) n
    JOIN "Item" i ON i."projectId" = ${uuidLiteral(projectId)} AND i."id" = n."itemId"`

/** Nearest rows by comparing with every row of the space: what approximate searches are measured by. */
export async function findNearestExactly(
  app: App,
  space: Pick<EmbeddingSpace, 'projectId' | 'id'>,
  itemId: string,
  first: number,
): Promise<string[]> {
  const rows = await app.prisma.$queryRaw<{ itemId: string }[]>`
    /* findNearestExactly */ SELECT e."itemId" FROM "Embedding" q CROSS JOIN "Embedding" e
    WHERE q."projectId" = ${space.projectId}::uuid AND q."spaceId" = ${space.id}::uuid AND q."itemId" = ${itemId}::uuid
      AND ${inSpace(space)} AND e."itemId" <> q."itemId"
    ORDER BY e."vector" <=> q."vector" LIMIT ${first}`
  return rows.map((row) => row.itemId)
}

type Neighbour = { queryId: string; itemId: string; distance: number }

/** Nearest rows of each item that has a vector in the space. */
const nearestOfItems = (
  space: SearchedSpace,
  itemIds: readonly string[],
  first: number,
  and: Prisma.Sql = Prisma.empty,
): Prisma.Sql =>
  Prisma.sql`SELECT q."itemId" AS "queryId", n."itemId", n."distance" FROM "Embedding" q
    CROSS JOIN LATERAL (${nearest(space, Prisma.sql`q."vector"`, first, Prisma.sql`AND e."itemId" <> q."itemId" ${and}`)}) n
    WHERE q."projectId" = ${uuidLiteral(space.projectId)} AND q."spaceId" = ${uuidLiteral(space.id)}
      AND q."itemId" = ANY(${[...itemIds]}::uuid[])`

/** Nearest rows of each item that has a vector in the space, in one statement. */
export const findNearest = (
  { prisma }: { prisma: App['prisma'] | Tx },
  space: SearchedSpace,
  itemIds: readonly string[],
  first: number,
): Promise<Neighbour[]> => prisma.$queryRaw<Neighbour[]>`/* findNearest */ ${nearestOfItems(space, itemIds, first)}`

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
  const notIn = excludeIdentityId
    ? Prisma.sql`AND NOT EXISTS (SELECT 1 FROM "IdentityMember" m WHERE m."projectId" = e."projectId"
        AND m."itemId" = e."itemId" AND m."identityId" = ${excludeIdentityId}::uuid)`
    : Prisma.empty
  const rows = await app.prisma.$queryRaw<(Neighbour & Item)[]>`
    /* findSimilar */ ${withItems(projectId, nearestOfItems(space, itemIds, first, notIn))}`
  const byQuery = new Map<string, SimilarItem[]>(itemIds.map((id) => [id, []]))
  for (const { queryId, distance, ...item } of rows) {
    const similarity = 1 - distance
    if (similarity >= minSimilarity) byQuery.get(queryId)?.push({ item, similarity })
  }
  return itemIds.map((id) => (byQuery.get(id) ?? []).sort((a, b) => b.similarity - a.similarity))
}

/** k-NN of a stored item; empty while it has no vector in the active space. */
export async function searchByItem(
  app: App,
  viewer: Viewer,
  { projectId, id }: { projectId: string; id: string },
  first: number,
): Promise<SimilarItem[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const [found = []] = await findSimilar(app, projectId, [id], { first })
  // Asked only then: an item with neighbours exists.
  if (found.length === 0 && !(await app.prisma.item.findUnique({ where: { projectId_id: { projectId, id } } }))) {
    throw notFound('item', id)
  }
  return found
}

/** k-NN of a raw vector: it must be one that an import would take. */
export async function searchByVector(
  app: App,
  viewer: Viewer,
  projectId: string,
  vector: readonly number[],
  first: number,
): Promise<SimilarItem[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  checkSize(first)
  // Whoever has a vector has it of the embedder they import with.
  const space = await getImportSpace(app, projectId)
  // As it is stored, in 32 bits: a value beyond them is infinite.
  const values = Float32Array.from(vector)
  const problem = problemOfVector(values, space.dimension)
  if (problem) throw invalid(`vector ${problem}`, 'input', 'vector')
  const query = Prisma.sql`${encodeVector(values)}::vector`
  const rows = await app.prisma.$queryRaw<(Neighbour & Item)[]>`
    /* searchByVector */ ${withItems(projectId, nearest(space, query, first))}`
  return rows
    .map(({ distance, ...item }) => ({ item, similarity: 1 - distance }))
    .sort((a, b) => b.similarity - a.similarity)
}
