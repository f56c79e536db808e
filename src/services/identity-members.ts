import {
  type Identity,
  type IdentityMember,
  type MembershipSource,
  Prisma,
  type Vertex,
} from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { invalid } from './errors.ts'
import type { Ref } from './id.ts'
import { cutPage, idOf, instantOf, numberOf, type Page, type PageResult } from './page.ts'

export type MemberOrder = 'RISK_DESC' | 'CONFIDENCE_DESC' | 'ADDED_DESC'

const ORDERS = {
  RISK_DESC: { column: 'risk', cast: 'float8', read: numberOf },
  CONFIDENCE_DESC: { column: 'confidence', cast: 'float8', read: numberOf },
  ADDED_DESC: { column: 'addedAt', cast: 'timestamptz', read: instantOf },
} as const

/** A member as it is shown: its item, and where the membership came from. */
export interface Member {
  readonly projectId: string
  readonly itemId: string
  readonly source: MembershipSource
}

export const memberKeyset = (order: MemberOrder) => (member: IdentityMember) => {
  const value = member[ORDERS[order].column]
  return [value instanceof Date ? value.toISOString() : value, member.itemId]
}

/** Members of an identity, riskiest first by default. */
export async function listMembers(
  app: App,
  viewer: Viewer,
  { projectId, id }: Ref,
  { first, after }: Page,
  order: MemberOrder,
): Promise<PageResult<IdentityMember>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const { column: name, cast, read } = ORDERS[order]
  const column = Prisma.raw(`"${name}"`)
  const rest = after
    ? Prisma.sql`AND (${column}, "itemId") < (${read(after)}::${Prisma.raw(cast)}, ${idOf(after, 1)}::uuid)`
    : Prisma.empty
  const rows = await app.prisma.$queryRaw<IdentityMember[]>`
    /* listMembers */ SELECT * FROM "IdentityMember"
    WHERE "projectId" = ${projectId}::uuid AND "identityId" = ${id}::uuid ${rest}
    ORDER BY ${column} DESC, "itemId" DESC LIMIT ${first + 1}`
  return cutPage(rows, first)
}

/**
 * Members as they were at a revision of the ledger, by replay of what changed. At one revision a decision comes before what
 * was published on top of it, whatever the clocks of two servers said.
 */
export async function listMembersAt(
  app: App,
  viewer: Viewer,
  { projectId, id }: Ref,
  ledgerRevision: number,
  { first, after }: Page,
): Promise<PageResult<Member>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  if (ledgerRevision < 0) throw invalid(`ledgerRevision must be 0 or more: got ${ledgerRevision}`, 'ledgerRevision')
  const { ledgerRevision: head } = await app.prisma.project.findUniqueOrThrow({
    where: { id: projectId },
    select: { ledgerRevision: true },
  })
  if (ledgerRevision > head) {
    throw invalid(`ledgerRevision must be at most the head, ${head}: got ${ledgerRevision}`, 'ledgerRevision')
  }
  const rest = after ? Prisma.sql`AND e."itemId" > ${idOf(after)}::uuid` : Prisma.empty
  const rows = await app.prisma.$queryRaw<Member[]>`
    /* listMembersAt */
    SELECT s."projectId", s."itemId", s."toSource" AS "source" FROM (
      SELECT DISTINCT ON (e."itemId") e.* FROM "MembershipEvent" e
      WHERE e."projectId" = ${projectId}::uuid AND e."ledgerRevision" <= ${ledgerRevision} ${rest}
        AND e."itemId" IN (SELECT x."itemId" FROM "MembershipEvent" x
          WHERE x."projectId" = ${projectId}::uuid AND x."toIdentityId" = ${id}::uuid
            AND x."ledgerRevision" <= ${ledgerRevision})
      ORDER BY e."itemId", e."ledgerRevision" DESC, e."runId" IS NULL, e."id" DESC) s
    WHERE s."toIdentityId" = ${id}::uuid ORDER BY s."itemId" LIMIT ${first + 1}`
  return cutPage(rows, first)
}

/** The identity of each item, null for free ones: one statement for all. */
export async function findIdentitiesOfItems(app: App, refs: readonly Ref[]): Promise<(Identity | null)[]> {
  const rows = await app.prisma.$queryRaw<(Identity & { itemId: string })[]>`
    /* findIdentitiesOfItems */ SELECT i.*, m."itemId" FROM unnest(${refs.map((ref) => ref.projectId)}::uuid[],
      ${refs.map((ref) => ref.id)}::uuid[]) AS t(project, item)
    JOIN "IdentityMember" m ON m."projectId" = t.project AND m."itemId" = t.item
    JOIN "Identity" i ON i."projectId" = m."projectId" AND i."id" = m."identityId"`
  const byItem = new Map(rows.map(({ itemId, ...identity }) => [itemId, identity]))
  return refs.map(({ id }) => byItem.get(id) ?? null)
}

