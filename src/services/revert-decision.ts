import type { Decision } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { readState } from './decision-state.ts'
import { writeDecisions } from './decision-write.ts'
import { DomainError, notFound } from './errors.ts'
import { newId } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { lockProject } from './project-lock.ts'
import { type Past, planRevert } from './revert-plan.ts'

export interface RevertDecision {
  projectId: string
  decisionId: string
  idempotencyKey: string
}

export interface Reverted {
  decision: Decision | null
  /** Later decisions that must be undone first, newest first. */
  blockedBy: Decision[]
}

/** Later decisions, not undone themselves, that touched the same identities: they were made on top of this one. */
async function findBlockers(tx: Tx, { projectId, id, ledgerRevision }: Decision): Promise<{ id: string }[]> {
  return tx.$queryRaw<{ id: string }[]>`
    /* findBlockers */ SELECT DISTINCT d."id", d."ledgerRevision" FROM "Decision" d
    JOIN "DecisionIdentity" y ON y."projectId" = d."projectId" AND y."decisionId" = d."id"
    JOIN "DecisionIdentity" x ON x."projectId" = y."projectId" AND x."identityId" = y."identityId"
    WHERE d."projectId" = ${projectId}::uuid AND x."decisionId" = ${id}::uuid
      AND d."ledgerRevision" > ${ledgerRevision} AND d."kind" <> 'REVERT' AND d."revertedById" IS NULL
    ORDER BY d."ledgerRevision" DESC`
}

/**
 * Undoes a decision by appending its inverse: its constraints are revoked, memberships, states and names become what they
 * were. REVIEWER and above. Refused with `blockedBy` while later decisions stand on it, and with CONSTRAINT_CONFLICT in the
 * rare case that what was stated elsewhere since leaves no place for what would come back.
 */
export async function revertDecision(app: App, viewer: Viewer, input: RevertDecision): Promise<Reverted> {
  const { projectId, decisionId } = input
  await requireAccess(app, viewer, projectId, 'decision.apply')
  const answer = await onceOnly(app, viewer, 'revertDecision', input, async (tx) => {
    await lockProject(tx, projectId)
    return revertDecisionIn(tx, viewer, { projectId, decisionId })
  })
  const byId = (ids: string[]) =>
    app.prisma.decision.findMany({ where: { projectId, id: { in: ids } }, orderBy: { ledgerRevision: 'desc' } })
  const [decision = null] = answer.revertId ? await byId([answer.revertId]) : []
  return { decision, blockedBy: await byId(answer.blockedBy) }
}

/** The undo itself, within a transaction that holds the project's lock. The caller checks access. */
export async function revertDecisionIn(
  tx: Tx,
  viewer: Viewer,
  { projectId, decisionId }: { projectId: string; decisionId: string },
): Promise<{ revertId: string | null; blockedBy: string[] }> {
  const decision = await tx.decision.findUnique({ where: { projectId_id: { projectId, id: decisionId } } })
  if (!decision) throw notFound('decision', decisionId)
  if (decision.revertedById) throw new DomainError('INVALID_STATE', 'this decision was undone already')
  if (decision.kind === 'REVERT') {
    throw new DomainError('INVALID_STATE', 'an undo can not be undone: apply the decision again')
  }
  const blockedBy = await findBlockers(tx, decision)
  if (blockedBy.length > 0) return { revertId: null, blockedBy: blockedBy.map(({ id }) => id) }
  try {
    return { revertId: await writeRevert(tx, viewer, decision), blockedBy: [] }
  } catch (error) {
    if (error instanceof DomainError) error.detail.projectId = projectId
    throw error
  }
}

async function writeRevert(tx: Tx, viewer: Viewer, decision: Decision): Promise<string> {
  const { projectId, id: decisionId } = decision
  const past = await readPast(tx, decision)
  const identityIds = past.identities.map(({ identityId }) => identityId)
  const read = await readState({ prisma: tx }, projectId, identityIds, past.itemIds)
  const own = new Set(past.constraintIds)
  // What the decision stated is no longer said.
  const state = { ...read, statements: read.statements.filter(({ id }) => !own.has(id as string)) }
  const plan = planRevert(state, past)
  const actor = { projectId, userId: viewer.userId, requestId: viewer.requestId }
  const payload = { revert: { decisionId } }
  const [revert] = await writeDecisions(tx, actor, read, [{ id: newId(), plan, payload, revertsId: decisionId }])
  return (revert as Decision).id
}

/** What a decision did, as the ledger has kept it: in one statement. */
async function readPast(tx: Tx, { projectId, id }: Decision): Promise<Past> {
  const [past] = await tx.$queryRaw<Past[]>`
    /* readPast */
    SELECT
      (SELECT coalesce(jsonb_agg(jsonb_build_object('itemId', "itemId", 'fromIdentityId', "fromIdentityId",
        'fromSource', "fromSource", 'toIdentityId', "toIdentityId") ORDER BY "itemId"), '[]') FROM "MembershipEvent"
        WHERE "projectId" = ${projectId}::uuid AND "decisionId" = ${id}::uuid) AS "events",
      (SELECT coalesce(jsonb_agg(jsonb_build_object('identityId', "identityId", 'stateBefore', "stateBefore",
        'stateAfter', "stateAfter", 'nameBefore', "nameBefore", 'nameAfter', "nameAfter") ORDER BY "identityId"), '[]')
        FROM "DecisionIdentity" WHERE "projectId" = ${projectId}::uuid AND "decisionId" = ${id}::uuid) AS "identities",
      (SELECT coalesce(array_agg("id"), '{}') FROM "Constraint"
        WHERE "projectId" = ${projectId}::uuid AND "decisionId" = ${id}::uuid) AS "constraintIds",
      (SELECT coalesce(array_agg(DISTINCT s."id"), '{}') FROM (
        SELECT "itemId" AS "id" FROM "MembershipEvent" WHERE "projectId" = ${projectId}::uuid AND "decisionId" = ${id}::uuid
        UNION SELECT "leftItemId" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid AND "decisionId" = ${id}::uuid
        UNION SELECT "rightItemId" FROM "Constraint" WHERE "projectId" = ${projectId}::uuid AND "decisionId" = ${id}::uuid
          AND "rightItemId" IS NOT NULL) s) AS "itemIds"`
  return past as Past
}
