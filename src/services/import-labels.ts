import type { IdentityState } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
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
  app: App,
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

  const known = await tx.$queryRaw<
    { id: string; name: string; state: IdentityState; anchor: string | null; before: number }[]
  >`
    /* confirmLabels: known */
    SELECT i."id", i."name", i."state", i."revision" AS "before", (SELECT m."itemId" FROM "IdentityMember" m
      WHERE m."projectId" = i."projectId" AND m."identityId" = i."id" AND m."source" = 'HUMAN'
      ORDER BY m."itemId" LIMIT 1) AS anchor
    FROM "Identity" i WHERE i."projectId" = ${projectId}::uuid AND i."name" = ANY(${labels}::text[])
      AND i."state" IN ('CONFIRMED', 'LOCKED') ORDER BY i."id"`
  const identities = new Map<
    string,
    { id: string; state: IdentityState; anchor: string | null; before: number | null }
  >()
  for (const { name, ...identity } of known) if (!identities.has(name)) identities.set(name, identity)
  const fresh = labels.filter((label) => !identities.has(label)).map((name) => ({ id: newId(), name }))
  await app.bulk.insert(tx, 'Identity', fresh.length, {
    projectId: { type: 'uuid', value: projectId },
    id: { type: 'uuid', values: fresh.map(({ id }) => id) },
    name: { type: 'text', values: fresh.map(({ name }) => name) },
    state: { type: 'IdentityState', value: 'CONFIRMED' },
    revision: { type: 'int4', value: 0 },
  })
  for (const { id, name } of fresh) identities.set(name, { id, state: 'CONFIRMED', anchor: null, before: null })

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
  const itemIds = members.map(({ itemId }) => itemId)
  const identityIds = members.map(({ identityId }) => identityId)
  await app.bulk.insert(tx, 'IdentityMember', members.length, {
    projectId: { type: 'uuid', value: projectId },
    itemId: { type: 'uuid', values: itemIds },
    identityId: { type: 'uuid', values: identityIds },
    source: { type: 'MembershipSource', value: 'HUMAN' },
  })
  await app.bulk.insert(tx, 'MembershipEvent', members.length, {
    projectId: { type: 'uuid', value: projectId },
    id: { type: 'uuid', values: members.map(() => newId()) },
    ledgerRevision: { type: 'int4', value: ledgerRevision },
    itemId: { type: 'uuid', values: itemIds },
    toIdentityId: { type: 'uuid', values: identityIds },
    toSource: { type: 'MembershipSource', value: 'HUMAN' },
    decisionId: { type: 'uuid', value: decisionId },
  })
  await app.bulk.insert(tx, 'Constraint', links.length, {
    projectId: { type: 'uuid', value: projectId },
    id: { type: 'uuid', values: links.map(() => newId()) },
    kind: { type: 'ConstraintKind', value: 'MUST_LINK' },
    leftItemId: { type: 'uuid', values: links.map(({ left }) => left) },
    rightItemId: { type: 'uuid', values: links.map(({ right }) => right) },
    decisionId: { type: 'uuid', value: decisionId },
  })
  const touched = [...identities.entries()]
  const added = new Map<string, { n: number; cover: string }>()
  for (const { itemId, identityId } of members) {
    const known = added.get(identityId)
    if (!known) added.set(identityId, { n: 1, cover: itemId })
    else {
      known.n++
      if (itemId < known.cover) known.cover = itemId
    }
  }
  await tx.$executeRaw`
    /* confirmLabels: counts */
    UPDATE "Identity" i SET "revision" = i."revision" + 1, "updatedAt" = now(), "memberCount" = i."memberCount" + t.n,
      "coverItemId" = coalesce(i."coverItemId", t.cover)
    FROM unnest(${[...added.keys()]}::uuid[], ${[...added.values()].map(({ n }) => n)}::int[],
      ${[...added.values()].map(({ cover }) => cover)}::uuid[]) AS t(id, n, cover)
    WHERE i."projectId" = ${projectId}::uuid AND i."id" = t.id`
  const facts = touched.map(([, identity]) => identity)
  await app.bulk.insert(tx, 'DecisionIdentity', touched.length, {
    projectId: { type: 'uuid', value: projectId },
    decisionId: { type: 'uuid', value: decisionId },
    identityId: { type: 'uuid', values: facts.map(({ id }) => id) },
    revisionBefore: { type: 'int4', values: facts.map(({ before }) => before) },
    revisionAfter: { type: 'int4', values: facts.map(({ before }) => (before ?? 0) + 1) },
    stateBefore: { type: 'IdentityState', values: facts.map(({ before, state }) => (before === null ? null : state)) },
    stateAfter: { type: 'IdentityState', values: facts.map(({ state }) => state) },
    nameBefore: { type: 'text', values: touched.map(([name, { before }]) => (before === null ? null : name)) },
    nameAfter: { type: 'text', values: touched.map(([name]) => name) },
  })
  await recordAudit(
    tx,
    { userId, requestId },
    { projectId, action: 'decision.applied', target: ['Decision', decisionId], detail: { labels: labels.length } },
  )
}
