import type { Decision, Prisma } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'
import type { DecisionState, Plan } from './decision-plan.ts'
import { newId } from './id.ts'
import { findNeedlessTasks } from './needless-tasks.ts'

export interface DecisionActor {
  readonly projectId: string
  readonly userId: string
  readonly requestId: string
  readonly comment?: string | null
  /** The review task whose answer this is. */
  readonly taskId?: string
}

/** Takes the next place in the ledger; the project row stays locked until the transaction ends. */
export async function nextRevision(tx: Tx, projectId: string): Promise<number> {
  const [row] = await tx.$queryRaw<{ revision: number }[]>`
    /* nextRevision */ UPDATE "Project" SET "ledgerRevision" = "ledgerRevision" + 1 WHERE "id" = ${projectId}::uuid
    RETURNING "ledgerRevision" AS revision`
  return row?.revision as number
}

/**
 * Writes a plan and its place in the ledger, in three statements whatever its size: open tasks that it answers are looked up, then
 * everything but identities is written, then identities are counted anew. The project row must be locked.
 */
export async function writeDecision(
  tx: Tx,
  actor: DecisionActor,
  state: DecisionState,
  plan: Plan,
  payload: Prisma.InputJsonObject,
): Promise<Decision> {
  const { projectId } = actor
  const needless = await findNeedlessTasks({ prisma: tx }, projectId, state, plan, actor.taskId)
  const decisionId = newId()
  const itemCount = plan.moves.filter(
    ({ itemId, toIdentityId }) => state.members.get(itemId)?.identityId !== (toIdentityId ?? undefined),
  ).length
  const rows = {
    identities: plan.newIdentities,
    moves: plan.moves.map(({ itemId, toIdentityId, source }) => {
      const from = state.members.get(itemId)
      return { id: newId(), itemId, from: from?.identityId, fromSource: from?.source, to: toIdentityId, source }
    }),
    statements: plan.statements.map((statement) => ({ id: newId(), ...statement })),
  }
  const [decision] = await tx.$queryRaw<Decision[]>`
    /* writeDecision */
    WITH revision AS (
      UPDATE "Project" SET "ledgerRevision" = "ledgerRevision" + 1 WHERE "id" = ${projectId}::uuid
      RETURNING "ledgerRevision" AS n),
    decision AS (
      INSERT INTO "Decision" ("projectId", "id", "ledgerRevision", "kind", "actorId", "comment", "payload", "itemCount",
        "taskId", "requestId")
      SELECT ${projectId}::uuid, ${decisionId}::uuid, n, ${plan.kind}::"DecisionKind", ${actor.userId}::uuid,
        ${actor.comment ?? null}, ${JSON.stringify(payload)}::jsonb, ${itemCount}, ${actor.taskId ?? null}::uuid,
        ${actor.requestId} FROM revision
      RETURNING *),
    fresh AS (
      INSERT INTO "Identity" ("projectId", "id", "state", "revision")
      SELECT ${projectId}::uuid, r."id", r."state", 0
      FROM jsonb_to_recordset(${JSON.stringify(rows.identities)}::jsonb) AS r("id" uuid, "state" "IdentityState")),
    moves AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows.moves)}::jsonb) AS r("id" uuid, "itemId" uuid, "from" uuid,
        "fromSource" "MembershipSource", "to" uuid, "source" "MembershipSource")),
    events AS (
      INSERT INTO "MembershipEvent" ("projectId", "id", "ledgerRevision", "itemId", "fromIdentityId", "fromSource",
        "toIdentityId", "toSource", "decisionId")
      SELECT ${projectId}::uuid, m."id", n, m."itemId", m."from", m."fromSource", m."to", m."source", ${decisionId}::uuid
      FROM moves m, revision),
    leaving AS (
      DELETE FROM "IdentityMember" x USING moves m
      WHERE x."projectId" = ${projectId}::uuid AND x."itemId" = m."itemId" AND m."to" IS NULL),
    staying AS (
      INSERT INTO "IdentityMember" ("projectId", "itemId", "identityId", "source")
      SELECT ${projectId}::uuid, m."itemId", m."to", m."source" FROM moves m WHERE m."to" IS NOT NULL
      ON CONFLICT ("projectId", "itemId") DO UPDATE SET "identityId" = excluded."identityId", "source" = excluded."source",
        "addedAt" = now(), "risk" = CASE WHEN excluded."source" = 'MODEL' THEN "IdentityMember"."risk" ELSE 0 END),
    statements AS (
      INSERT INTO "Constraint" ("projectId", "id", "kind", "leftItemId", "rightItemId", "decisionId")
      SELECT ${projectId}::uuid, r."id", r."kind", r."leftItemId", r."rightItemId", ${decisionId}::uuid
      FROM jsonb_to_recordset(${JSON.stringify(rows.statements)}::jsonb) AS r("id" uuid, "kind" "ConstraintKind",
        "leftItemId" uuid, "rightItemId" uuid)),
    tasks AS (
      UPDATE "ReviewTask" SET "state" = 'OBSOLETE', "leaseExpiresAt" = NULL, "revision" = "revision" + 1, "updatedAt" = now()
      WHERE "projectId" = ${projectId}::uuid AND "id" = ANY(${needless}::uuid[])),
    audit AS (
      INSERT INTO "AuditEvent" ("projectId", "id", "action", "actorId", "requestId", "targetType", "targetId", "detail")
      SELECT ${projectId}::uuid, ${newId()}::uuid, 'decision.applied', ${actor.userId}::uuid, ${actor.requestId}, 'Decision',
        ${decisionId}, jsonb_build_object('kind', ${plan.kind}::text, 'ledgerRevision', n) FROM revision)
    SELECT * FROM decision`
  await writeIdentities(tx, projectId, plan, state, decisionId)
  return decision as Decision
}

