import type { App, Tx } from './app.ts'
import type { Statement } from './constraint-closure.ts'
import { type DecisionChange, namedIdentities, namedItems } from './decision-change.ts'
import type { DecisionState, IdentityFacts, MemberFacts } from './decision-plan.ts'

type Db = { prisma: App['prisma'] | Tx }
type StoredStatement = Statement & { readonly id: string }

/** Reads the part of a project that a change can touch: the identities it names or whose members it names, whole. */
export const readDecisionState = (db: Db, projectId: string, change: DecisionChange): Promise<DecisionState> =>
  readState(db, projectId, namedIdentities(change), namedItems(change))

/** Reads the given identities whole, those that the given items are in, and every active statement about any of them. */
export async function readState(
  db: Db,
  projectId: string,
  namedIdentityIds: readonly string[],
  itemIds: readonly string[],
): Promise<DecisionState> {
  const { prisma } = db
  const items = itemIds.length
    ? await prisma.$queryRaw<{ id: string; identityId: string | null }[]>`
        /* readDecisionState: items */
        SELECT i."id", m."identityId" FROM "Item" i
        LEFT JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id"
        WHERE i."projectId" = ${projectId}::uuid AND i."id" = ANY(${[...itemIds]}::uuid[]) AND i."erasedAt" IS NULL`
    : []
  const identityIds = [
    ...new Set([...namedIdentityIds, ...items.flatMap(({ identityId }) => (identityId ? [identityId] : []))]),
  ]
  const rows = identityIds.length
    ? await prisma.$queryRaw<(IdentityFacts & { member: Omit<MemberFacts, 'identityId'> | null })[]>`
        /* readDecisionState: identities */
        SELECT i."id", i."state", i."name", i."revision", CASE WHEN m."itemId" IS NOT NULL THEN
          jsonb_build_object('itemId', m."itemId", 'source', m."source", 'confidence', m."confidence", 'risk', m."risk") END AS member
        FROM "Identity" i
        LEFT JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."identityId" = i."id"
        WHERE i."projectId" = ${projectId}::uuid AND i."id" = ANY(${identityIds}::uuid[]) ORDER BY m."itemId"`
    : []
  const identities = rows.map(({ id, state, name, revision }): IdentityFacts => ({ id, state, name, revision }))
  const members = rows.flatMap(({ id, member }): MemberFacts[] => (member ? [{ ...member, identityId: id }] : []))
  const reach = [...new Set([...items.map(({ id }) => id), ...members.map(({ itemId }) => itemId)])]
  const near = reach.length
    ? await prisma.$queryRaw<StoredStatement[]>`
        /* readDecisionState: constraints */
        SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
        WHERE "projectId" = ${projectId}::uuid AND "revokedById" IS NULL AND "leftItemId" = ANY(${reach}::uuid[])
        UNION SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
        WHERE "projectId" = ${projectId}::uuid AND "revokedById" IS NULL AND "rightItemId" = ANY(${reach}::uuid[])
        ORDER BY "id"`
    : []
  const afar = await readAfar(db, projectId, near, new Set(reach))
  return {
    identities: new Map(identities.map((identity) => [identity.id, identity])),
    members: new Map(members.map((member) => [member.itemId, member])),
    items: new Set(items.map(({ id }) => id)),
    ...afar,
  }
}

/**
 * Must-links lead out of an identity through items that are excluded or erased, and among free items: all that they reach
 * belongs to the question. Two statements more, and only where there is such a link.
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
  const items = await prisma.$queryRaw<{ id: string; identityId: string | null; isErased: boolean }[]>`
    /* readDecisionState: afar */
    WITH RECURSIVE linked("id") AS (
      SELECT unnest(${outside}::uuid[])
      UNION SELECT s."id" FROM linked l CROSS JOIN LATERAL (
        SELECT "rightItemId" AS "id" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid AND "leftItemId" = l."id"
          AND "kind" = 'MUST_LINK' AND "revokedById" IS NULL
        UNION ALL SELECT "leftItemId" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid AND "rightItemId" = l."id"
          AND "kind" = 'MUST_LINK' AND "revokedById" IS NULL) s)
    SELECT i."id", m."identityId", i."erasedAt" IS NOT NULL AS "isErased" FROM linked l
    JOIN "Item" i ON i."projectId" = ${projectId}::uuid AND i."id" = l."id"
    LEFT JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id"`
  const beyond = items.filter(({ id }) => !reach.has(id))
  const ids = beyond.map(({ id }) => id)
  const far = await prisma.$queryRaw<StoredStatement[]>`
    /* readDecisionState: constraints afar */
    SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
    WHERE "projectId" = ${projectId}::uuid AND "revokedById" IS NULL AND "leftItemId" = ANY(${ids}::uuid[])
    UNION SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
    WHERE "projectId" = ${projectId}::uuid AND "revokedById" IS NULL AND "rightItemId" = ANY(${ids}::uuid[])
    ORDER BY "id"`
  const statements = new Map([...near, ...far].map((statement) => [statement.id, statement]))
  return {
    statements: [...statements.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    others: new Map(beyond.map(({ id, identityId }) => [id, identityId])),
    erased: new Set(beyond.filter(({ isErased }) => isErased).map(({ id }) => id)),
  }
}