/** The vertex of each item in the published run, null when it took no part. */
export async function findPublishedVertices(app: App, refs: readonly Ref[]): Promise<(Vertex | null)[]> {
  const rows = await app.prisma.$queryRaw<Vertex[]>`
    /* findPublishedVertices */ SELECT v.* FROM unnest(${refs.map((ref) => ref.projectId)}::uuid[],
      ${refs.map((ref) => ref.id)}::uuid[]) AS t(project, item)
    JOIN "Project" p ON p."id" = t.project
    -- OFFSET 0 keeps this a look-up for each item: joined freely, the planner reads the whole run.
    CROSS JOIN LATERAL (SELECT * FROM "Vertex" x WHERE x."projectId" = t.project AND x."runId" = p."publishedRunId"
      AND x."itemId" = t.item OFFSET 0) v`
  const byItem = new Map(rows.map((vertex) => [vertex.itemId, vertex]))
  return refs.map(({ id }) => byItem.get(id) ?? null)
}

/** Another identity that may be the same, with the strongest edge that says so. */
export interface MergeCandidate {
  projectId: string
  runId: string
  identityId: string
  probability: number
  similarity: number
  childIndex: number
  parentIndex: number
  isForbidden: boolean
}

/**
 * Merge candidates of an identity from the published run, best first, each identity once with its strongest edge; a pair
 * that a cannot-link forbids is flagged.
 */
export async function listMergeCandidates(
  app: App,
  viewer: Viewer,
  { projectId, id }: Ref,
  first: number,
): Promise<MergeCandidate[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  if (first < 1 || first > 100) throw invalid(`first must be 1 to 100: got ${first}`, 'first')
  return app.prisma.$queryRaw<MergeCandidate[]>`
    /* listMergeCandidates */
    WITH RECURSIVE self("id") AS (
      -- What was merged into it speaks for it as well: found by the decisions that touched it.
      SELECT ${id}::uuid
      UNION SELECT i."id" FROM self s
      JOIN "DecisionIdentity" x ON x."projectId" = ${projectId}::uuid AND x."identityId" = s."id"
      JOIN "DecisionIdentity" y ON y."projectId" = x."projectId" AND y."decisionId" = x."decisionId" AND y."stateAfter" = 'MERGED'
      JOIN "Identity" i ON i."projectId" = y."projectId" AND i."id" = y."identityId" AND i."mergedIntoId" = s."id"
    ), own AS (
      SELECT c."projectId", c."runId", c."index" FROM "Project" p
      JOIN "Cluster" c ON c."projectId" = p."id" AND c."runId" = p."publishedRunId"
        AND c."identityId" IN (SELECT "id" FROM self)
      WHERE p."id" = ${projectId}::uuid
    ), edges AS (
      SELECT e.*, e."rightCluster" AS other FROM own o
      JOIN "MergeEdge" e ON e."projectId" = o."projectId" AND e."runId" = o."runId" AND e."leftCluster" = o."index"
      UNION ALL
      SELECT e.*, e."leftCluster" FROM own o
      JOIN "MergeEdge" e ON e."projectId" = o."projectId" AND e."runId" = o."runId" AND e."rightCluster" = o."index"
    ), apart AS (
      SELECT x."rightItemId" AS item FROM "IdentityMember" m
      JOIN "Constraint" x ON x."projectId" = m."projectId" AND x."leftItemId" = m."itemId"
      WHERE m."projectId" = ${projectId}::uuid AND m."identityId" = ${id}::uuid
        AND x."kind" = 'CANNOT_LINK' AND x."revokedById" IS NULL
      UNION
      SELECT x."leftItemId" FROM "IdentityMember" m
      JOIN "Constraint" x ON x."projectId" = m."projectId" AND x."rightItemId" = m."itemId"
      WHERE m."projectId" = ${projectId}::uuid AND m."identityId" = ${id}::uuid
        AND x."kind" = 'CANNOT_LINK' AND x."revokedById" IS NULL
    ), forbidden AS (
      SELECT DISTINCT b."identityId" FROM apart
      JOIN "IdentityMember" b ON b."projectId" = ${projectId}::uuid AND b."itemId" = apart.item
    )
    -- Clusters are as the run left them, identities as people have made them since: the ends of an edge say where it leads.
    SELECT f.*, f."identityId" IN (SELECT "identityId" FROM forbidden) AS "isForbidden" FROM (
      SELECT DISTINCT ON (n."identityId") e."projectId", e."runId", n."identityId", e."probability", e."similarity",
        e."childIndex", e."parentIndex"
      FROM edges e
      JOIN "Vertex" a ON a."projectId" = e."projectId" AND a."runId" = e."runId" AND a."index" = e."childIndex"
      JOIN "Vertex" b ON b."projectId" = e."projectId" AND b."runId" = e."runId" AND b."index" = e."parentIndex"
      JOIN "IdentityMember" m ON m."projectId" = e."projectId" AND m."identityId" = ${id}::uuid
        AND m."itemId" = CASE WHEN a."clusterIndex" = e.other THEN b."itemId" ELSE a."itemId" END
      JOIN "IdentityMember" n ON n."projectId" = e."projectId" AND n."identityId" <> ${id}::uuid
        AND n."itemId" = CASE WHEN a."clusterIndex" = e.other THEN a."itemId" ELSE b."itemId" END
      ORDER BY n."identityId", e."probability" DESC) f
    ORDER BY f."probability" DESC, f."identityId" LIMIT ${first}`
}