/** Sets where items belong; a membership that a person placed carries no risk any more. */
export async function placeItems(
  tx: Tx,
  projectId: string,
  moves: readonly { itemId: string; toIdentityId: string | null; source: string | null }[],
): Promise<void> {
  const leaving = moves.filter(({ toIdentityId }) => toIdentityId === null).map(({ itemId }) => itemId)
  if (leaving.length > 0) await tx.identityMember.deleteMany({ where: { projectId, itemId: { in: leaving } } })
  const staying = moves.filter(({ toIdentityId }) => toIdentityId !== null)
  if (staying.length === 0) return
  await tx.$executeRaw`
    /* placeItems */
    INSERT INTO "IdentityMember" ("projectId", "itemId", "identityId", "source")
    SELECT ${projectId}::uuid, t.item, t.identity, t.source::"MembershipSource"
    FROM unnest(${staying.map(({ itemId }) => itemId)}::uuid[], ${staying.map((move) => move.toIdentityId)}::uuid[],
      ${staying.map(({ source }) => source)}::text[]) AS t(item, identity, source)
    ON CONFLICT ("projectId", "itemId") DO UPDATE SET "identityId" = excluded."identityId", "source" = excluded."source",
      "addedAt" = now(), "risk" = CASE WHEN excluded."source" = 'MODEL' THEN "IdentityMember"."risk" ELSE 0 END`
}

/** Counts, cover and risk of identities from their members, and one more revision. */
export async function recountIdentities(tx: Tx, projectId: string, ids: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    /* recountIdentities */
    UPDATE "Identity" i SET "revision" = i."revision" + 1, "updatedAt" = now(),
      "memberCount" = coalesce(s.n, 0), "risk" = coalesce(s.risk, 0), "coverItemId" = s.cover
    FROM unnest(${[...ids]}::uuid[]) AS t(id)
    LEFT JOIN (
      SELECT "identityId", count(*)::int AS n, sum("risk") AS risk,
        (array_agg("itemId" ORDER BY "confidence" DESC, "itemId"))[1] AS cover
      FROM "IdentityMember" WHERE "projectId" = ${projectId}::uuid AND "identityId" = ANY(${[...ids]}::uuid[])
      GROUP BY 1) s ON s."identityId" = t.id
    WHERE i."projectId" = ${projectId}::uuid AND i."id" = t.id`
}

/** Changes and counts the identities of a plan, and notes how each was before and is now. */
async function writeIdentities(
  tx: Tx,
  projectId: string,
  plan: Plan,
  state: DecisionState,
  decisionId: string,
): Promise<void> {
  const targets = plan.moves.flatMap(({ toIdentityId }) => (toIdentityId ? [toIdentityId] : []))
  const fresh = new Map(plan.newIdentities.map(({ id, state }) => [id, state]))
  const ids = [...new Set([...plan.touched, ...targets, ...plan.identityChanges.keys(), ...fresh.keys()])]
  const rows = ids.map((id) => {
    const before = state.identities.get(id)
    const change = plan.identityChanges.get(id) ?? {}
    return {
      id,
      change,
      revisionBefore: before?.revision,
      stateBefore: before?.state,
      stateAfter: change.state ?? before?.state ?? fresh.get(id) ?? 'PROPOSED',
      nameBefore: before?.name,
      nameAfter: change.name ?? before?.name,
    }
  })
  await tx.$executeRaw`
    /* writeIdentities */
    WITH t AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS r("id" uuid, "change" jsonb, "revisionBefore" int,
        "stateBefore" "IdentityState", "stateAfter" "IdentityState", "nameBefore" text, "nameAfter" text)),
    notes AS (
      INSERT INTO "DecisionIdentity" ("projectId", "decisionId", "identityId", "revisionBefore", "revisionAfter", "stateBefore",
        "stateAfter", "nameBefore", "nameAfter")
      SELECT ${projectId}::uuid, ${decisionId}::uuid, t."id", t."revisionBefore", coalesce(t."revisionBefore", 0) + 1,
        t."stateBefore", t."stateAfter", t."nameBefore", t."nameAfter" FROM t)
    UPDATE "Identity" i SET "revision" = i."revision" + 1, "updatedAt" = now(),
      "state" = CASE WHEN jsonb_exists(t."change", 'state') THEN (t."change"->>'state')::"IdentityState" ELSE i."state" END,
      "mergedIntoId" = CASE WHEN jsonb_exists(t."change", 'mergedIntoId') THEN (t."change"->>'mergedIntoId')::uuid ELSE i."mergedIntoId" END,
      "name" = CASE WHEN jsonb_exists(t."change", 'name') THEN t."change"->>'name' ELSE i."name" END,
      "memberCount" = coalesce(s.n, 0), "risk" = coalesce(s.risk, 0), "coverItemId" = s.cover
    FROM t LEFT JOIN (
      SELECT "identityId", count(*)::int AS n, sum("risk") AS risk,
        (array_agg("itemId" ORDER BY "confidence" DESC, "itemId"))[1] AS cover
      FROM "IdentityMember" WHERE "projectId" = ${projectId}::uuid AND "identityId" = ANY(${ids}::uuid[])
      GROUP BY 1) s ON s."identityId" = t."id"
    WHERE i."projectId" = ${projectId}::uuid AND i."id" = t."id"`
}
