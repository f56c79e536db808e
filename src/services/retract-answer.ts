import type { Decision, ReviewTask } from '../generated/prisma/client.ts'
import { hasPermission, requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { DomainError, notFound } from './errors.ts'
import { onceOnly } from './idempotency.ts'
import { lockProject } from './project-lock.ts'
import { revertDecisionIn } from './revert-decision.ts'
import { LEASE_MINUTES } from './review-tasks.ts'

export interface RetractAnswer {
  projectId: string
  taskId: string
  idempotencyKey: string
}

export interface Retracted {
  /** Held by the caller again; null when later decisions stand on the answer. */
  task: ReviewTask | null
  /** Decisions that must be undone first, newest first. */
  blockedBy: Decision[]
}

/**
 * Takes the caller's own answer back, as if it had not been given: the decision it led to is undone by a REVERT, and the
 * question is theirs to answer again. ANNOTATOR and above, for decisions that their own answer led to; REVIEWER and above
 * for those that a second person's answer settled. Refused with `blockedBy` while later decisions stand on it.
 */
export async function retractReviewAnswer(app: App, viewer: Viewer, input: RetractAnswer): Promise<Retracted> {
  const { projectId, taskId } = input
  const role = await requireAccess(app, viewer, projectId, 'review.answer')
  const { blockedBy } = await onceOnly(app, viewer, 'retractReviewAnswer', input, async (tx) => {
    await lockProject(tx, projectId)
    const task = await requireRetractable(tx, viewer, { projectId, taskId })
    if (task.decisionId) {
      const where = { projectId_id: { projectId, id: task.decisionId } }
      const { actorId } = await tx.decision.findUniqueOrThrow({ where, select: { actorId: true } })
      if (actorId !== viewer.userId && !hasPermission(role, 'decision.apply')) {
        throw new DomainError(
          'FORBIDDEN',
          "another person's answer has settled this question: a REVIEWER can undo that",
        )
      }
      const { blockedBy } = await revertDecisionIn(tx, viewer, { projectId, decisionId: task.decisionId })
      if (blockedBy.length > 0) return { blockedBy }
    }
    await tx.reviewAnswer.deleteMany({ where: { projectId, taskId, actorId: viewer.userId } })
    await tx.$executeRaw`
      /* retractReviewAnswer: hold */ UPDATE "ReviewTask" SET "state" = 'LEASED', "assigneeId" = ${viewer.userId}::uuid,
        "leaseExpiresAt" = now() + ${LEASE_MINUTES} * interval '1 minute', "decisionId" = NULL, "settledVerdict" = NULL,
        "settledAt" = NULL, "revision" = "revision" + 1, "updatedAt" = now()
      WHERE "projectId" = ${projectId}::uuid AND "id" = ${taskId}::uuid`
    return { blockedBy: [] as string[] }
  })
  if (blockedBy.length > 0) {
    const where = { projectId, id: { in: blockedBy } }
    return { task: null, blockedBy: await app.prisma.decision.findMany({ where, orderBy: { ledgerRevision: 'desc' } }) }
  }
  const task = await app.prisma.reviewTask.findUnique({ where: { projectId_id: { projectId, id: taskId } } })
  return { task, blockedBy: [] }
}

/** The task, if the caller has answered it and nobody is busy with it. */
async function requireRetractable(
  tx: Tx,
  viewer: Viewer,
  { projectId, taskId }: { projectId: string; taskId: string },
): Promise<ReviewTask> {
  const [task] = await tx.$queryRaw<ReviewTask[]>`
    /* retractReviewAnswer: lock */ SELECT * FROM "ReviewTask"
    WHERE "projectId" = ${projectId}::uuid AND "id" = ${taskId}::uuid FOR UPDATE`
  if (!task) throw notFound('review task', taskId)
  const mine = await tx.reviewAnswer.findUnique({
    where: { projectId_taskId_actorId: { projectId, taskId, actorId: viewer.userId } },
  })
  if (!mine) throw new DomainError('INVALID_STATE', 'there is no answer of yours to take back')
  if (task.state === 'OBSOLETE') {
    throw new DomainError('INVALID_STATE', 'another decision or run has settled this question meanwhile')
  }
  if (
    task.state === 'LEASED' &&
    task.assigneeId !== viewer.userId &&
    (task.leaseExpiresAt?.getTime() ?? 0) > Date.now()
  ) {
    throw new DomainError('INVALID_STATE', 'somebody else is answering this question now')
  }
  return task
}
