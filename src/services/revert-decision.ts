import type { Decision } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { nextRevision, placeItems, recountIdentities } from './decision-write.ts'
import { DomainError, notFound } from './errors.ts'
import { newId } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { lockProject } from './project-lock.ts'

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
 * were. REVIEWER and above. Refused with `blockedBy` while later decisions stand on it.
 */
export async function revertDecision(app: App, viewer: Viewer, input: RevertDecision): Promise<Reverted> {
  const { projectId, decisionId } = input
  await requireAccess(app, viewer, projectId, 'decision.apply')
  const answer = await onceOnly(app, viewer, 'revertDecision', input, async (tx) => {
    await lockProject(tx, projectId)
    const where = { projectId_id: { projectId, id: decisionId } }
    const decision = await tx.decision.findUnique({ where })
    if (!decision) throw notFound('decision', decisionId)
    if (decision.revertedById) throw new DomainError('INVALID_STATE', 'this decision was undone already')
    if (decision.kind === 'REVERT') {
      throw new DomainError('INVALID_STATE', 'an undo can not be undone: apply the decision again')
    }
    const blockedBy = await findBlockers(tx, decision)
    if (blockedBy.length > 0) return { revertId: null, blockedBy: blockedBy.map(({ id }) => id) }
    return { revertId: await writeRevert(tx, viewer, decision), blockedBy: [] as string[] }
  })
  const byId = (ids: string[]) =>
    app.prisma.decision.findMany({ where: { projectId, id: { in: ids } }, orderBy: { ledgerRevision: 'desc' } })
  const [decision = null] = answer.revertId ? await byId([answer.revertId]) : []
  return { decision, blockedBy: await byId(answer.blockedBy) }
}

async function writeRevert(tx: Tx, viewer: Viewer, decision: Decision): Promise<string> {
  const { projectId, id: decisionId } = decision
  const ledgerRevision = await nextRevision(tx, projectId)
  const revertId = newId()
  const restored = await restoreMembers(tx, decision, revertId, ledgerRevision)
  await tx.decision.create({
    data: {
      projectId,
      id: revertId,
      ledgerRevision,
      kind: 'REVERT',
      actorId: viewer.userId,
      payload: { revert: { decisionId } },
      itemCount: restored,
      revertsId: decisionId,
      requestId: viewer.requestId,
    },
  })
  await tx.constraint.updateMany({
    where: { projectId, decisionId, revokedById: null },
    data: { revokedById: revertId },
  })
  await restoreIdentities(tx, decision, revertId)
  await tx.decision.update({ where: { projectId_id: { projectId, id: decisionId } }, data: { revertedById: revertId } })
  await reopenTask(tx, decision)
  await recordAudit(tx, viewer, { projectId, action: 'decision.reverted', target: ['Decision', decisionId] })
  return revertId
}

/** Items go back to where the decision took them from, unless a run has moved them since. */
async function restoreMembers(
  tx: Tx,
  { projectId, id }: Decision,
  revertId: string,
  ledgerRevision: number,
): Promise<number> {
  const events = await tx.membershipEvent.findMany({ where: { projectId, decisionId: id } })
  const now = new Map(
    (
      await tx.identityMember.findMany({ where: { projectId, itemId: { in: events.map(({ itemId }) => itemId) } } })
    ).map((member) => [member.itemId, member]),
  )
  const undone = events.filter((event) => (now.get(event.itemId)?.identityId ?? null) === event.toIdentityId)
  await tx.membershipEvent.createMany({
    data: undone.map(({ itemId, fromIdentityId, fromSource, toIdentityId, toSource }) => ({
      projectId,
      id: newId(),
      ledgerRevision,
      itemId,
      fromIdentityId: toIdentityId,
      fromSource: toSource,
      toIdentityId: fromIdentityId,
      toSource: fromSource,
      decisionId: revertId,
    })),
  })
  await placeItems(
    tx,
    projectId,
    undone.map(({ itemId, fromIdentityId, fromSource }) => ({
      itemId,
      toIdentityId: fromIdentityId,
      source: fromSource,
    })),
  )
  return undone.filter(({ fromIdentityId, toIdentityId }) => fromIdentityId !== toIdentityId).length
}

async function restoreIdentities(tx: Tx, { projectId, id: decisionId }: Decision, revertId: string): Promise<void> {
  const touched = await tx.decisionIdentity.findMany({ where: { projectId, decisionId } })
  const now = new Map(
    (await tx.identity.findMany({ where: { projectId, id: { in: touched.map(({ identityId }) => identityId) } } })).map(
      (identity) => [identity.id, identity],
    ),
  )
  for (const { identityId, stateBefore, nameBefore, nameAfter } of touched) {
    await tx.identity.update({
      where: { projectId_id: { projectId, id: identityId } },
      data: {
        // One that the decision made goes with it.
        state: stateBefore ?? 'DISSOLVED',
        mergedIntoId: null,
        ...(nameBefore !== nameAfter && { name: nameBefore }),
      },
    })
  }
  await recountIdentities(
    tx,
    projectId,
    touched.map(({ identityId }) => identityId),
  )
  await tx.decisionIdentity.createMany({
    data: touched.map(({ identityId, stateBefore, nameBefore }) => {
      const before = now.get(identityId)
      return {
        projectId,
        decisionId: revertId,
        identityId,
        revisionBefore: before?.revision,
        revisionAfter: (before?.revision ?? 0) + 1,
        stateBefore: before?.state,
        stateAfter: stateBefore ?? 'DISSOLVED',
        nameBefore: before?.name,
        nameAfter: nameBefore,
      }
    }),
  })
}

/** The question that was answered is open again. */
async function reopenTask(tx: Tx, { projectId, taskId }: Decision): Promise<void> {
  if (!taskId) return
  await tx.reviewAnswer.deleteMany({ where: { projectId, taskId } })
  await tx.reviewTask.updateMany({
    where: { projectId, id: taskId },
    data: { state: 'PENDING', decisionId: null, assigneeId: null, leaseExpiresAt: null, revision: { increment: 1 } },
  })
}
