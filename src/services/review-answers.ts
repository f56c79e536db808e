import type { ReviewTask, ReviewVerdict } from '../generated/prisma/client.ts'
import type { Viewer } from './access.ts'
import type { Tx } from './app.ts'
import type { DecisionChange } from './decision-change.ts'
import { applyDecisionIn } from './decisions.ts'
import { DomainError, type DomainErrorCode, type DomainErrorDetail } from './errors.ts'
import { newId } from './id.ts'
import type { ReviewAnswerInput } from './review-tasks.ts'

/** What came of one answer; small, for it is remembered under the idempotency key. */
export interface AnswerOutcome {
  taskId: string
  decisionId?: string
  refusal?: { code: DomainErrorCode; message: string; detail: DomainErrorDetail }
}

/** An answer that the model gives less than this probability is asked of a second person. */
const CONTENT_PROBABILITY = 0.8

/** The model's probability of a verdict; undefined where it has no opinion. */
function supportOf({ probability }: ReviewTask, verdict: ReviewVerdict): number | undefined {
  if (verdict === 'SAME') return probability
  if (verdict === 'DIFFERENT') return 1 - probability
  return undefined
}

async function lockHeldTask(
  tx: Tx,
  viewer: Viewer,
  projectId: string,
  { taskId, expectedRevision }: ReviewAnswerInput,
): Promise<ReviewTask> {
  const [task] = await tx.$queryRaw<ReviewTask[]>`
    /* lockHeldTask */ SELECT * FROM "ReviewTask" WHERE "projectId" = ${projectId}::uuid AND "id" = ${taskId}::uuid FOR UPDATE`
  if (!task) throw new DomainError('NOT_FOUND', `review task not found: ${taskId}`)
  const { state, assigneeId, revision } = task
  // Settled by another decision, perhaps of the same batch, while this person held it.
  if (state === 'OBSOLETE' && assigneeId === viewer.userId) return task
  // A hold that has lapsed still counts while nobody else took the task: the work is not thrown away.
  if (state !== 'LEASED' || assigneeId !== viewer.userId) {
    const why = state === 'LEASED' ? 'somebody else holds it now' : `it is ${state}`
    throw new DomainError('LEASE_LOST', `you no longer hold this task: ${why}`, { projectId, taskId })
  }
  if (revision !== expectedRevision) {
    throw new DomainError('STALE_REVISION', `the task is at revision ${revision}: you saw ${expectedRevision}`, {
      projectId,
      currentRevision: revision,
    })
  }
  return task
}

/** Items below a vertex of a run, itself included. */
async function findSubtreeItems(tx: Tx, { projectId, runId, childIndex }: ReviewTask): Promise<string[]> {
  const rows = await tx.$queryRaw<{ itemId: string }[]>`
    /* findSubtreeItems */
    WITH RECURSIVE below AS (
      SELECT v."index", v."itemId" FROM "Vertex" v
      WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND v."index" = ${childIndex}
      UNION ALL
      SELECT v."index", v."itemId" FROM below b
      JOIN "Vertex" v ON v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND v."parentIndex" = b."index"
    ) SELECT "itemId" FROM below`
  return rows.map(({ itemId }) => itemId)
}

/**
 * An answer to a question that a decision has settled meanwhile, often one of the same batch: kept if it agrees.
 *
 * @throws DomainError INVALID_STATE if what was decided says otherwise.
 */
async function checkAgreement(tx: Tx, task: ReviewTask, { verdict }: ReviewAnswerInput): Promise<void> {
  const { projectId, leftItemId, rightItemId } = task
  if (!leftItemId || !rightItemId || (verdict !== 'SAME' && verdict !== 'DIFFERENT')) return
  const places = await tx.identityMember.findMany({
    where: { projectId, itemId: { in: [leftItemId, rightItemId] } },
    select: { identityId: true },
  })
  const isTogether = places.length === 2 && places[0].identityId === places[1].identityId
  if (isTogether === (verdict === 'SAME')) return
  throw new DomainError(
    'INVALID_STATE',
    `another decision has settled this meanwhile: the two are ${isTogether ? 'together' : 'apart'} now; ` +
      `to change that, ${isTogether ? 'split their identity' : 'merge their identities'}`,
    { projectId, taskId: task.id },
  )
}

