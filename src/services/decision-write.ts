import type { Decision, Prisma } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import type { DecisionState, Plan } from './decision-plan.ts'
import { newId } from './id.ts'
import { closeTasks, findNeedlessTasks } from './needless-tasks.ts'

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

/** Writes a plan and its place in the ledger, set by set. The project row must be locked. */
export async function writeDecision(
  tx: Tx,
  actor: DecisionActor,
  state: DecisionState,
  plan: Plan,
  payload: Prisma.InputJsonObject,
): Promise<Decision> {
  const { projectId } = actor
  const needless = await findNeedlessTasks({ prisma: tx }, projectId, state, plan, actor.taskId)
  const ledgerRevision = await nextRevision(tx, projectId)
  const decisionId = newId()
  const decision = await tx.decision.create({
    data: {
      projectId,
      id: decisionId,
      ledgerRevision,
      kind: plan.kind,
      actorId: actor.userId,
      comment: actor.comment,
      payload,
      itemCount: plan.moves.filter(
        ({ itemId, toIdentityId }) => state.members.get(itemId)?.identityId !== (toIdentityId ?? undefined),
      ).length,
      taskId: actor.taskId,
      requestId: actor.requestId,
    },
  })
  if (plan.newIdentities.length > 0) {
    await tx.identity.createMany({
      data: plan.newIdentities.map(({ id, state }) => ({ projectId, id, state, revision: 0 })),
    })
  }
  await writeMoves(tx, projectId, plan, state, { ledgerRevision, decisionId })
  if (plan.statements.length > 0) {
    await tx.constraint.createMany({
      data: plan.statements.map(({ kind, leftItemId, rightItemId }) => ({
        projectId,
        id: newId(),
        kind,
        leftItemId,
        rightItemId,
        decisionId,
      })),
    })
  }
  await writeIdentities(tx, projectId, plan, state, decisionId)
  await closeTasks(tx, projectId, needless)
  await recordAudit(tx, actor, {
    projectId,
    action: 'decision.applied',
    target: ['Decision', decisionId],
    detail: { kind: plan.kind, ledgerRevision },
  })
  return decision
}

async function writeMoves(
  tx: Tx,
  projectId: string,
  { moves }: Plan,
  state: DecisionState,
  { ledgerRevision, decisionId }: { ledgerRevision: number; decisionId: string },
): Promise<void> {
  if (moves.length === 0) return
  await tx.membershipEvent.createMany({
    data: moves.map(({ itemId, toIdentityId, source }) => {
      const from = state.members.get(itemId)
      return {
        projectId,
        id: newId(),
        ledgerRevision,
        itemId,
        fromIdentityId: from?.identityId,
        fromSource: from?.source,
        toIdentityId,
        toSource: source,
        decisionId,
      }
    }),
  })
  await placeItems(tx, projectId, moves)
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

async function writeIdentities(
  tx: Tx,
  projectId: string,
  plan: Plan,
  state: DecisionState,
  decisionId: string,
): Promise<void> {
  const targets = plan.moves.flatMap(({ toIdentityId }) => (toIdentityId ? [toIdentityId] : []))
  const ids = [
    ...new Set([
      ...plan.touched,
      ...targets,
      ...plan.identityChanges.keys(),
      ...plan.newIdentities.map(({ id }) => id),
    ]),
  ]
  for (const [id, change] of plan.identityChanges) {
    await tx.identity.update({ where: { projectId_id: { projectId, id } }, data: change })
  }
  await recountIdentities(tx, projectId, ids)
  const fresh = new Map(plan.newIdentities.map(({ id, state }) => [id, state]))
  await tx.decisionIdentity.createMany({
    data: ids.map((identityId) => {
      const before = state.identities.get(identityId)
      const change = plan.identityChanges.get(identityId)
      return {
        projectId,
        decisionId,
        identityId,
        revisionBefore: before?.revision,
        revisionAfter: (before?.revision ?? 0) + 1,
        stateBefore: before?.state,
        stateAfter: change?.state ?? before?.state ?? fresh.get(identityId) ?? 'PROPOSED',
        nameBefore: before?.name,
        nameAfter: change?.name ?? before?.name,
      }
    }),
  })
}
