import type { App, Tx } from './app.ts'
import { type DecisionChange, namedIdentities, namedItems } from './decision-change.ts'
import type { DecisionState, IdentityFacts, MemberFacts } from './decision-plan.ts'

/** Reads the part of a project that a change can touch: the identities it names or whose members it names, whole. */
export async function readDecisionState(
  { prisma }: { prisma: App['prisma'] | Tx },
  projectId: string,
  change: DecisionChange,
): Promise<DecisionState> {
  const itemIds = namedItems(change)
  const items = itemIds.length
    ? await prisma.$queryRaw<{ id: string; identityId: string | null }[]>`
        /* readDecisionState: items */
        SELECT i."id", m."identityId" FROM "Item" i
        LEFT JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id"
        WHERE i."projectId" = ${projectId}::uuid AND i."id" = ANY(${itemIds}::uuid[]) AND i."erasedAt" IS NULL`
    : []
  const identityIds = [
    ...new Set([...namedIdentities(change), ...items.flatMap(({ identityId }) => (identityId ? [identityId] : []))]),
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
  const statements = reach.length
    ? await prisma.$queryRaw<{ id: string; kind: never; leftItemId: string; rightItemId: string | null }[]>`
        /* readDecisionState: constraints */
        SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
        WHERE "projectId" = ${projectId}::uuid AND "revokedById" IS NULL AND "leftItemId" = ANY(${reach}::uuid[])
        UNION SELECT "id", "kind", "leftItemId", "rightItemId" FROM "Constraint"
        WHERE "projectId" = ${projectId}::uuid AND "revokedById" IS NULL AND "rightItemId" = ANY(${reach}::uuid[])
        ORDER BY "id"`
    : []
  return {
    identities: new Map(identities.map((identity) => [identity.id, identity])),
    members: new Map(members.map((member) => [member.itemId, member])),
    items: new Set(items.map(({ id }) => id)),
    statements,
  }
}
