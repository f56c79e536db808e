import {
  Prisma,
  type ReviewAnswer,
  type ReviewTask,
  type ReviewTaskKind,
  type ReviewVerdict,
} from '../generated/prisma/client.ts'
import { hasPermission, requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { invalid } from './errors.ts'
import { onceOnly } from './idempotency.ts'
import { type AnswerOutcome, answerTask } from './review-answers.ts'

export const MAX_BATCH = 25
/** How long a task is held: long enough for a batch and a coffee. */
export const LEASE_MINUTES = 10

export interface ClaimReviewTasks {
  projectId: string
  count: number
  kinds?: ReviewTaskKind[] | null
  idempotencyKey: string
}

export interface ReviewAnswerInput {
  taskId: string
  expectedRevision: number
  verdict: ReviewVerdict
  outlierItemIds?: string[] | null
  identityId?: string | null
  durationMs: number
}

export interface SubmitReviewAnswers {
  projectId: string
  answers: ReviewAnswerInput[]
  claimNext: number
  idempotencyKey: string
}

function checkCount(what: string, count: number, least: number): void {
  if (!Number.isInteger(count) || count < least || count > MAX_BATCH) {
    throw invalid(`${what} must be ${least} to ${MAX_BATCH}: got ${count}`, 'input', what)
  }
}

/**
 * Holds the next tasks, best first. Rows that somebody else is claiming this very moment are skipped, so that two people
 * never get the same one; a lapsed hold is free again; nobody is asked a question twice.
 */
async function claimIn(
  tx: Tx,
  viewer: Viewer,
  projectId: string,
  count: number,
  kinds?: ReviewTaskKind[] | null,
): Promise<string[]> {
  if (count === 0) return []
  const ofKind = kinds?.length ? Prisma.sql`AND t."kind"::text = ANY(${kinds as string[]}::text[])` : Prisma.empty
  const rows = await tx.$queryRaw<{ id: string; priority: number }[]>`
    /* claimReviewTasks */
    UPDATE "ReviewTask" h SET "state" = 'LEASED', "assigneeId" = ${viewer.userId}::uuid,
      "leaseExpiresAt" = now() + ${LEASE_MINUTES} * interval '1 minute', "revision" = h."revision" + 1, "updatedAt" = now()
    FROM (
      SELECT t."projectId", t."id" FROM "ReviewTask" t
      WHERE t."projectId" = ${projectId}::uuid ${ofKind}
        AND (t."state" IN ('PENDING', 'ANSWERED', 'DISPUTED') OR (t."state" = 'LEASED' AND t."leaseExpiresAt" < now()))
        AND NOT EXISTS (SELECT 1 FROM "ReviewAnswer" a
          WHERE a."projectId" = t."projectId" AND a."taskId" = t."id" AND a."actorId" = ${viewer.userId}::uuid)
      ORDER BY t."priority" DESC, t."id" LIMIT ${count} FOR UPDATE SKIP LOCKED) s
    WHERE h."projectId" = s."projectId" AND h."id" = s."id"
    RETURNING h."id", h."priority"`
  return rows.sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1)).map(({ id }) => id)
}