async function changeOf(tx: Tx, task: ReviewTask, answer: ReviewAnswerInput): Promise<DecisionChange> {
  const leftItemId = task.leftItemId as string
  const rightItemId = task.rightItemId as string
  if (answer.verdict === 'INVALID_SUBJECT') {
    return { exclude: { itemIds: answer.outlierItemIds?.length ? answer.outlierItemIds : [leftItemId] } }
  }
  if (answer.verdict === 'SAME') return { link: { leftItemId, rightItemId } }
  const leavingItemIds = task.kind === 'EDGE' ? await findSubtreeItems(tx, task) : []
  return { separate: { leftItemId, rightItemId, leavingItemIds } }
}

/** Whether the answers so far settle the task, and how; `undefined` waits for somebody else. */
function settle(
  verdicts: readonly ReviewVerdict[],
  task: ReviewTask,
  { canSettle, hasOthers }: { canSettle: boolean; hasOthers: boolean },
): { verdict?: ReviewVerdict; state: 'APPLIED' | 'ANSWERED' | 'DISPUTED' } {
  const latest = verdicts.at(-1) as ReviewVerdict
  if (latest === 'UNSURE') return { state: verdicts.length > 1 ? 'DISPUTED' : 'ANSWERED' }
  if (canSettle || !hasOthers) return { verdict: latest, state: 'APPLIED' }
  const firm = verdicts.filter((verdict) => verdict !== 'UNSURE')
  if (firm.length === 1) {
    const isContent = (supportOf(task, latest) ?? 0) >= CONTENT_PROBABILITY
    return isContent ? { verdict: latest, state: 'APPLIED' } : { state: 'ANSWERED' }
  }
  return firm.every((verdict) => verdict === latest) ? { verdict: latest, state: 'APPLIED' } : { state: 'DISPUTED' }
}

/**
 * Takes one answer: stores it, and once the task is settled turns it into a decision. A refusal concerns this answer
 * alone; one that earlier decisions make impossible closes the task as OBSOLETE, for its answer follows from them.
 */
export async function answerTask(
  tx: Tx,
  viewer: Viewer,
  projectId: string,
  answer: ReviewAnswerInput,
  canSettle: boolean,
  position: number,
): Promise<AnswerOutcome> {
  const { taskId, verdict } = answer
  try {
    const task = await lockHeldTask(tx, viewer, projectId, answer)
    if (task.state === 'OBSOLETE') await checkAgreement(tx, task, answer)
    const support = supportOf(task, verdict)
    const earlier = await tx.reviewAnswer.findMany({ where: { projectId, taskId }, orderBy: { answeredAt: 'asc' } })
    await tx.reviewAnswer.create({
      data: {
        projectId,
        id: newId(),
        taskId,
        actorId: viewer.userId,
        verdict,
        outlierItemIds: answer.outlierItemIds ?? [],
        identityId: answer.identityId,
        contradictsModel: support !== undefined && support < 0.5,
        durationMs: Math.max(0, answer.durationMs),
      },
    })
    if (task.state === 'OBSOLETE') return { taskId }
    const others = await tx.membership.count({
      where: { projectId, userId: { not: viewer.userId }, role: { not: 'VIEWER' } },
    })
    const verdicts = [...earlier.map((given) => given.verdict), verdict]
    const settled = settle(verdicts, task, { canSettle, hasOthers: others > 0 })
    if (!settled.verdict) {
      await closeHold(tx, task, settled.state)
      return { taskId }
    }
    try {
      const change = await changeOf(tx, task, answer)
      const actor = { projectId, userId: viewer.userId, requestId: viewer.requestId, taskId }
      const decision = await applyDecisionIn(tx, actor, change)
      await closeHold(tx, task, 'APPLIED', decision.id)
      return { taskId, decisionId: decision.id }
    } catch (error) {
      if (!(error instanceof DomainError)) throw error
      await closeHold(tx, task, 'OBSOLETE')
      return { taskId, refusal: { code: error.code, message: error.message, detail: error.detail } }
    }
  } catch (error) {
    if (!(error instanceof DomainError)) throw error
    const detail = { ...error.detail, path: ['input', 'answers', String(position)] }
    return { taskId, refusal: { code: error.code, message: error.message, detail } }
  }
}

async function closeHold(
  tx: Tx,
  { projectId, id }: ReviewTask,
  state: 'APPLIED' | 'ANSWERED' | 'DISPUTED' | 'OBSOLETE',
  decisionId?: string,
): Promise<void> {
  await tx.reviewTask.update({
    where: { projectId_id: { projectId, id } },
    data: {
      state,
      decisionId,
      assigneeId: null,
      leaseExpiresAt: null,
      revision: { increment: 1 },
      updatedAt: new Date(),
    },
  })
}
