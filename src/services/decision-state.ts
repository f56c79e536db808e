import type { MembershipSource } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
import type { Statement } from './constraint-closure.ts'
import { type DecisionChange, namedIdentities, namedItems } from './decision-change.ts'
import type { DecisionState, IdentityFacts, MemberFacts } from './decision-plan.ts'
import { unseen } from './unseen.ts'

type Db = { prisma: App['prisma'] | Tx }
type StoredStatement = Statement & { readonly id: string }

/** Reads the part of a project that a change can touch: the identities it names or whose members it names, whole. */
export const readDecisionState = (db: Db, projectId: string, change: DecisionChange): Promise<DecisionState> =>
  readState(db, projectId, namedIdentities(change), namedItems(change))

/**
 * Reads the given identities whole, those that the given items are in, and every active statement about any of them: one
 * statement, and one more where must-links lead out.
 */
export async function readState(
  db: Db,
  projectId: string,
  namedIdentityIds: readonly string[],
  itemIds: readonly string[],
): Promise<DecisionState> {
  const [found] = await db.prisma.$queryRaw<
    [
      {
        items: string[]
        identities: IdentityFacts[]
        /** By column: PostgreSQL writes long lists of one type several times faster than a list of records. */
        members: [string[] | null, string[], MembershipSource[], number[], number[]]
        near: StoredStatement[]
      },
    ]
  >`
    /* readDecisionState */
    WITH items AS MATERIALIZED (
      SELECT i."id", m."identityId" FROM "Item" i
      LEFT JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id"
      WHERE i."projectId" = ${projectId}::uuid AND i."id" = ANY(${unseen([...itemIds], 'uuid[]')})
        AND i."erasedAt" IS NULL),
    wanted AS MATERIALIZED (
      SELECT unnest(${unseen([...namedIdentityIds], 'uuid[]')}) AS "id"
      UNION SELECT "identityId" FROM items WHERE "identityId" IS NOT NULL),
    members AS MATERIALIZED (
      SELECT m."itemId", m."identityId", m."source", m."confidence", m."risk" FROM wanted w
      JOIN "IdentityMember" m ON m."projectId" = ${projectId}::uuid AND m."identityId" = w."id"),
    reach AS MATERIALIZED (SELECT "id" FROM items UNION SELECT "itemId" FROM members),
    reached AS MATERIALIZED (SELECT array_agg("id") AS "ids" FROM reach),
    near AS MATERIALIZED (
      SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid
        AND "leftItemId" = ANY((SELECT "ids" FROM reached)::uuid[]) AND "revokedById" IS NULL
      UNION SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid
        AND "rightItemId" = ANY((SELECT "ids" FROM reached)::uuid[]) AND "revokedById" IS NULL)
    SELECT coalesce((SELECT jsonb_agg("id") FROM items), '[]') AS "items",
      coalesce((SELECT jsonb_agg(jsonb_build_object('id', i."id", 'state', i."state", 'name', i."name", 'revision', i."revision"))
        FROM wanted w JOIN "Identity" i ON i."projectId" = ${projectId}::uuid AND i."id" = w."id"), '[]') AS "identities",
      (SELECT json_build_array(json_agg("itemId"), json_agg("identityId"), json_agg("source"), json_agg("confidence"),
        json_agg("risk")) FROM (SELECT * FROM members ORDER BY "itemId") m) AS "members",
      coalesce((SELECT jsonb_agg(to_jsonb(n) ORDER BY n."id") FROM near n), '[]') AS "near"`
  const { items, identities, near } = found
  const [memberIds, identityIds, sources, confidences, risks] = found.members
  const members = new Map<string, MemberFacts>()
  for (const [i, itemId] of (memberIds ?? []).entries()) {
    members.set(itemId, {
      itemId,
      identityId: identityIds[i] as string,
      source: sources[i] as MembershipSource,
      confidence: confidences[i] as number,
      risk: risks[i] as number,
    })
  }
  const reach = new Set([...items, ...members.keys()])
  const afar = await readAfar(db, projectId, near, reach)
  return {
    identities: new Map(identities.map((identity) => [identity.id, identity])),
    members,
    items: new Set(items),
    ...afar,
  }
}

/**
 * Must-links lead out of an identity through items that are excluded or erased, and among free items: all that they reach
 * belongs to the question. One statement more, and only where there is such a link.
 */
async function readAfar(
  { prisma }: Db,
  projectId: string,
  near: readonly StoredStatement[],
  reach: ReadonlySet<string>,
): Promise<Pick<DecisionState, 'statements' | 'others' | 'erased'>> {
  const outside = near.flatMap(({ kind, leftItemId, rightItemId }) =>
    kind === 'MUST_LINK' ? [leftItemId, rightItemId as string].filter((itemId) => !reach.has(itemId)) : [],
  )
  if (outside.length === 0) return { statements: near, others: new Map(), erased: new Set() }
  const [found] = await prisma.$queryRaw<
    [{ items: { id: string; identityId: string | null; isErased: boolean }[]; far: StoredStatement[] }]
  >`
    /* readDecisionState: afar */
    WITH RECURSIVE linked("id") AS (
      SELECT unnest(${outside}::uuid[])
      UNION SELECT s."id" FROM linked l CROSS JOIN LATERAL (
        SELECT "rightItemId" AS "id" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid AND "leftItemId" = l."id"
          AND "kind" = 'MUST_LINK' AND "revokedById" IS NULL
        UNION ALL SELECT "leftItemId" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid AND "rightItemId" = l."id"
          AND "kind" = 'MUST_LINK' AND "revokedById" IS NULL) s),
    items AS MATERIALIZED (
      SELECT i."id", m."identityId", i."erasedAt" IS NOT NULL AS "isErased" FROM linked l
      JOIN "Item" i ON i."projectId" = ${projectId}::uuid AND i."id" = l."id"
      LEFT JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id"
      WHERE i."id" <> ALL(${[...reach]}::uuid[])),
    far AS (
      SELECT c.* FROM items i CROSS JOIN LATERAL (SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
        WHERE "projectId" = ${projectId}::uuid AND "leftItemId" = i."id" AND "revokedById" IS NULL OFFSET 0) c
      UNION SELECT c.* FROM items i CROSS JOIN LATERAL (SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
        WHERE "projectId" = ${projectId}::uuid AND "rightItemId" = i."id" AND "revokedById" IS NULL OFFSET 0) c)
    SELECT coalesce((SELECT jsonb_agg(to_jsonb(i)) FROM items i), '[]') AS "items",
      coalesce((SELECT jsonb_agg(to_jsonb(f) ORDER BY f."id") FROM far f), '[]') AS "far"`
  const { items, far } = found
  const statements = new Map([...near, ...far].map((statement) => [statement.id, statement]))
  return {
    statements: [...statements.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    others: new Map(items.map(({ id, identityId }) => [id, identityId])),
    erased: new Set(items.filter(({ isErased }) => isErased).map(({ id }) => id)),
  }
}