/** Tasks in the order of their ids. */
async function findTasks(app: App, projectId: string, ids: readonly string[]): Promise<ReviewTask[]> {
  const rows = await app.prisma.reviewTask.findMany({ where: { projectId, id: { in: [...ids] } } })
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

/** Holds the next tasks for the caller, at most 25. ANNOTATOR and above. */
export async function claimReviewTasks(app: App, viewer: Viewer, input: ClaimReviewTasks): Promise<ReviewTask[]> {
  const { projectId, count, kinds } = input
  await requireAccess(app, viewer, projectId, 'review.answer')
  checkCount('count', count, 1)
  const { taskIds } = await onceOnly(app, viewer, 'claimReviewTasks', input, async (tx) => ({
    taskIds: await claimIn(tx, viewer, projectId, count, kinds),
  }))
  return findTasks(app, projectId, taskIds)
}

export interface Submitted {
  results: (Omit<AnswerOutcome, 'taskId'> & { task: ReviewTask })[]
  nextTasks: ReviewTask[]
}

/** Answers held tasks and, in the same call, holds the next. ANNOTATOR and above; each answer stands or falls alone. */
export async function submitReviewAnswers(app: App, viewer: Viewer, input: SubmitReviewAnswers): Promise<Submitted> {
  const { projectId, answers, claimNext } = input
  const role = await requireAccess(app, viewer, projectId, 'review.answer')
  checkCount('claimNext', claimNext, 0)
  if (answers.length > MAX_BATCH)
    throw invalid(`answers must be at most ${MAX_BATCH}: got ${answers.length}`, 'input', 'answers')
  if (new Set(answers.map(({ taskId }) => taskId)).size < answers.length) {
    throw invalid('answers must name each task once', 'input', 'answers')
  }
  const canSettle = hasPermission(role, 'review.adjudicate')
  const { outcomes, nextIds } = await onceOnly(app, viewer, 'submitReviewAnswers', input, async (tx) => {
    const outcomes: AnswerOutcome[] = []
    for (const [i, answer] of answers.entries())
      outcomes.push(await answerTask(tx, viewer, projectId, answer, canSettle, i))
    return { outcomes, nextIds: await claimIn(tx, viewer, projectId, claimNext) }
  })
  const tasks = await findTasks(app, projectId, [...outcomes.map(({ taskId }) => taskId), ...nextIds])
  const byId = new Map(tasks.map((task) => [task.id, task]))
  return {
    results: outcomes.flatMap(({ taskId, ...outcome }) => {
      const task = byId.get(taskId)
      return task ? [{ ...outcome, task }] : []
    }),
    nextTasks: nextIds.flatMap((id) => byId.get(id) ?? []),
  }
}

function checkIds(taskIds: readonly string[]): void {
  if (taskIds.length < 1 || taskIds.length > MAX_BATCH) {
    throw invalid(`taskIds must be 1 to ${MAX_BATCH}: got ${taskIds.length}`, 'input', 'taskIds')
  }
}

/** Extends the caller's holds; returns those still held. */
export async function renewReviewLeases(
  app: App,
  viewer: Viewer,
  projectId: string,
  taskIds: string[],
): Promise<ReviewTask[]> {
  await requireAccess(app, viewer, projectId, 'review.answer')
  checkIds(taskIds)
  await app.prisma.$executeRaw`
    /* renewReviewLeases */ UPDATE "ReviewTask" SET "leaseExpiresAt" = now() + ${LEASE_MINUTES} * interval '1 minute'
    WHERE "projectId" = ${projectId}::uuid AND "id" = ANY(${taskIds}::uuid[]) AND "state" = 'LEASED'
      AND "assigneeId" = ${viewer.userId}::uuid`
  const tasks = await findTasks(app, projectId, taskIds)
  return tasks.filter(({ state, assigneeId }) => state === 'LEASED' && assigneeId === viewer.userId)
}

/** Gives the caller's tasks back; returns those given back. A task with an answer goes on waiting for the next one. */
export async function releaseReviewTasks(
  app: App,
  viewer: Viewer,
  projectId: string,
  taskIds: string[],
): Promise<ReviewTask[]> {
  await requireAccess(app, viewer, projectId, 'review.answer')
  checkIds(taskIds)
  const released = await app.prisma.$queryRaw<{ id: string }[]>`
    /* releaseReviewTasks */ UPDATE "ReviewTask" t SET "assigneeId" = NULL, "leaseExpiresAt" = NULL,
      "revision" = "revision" + 1, "updatedAt" = now(),
      "state" = CASE WHEN EXISTS (SELECT 1 FROM "ReviewAnswer" a WHERE a."projectId" = t."projectId" AND a."taskId" = t."id")
        THEN 'ANSWERED'::"ReviewTaskState" ELSE 'PENDING'::"ReviewTaskState" END
    WHERE "projectId" = ${projectId}::uuid AND "id" = ANY(${taskIds}::uuid[]) AND "state" = 'LEASED'
      AND "assigneeId" = ${viewer.userId}::uuid
    RETURNING "id"`
  return findTasks(
    app,
    projectId,
    released.map(({ id }) => id),
  )
}

/** Answers of tasks, by task: none to an annotator before the task is settled, so that opinions stay independent. */
export async function findAnswers(
  app: App,
  viewer: Viewer,
  projectId: string,
  tasks: readonly Pick<ReviewTask, 'id' | 'state'>[],
): Promise<Map<string, ReviewAnswer[]>> {
  const role = await requireAccess(app, viewer, projectId, 'project.read')
  const shown = tasks.filter(
    ({ state }) => state === 'APPLIED' || state === 'OBSOLETE' || hasPermission(role, 'review.adjudicate'),
  )
  const answers = await app.prisma.reviewAnswer.findMany({
    where: { projectId, taskId: { in: shown.map(({ id }) => id) } },
    orderBy: { answeredAt: 'asc' },
  })
  const byTask = new Map<string, ReviewAnswer[]>(tasks.map(({ id }) => [id, []]))
  for (const answer of answers) byTask.get(answer.taskId)?.push(answer)
  return byTask
}

export interface QueueCount {
  kind: ReviewTaskKind
  state: ReviewTask['state']
  count: { value: number; isExact: boolean }
}

const COUNT_CAP = 10_000

/** Tasks by kind and state, each counted up to a cap. */
export async function summariseQueue(app: App, viewer: Viewer, projectId: string): Promise<QueueCount[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const rows = await app.prisma.$queryRaw<{ kind: ReviewTaskKind; state: ReviewTask['state']; n: number }[]>`
    /* summariseQueue */ SELECT "kind", "state", count(*)::int AS n FROM "ReviewTask"
    WHERE "projectId" = ${projectId}::uuid GROUP BY 1, 2 ORDER BY 1, 2`
  return rows.map(({ kind, state, n }) => ({
    kind,
    state,
    count: { value: Math.min(n, COUNT_CAP), isExact: n <= COUNT_CAP },
  }))
}
