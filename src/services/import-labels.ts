import type { Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { newId } from './id.ts'

export interface LabelledItem {
  readonly itemId: string
  readonly label: string
}

/**
 * Known labels are human statements: each becomes a CONFIRMED identity of that name, its items HUMAN members, held
 * together by must-links to the first of them. One CONFIRM decision a batch stands in the ledger.
 */
export async function confirmLabels(
  tx: Tx,
  actor: { projectId: string; userId: string; requestId: string },
  items: readonly LabelledItem[],
): Promise<void> {
  if (items.length === 0) return
  const { projectId, userId, requestId } = actor
  const labels = [...new Set(items.map(({ label }) => label))]
  const decisionId = newId()
  const [head] = await tx.$queryRaw<{ revision: number }[]>`
    /* confirmLabels */ UPDATE "Project" SET "ledgerRevision" = "ledgerRevision" + 1 WHERE "id" = ${projectId}::uuid
    RETURNING "ledgerRevision" AS revision`
  const ledgerRevision = head?.revision as number

  const known = await tx.$queryRaw<{ id: string; name: string; anchor: string | null; before: number }[]>`
    /* confirmLabels: known */
    SELECT i."id", i."name", i."revision" AS "before", (SELECT m."itemId" FROM "IdentityMember" m
      WHERE m."projectId" = i."projectId" AND m."identityId" = i."id" AND m."source" = 'HUMAN'
      ORDER BY m."itemId" LIMIT 1) AS anchor
    FROM "Identity" i WHERE i."projectId" = ${projectId}::uuid AND i."name" = ANY(${labels}::text[])
      AND i."state" IN ('CONFIRMED', 'LOCKED') ORDER BY i."id"`
  const identities = new Map<string, { id: string; anchor: string | null; before: number | null }>()
  for (const { name, ...identity } of known) if (!identities.has(name)) identities.set(name, identity)
  const fresh = labels.filter((label) => !identities.has(label)).map((name) => ({ id: newId(), name }))
  await tx.identity.createMany({
    data: fresh.map(({ id, name }) => ({ projectId, id, name, state: 'CONFIRMED', revision: 0 })),
  })
  for (const { id, name } of fresh) identities.set(name, { id, anchor: null, before: null })

  const links: { left: string; right: string }[] = []
  const members = items.map(({ itemId, label }) => {
    const identity = identities.get(label) as { id: string; anchor: string | null }
    if (identity.anchor) links.push({ left: identity.anchor, right: itemId })
    else identity.anchor = itemId
    return { itemId, identityId: identity.id }
  })
  await tx.decision.create({
    data: {
      projectId,
      id: decisionId,
      ledgerRevision,
      kind: 'CONFIRM',
      actorId: userId,
      comment: 'labels of an import',
      payload: { import: { labels: labels.length, items: items.length } },
      itemCount: items.length,
      requestId,
    },
  })
  await tx.identityMember.createMany({
    data: members.map((member) => ({ projectId, ...member, source: 'HUMAN' as const })),
  })
  await tx.membershipEvent.createMany({
    data: members.map(({ itemId, identityId }) => ({
      projectId,
      id: newId(),
      ledgerRevision,
      itemId,
      toIdentityId: identityId,
      toSource: 'HUMAN' as const,
      decisionId,
    })),
  })
  await tx.constraint.createMany({
    data: links.map(({ left, right }) => ({
      projectId,
      id: newId(),
      kind: 'MUST_LINK' as const,
      leftItemId: left,
      rightItemId: right,
      decisionId,
    })),
  })
  const touched = [...identities.entries()]
  await tx.$executeRaw`
    /* confirmLabels: counts */
    UPDATE "Identity" i SET "revision" = i."revision" + 1, "updatedAt" = now(), "memberCount" = s.n,
      "coverItemId" = coalesce(i."coverItemId", s.cover)
    FROM (SELECT "identityId", count(*)::int AS n, (array_agg("itemId" ORDER BY "itemId"))[1] AS cover
      FROM "IdentityMember" WHERE "projectId" = ${projectId}::uuid
        AND "identityId" = ANY(${touched.map(([, { id }]) => id)}::uuid[]) GROUP BY 1) s
    WHERE i."projectId" = ${projectId}::uuid AND i."id" = s."identityId"`
  await tx.decisionIdentity.createMany({
    data: touched.map(([name, { id, before }]) => ({
      projectId,
      decisionId,
      identityId: id,
      revisionBefore: before,
      revisionAfter: (before ?? 0) + 1,
      stateBefore: before === null ? null : ('CONFIRMED' as const),
      stateAfter: 'CONFIRMED' as const,
      nameBefore: before === null ? null : name,
      nameAfter: name,
    })),
  })
  await recordAudit(
    tx,
    { userId, requestId },
    { projectId, action: 'decision.applied', target: ['Decision', decisionId], detail: { labels: labels.length } },
  )
}
