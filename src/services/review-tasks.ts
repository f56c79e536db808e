import {
  type Decision,
  Prisma,
  type ReviewAnswer,
  type ReviewSkipReason,
  type ReviewTask,
  type ReviewTaskKind,
  type ReviewVerdict,
} from '../generated/prisma/client.ts'
import { hasPermission, requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { checkComment } from './comment.ts'
import { invalid } from './errors.ts'
import { onceOnly, rememberedAnswer, secondPart } from './idempotency.ts'
import { type AnswerOutcome, type HeldTasks, lockTasks, planAnswers, writeBatch } from './review-answers.ts'
import { findReviewSettings, type ReviewSettings } from './review-settings.ts'
import { unseen } from './unseen.ts'

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
  kinds?: ReviewTaskKind[] | null
  idempotencyKey: string
}

function checkCount(what: string, count: number, least: number): void {
  if (!Number.isInteger(count) || count < least || count > MAX_BATCH) {
    throw invalid(`${what} must be ${least} to ${MAX_BATCH}: got ${count}`, 'input', what)
  }
}

/** How many of some tasks each come by chance: a share of .08 is one in a batch of ten most of the time, not never. */
function drawCount(tasks: number, share: number): number {
  let count = 0
  for (let i = 0; i < tasks; i++) if (Math.random() < share) count++
  return count
}

/**
 * Holds the next tasks, best first, with the random share and gold mixed in. Rows that somebody else is claiming this very
 * moment are skipped, so that two people never get the same one; a lapsed hold is free again; nobody is asked a question
 * twice, or one that they would rather not answer; disputes go to those who may settle them.
 */
function claimSql(
  viewer: Viewer,
  projectId: string,
  count: number,
  {
    settings,
    canSettle,
    kinds,
    except = [],
    onlyIf = Prisma.sql`true`,
  }: {
    settings: ReviewSettings
    canSettle: boolean
    kinds?: ReviewTaskKind[] | null
    except?: string[]
    onlyIf?: Prisma.Sql
  },
): Prisma.Sql {
  const gold = drawCount(count, settings.goldShare)
  const audit = drawCount(count - gold, settings.auditShare)
  const ofKind = kinds?.length ? Prisma.sql`AND t."kind" = ANY(${unseen(kinds, '"ReviewTaskKind"[]')})` : Prisma.empty
  const open = canSettle ? ['PENDING', 'LEASED', 'ANSWERED', 'DISPUTED'] : ['PENDING', 'LEASED', 'ANSWERED']
  // The list of states is spelled out, so that the planner can prove the predicate of the index over open tasks.
  const isFree = Prisma.sql`${onlyIf} AND t."projectId" = ${projectId}::uuid ${ofKind}
    AND t."state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED') AND t."state" = ANY(${unseen(open, '"ReviewTaskState"[]')})
    AND t."id" <> ALL(${unseen(except, 'uuid[]')})
    AND (t."state" <> 'LEASED' OR t."leaseExpiresAt" < now())
    -- OFFSET 0: one look into an index for each task on the way, never a list of all that this person has answered.
    AND NOT EXISTS (SELECT 1 FROM "ReviewAnswer" a
      WHERE a."projectId" = t."projectId" AND a."taskId" = t."id" AND a."actorId" = ${viewer.userId}::uuid OFFSET 0)
    AND NOT EXISTS (SELECT 1 FROM "ReviewSkip" k
      WHERE k."projectId" = t."projectId" AND k."taskId" = t."id" AND k."actorId" = ${viewer.userId}::uuid OFFSET 0)`
  return Prisma.sql`
    gold AS MATERIALIZED (
      SELECT t."id" FROM "ReviewTask" t WHERE ${isFree} AND t."goldVerdict" IS NOT NULL
      ORDER BY md5(t."id"::text || ${viewer.userId}) LIMIT ${unseen(gold, 'bigint')} FOR UPDATE SKIP LOCKED),
    audit AS MATERIALIZED (
      SELECT t."id" FROM "ReviewTask" t WHERE ${isFree} AND t."auditRank" IS NOT NULL
      -- Half of the share are links, which the threshold needs; pairs within and across take a quarter each.
      ORDER BY t."auditRank" * CASE WHEN t."auditStratum" = 'LINK' THEN 1 ELSE 2 END, t."id" LIMIT ${unseen(audit, 'bigint')}
      FOR UPDATE SKIP LOCKED),
    ordered AS MATERIALIZED (
      SELECT t."id" FROM "ReviewTask" t WHERE ${isFree} AND NOT t."isAudit" AND t."goldVerdict" IS NULL
        AND t."id" NOT IN (SELECT "id" FROM audit)
      ORDER BY t."priority" DESC, t."id"
      LIMIT ${count} - (SELECT count(*) FROM gold) - (SELECT count(*) FROM audit) FOR UPDATE SKIP LOCKED),
    claimed AS (
      UPDATE "ReviewTask" h SET "state" = 'LEASED', "assigneeId" = ${viewer.userId}::uuid,
        "leaseExpiresAt" = now() + ${LEASE_MINUTES} * interval '1 minute', "revision" = h."revision" + 1, "updatedAt" = now()
      FROM (SELECT "id" FROM gold UNION ALL SELECT "id" FROM audit UNION ALL SELECT "id" FROM ordered) s
      WHERE h."projectId" = ${projectId}::uuid AND h."id" = s."id"
      RETURNING h.*)`
}

const bestFirst = (tasks: readonly ReviewTask[]): ReviewTask[] =>
  [...tasks].sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1))

/** Tasks in the order of their ids. */
async function findTasks(app: App, projectId: string, ids: readonly string[]): Promise<ReviewTask[]> {
  const rows = await app.prisma.reviewTask.findMany({ where: { projectId, id: { in: [...ids] } } })
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

/** Holds the next tasks for the caller, at most 25. ANNOTATOR and above. */
export async function claimReviewTasks(app: App, viewer: Viewer, input: ClaimReviewTasks): Promise<ReviewTask[]> {
  const { projectId, count, kinds } = input
  const role = await requireAccess(app, viewer, projectId, 'review.answer')
  checkCount('count', count, 1)
  const canSettle = hasPermission(role, 'review.adjudicate')
  let claimed: ReviewTask[] | undefined
  const { taskIds } = await onceOnly(app, viewer, 'claimReviewTasks', input, async (tx) => {
    const settings = await findReviewSettings({ prisma: tx }, projectId)
    const claim = claimSql(viewer, projectId, count, { settings, canSettle, kinds })
    const rows = await tx.$queryRaw<ReviewTask[]>`/* claimReviewTasks */ WITH ${claim} SELECT * FROM claimed`
    claimed = bestFirst(rows)
    return { taskIds: claimed.map(({ id }) => id) }
  })
  return claimed ?? findTasks(app, projectId, taskIds)
}

export interface Submitted {
  results: (Omit<AnswerOutcome, 'taskId'> & { task: ReviewTask; decision?: Decision })[]
  nextTasks: ReviewTask[]
}

/**
 * Answers held tasks and, in the same call, holds the next. ANNOTATOR and above; each answer stands or falls alone. The
 * number of statements does not grow with the batch. The next are held after the answers are committed: who waits for the
 * ledger need not wait for that.
 */
export async function submitReviewAnswers(app: App, viewer: Viewer, input: SubmitReviewAnswers): Promise<Submitted> {
  const { projectId, answers, claimNext } = input
  const role = await requireAccess(app, viewer, projectId, 'review.answer')
  checkCount('claimNext', claimNext, 0)
  if (answers.length < 1 || answers.length > MAX_BATCH)
    throw invalid(`answers must be 1 to ${MAX_BATCH}: got ${answers.length}`, 'input', 'answers')
  if (new Set(answers.map(({ taskId }) => taskId)).size < answers.length) {
    throw invalid('answers must name each task once', 'input', 'answers')
  }
  const canSettle = hasPermission(role, 'review.adjudicate')
  let writing: ReturnType<typeof writeBatch> | undefined
  let claiming: Promise<ReviewTask[]> | undefined
  const { outcomes, nextIds } = await onceOnly<Remembered, HeldTasks>(
    app,
    viewer,
    SUBMIT,
    input,
    async (tx, remember, held) => {
      const batch = await planAnswers(tx, viewer, projectId, answers, { held, canSettle })
      const { outcomes, settings } = batch
      // Nothing waits from here on: what is written, the COMMIT and the claim behind it travel together.
      writing = writeBatch(tx, viewer, projectId, batch, remember({ outcomes }))
      if (claimNext > 0) claiming = app.afterCommit(tx, claimAfter(viewer, input, { canSettle, settings }))
      for (const sent of [writing, claiming]) sent?.catch(() => {})
      return { outcomes }
    },
    { first: (tx) => lockTasks(tx, viewer, projectId, answers) },
  )
  // Where a statement has failed, the COMMIT was none.
  const { closed = [], decisions = [] } = (await writing) ?? {}
  const next = nextIds
    ? await findTasks(app, projectId, nextIds)
    : await nextTasks(app, viewer, input, { canSettle, claiming })
  const known = new Map(closed.map((task) => [task.id, task]))
  // A repeat of the call, and tasks whose answer was refused, are read anew.
  const missing = outcomes.map(({ taskId }) => taskId).filter((id) => !known.has(id))
  if (missing.length > 0) for (const task of await findTasks(app, projectId, missing)) known.set(task.id, task)
  return {
    results: outcomes.flatMap(({ taskId, ...outcome }) => {
      const task = known.get(taskId)
      return task ? [{ ...outcome, task, decision: decisions.find(({ id }) => id === outcome.decisionId) }] : []
    }),
    nextTasks: next,
  }
}

const SUBMIT = 'submitReviewAnswers'

/** What a repeat of a submit is answered with; `nextIds` come once the next tasks are held. */
interface Remembered {
  outcomes: AnswerOutcome[]
  nextIds?: string[]
}

/** Holds the tasks that follow a batch of answers, once: a repeat of the call gets the same ones. */
function claimAfter(
  viewer: Viewer,
  input: SubmitReviewAnswers,
  { canSettle, settings }: { canSettle: boolean; settings: ReviewSettings },
): Prisma.Sql {
  const { projectId, answers, claimNext, kinds } = input
  const except = answers.map(({ taskId }) => taskId)
  const onlyIf = Prisma.sql`EXISTS (SELECT 1 FROM turn)`
  const claim = claimSql(viewer, projectId, claimNext, { settings, canSettle, kinds, except, onlyIf })
  const ids = Prisma.sql`SELECT coalesce(jsonb_agg("id" ORDER BY "priority" DESC, "id"), '[]') FROM claimed`
  const { turn, noted } = secondPart(viewer, SUBMIT, input, 'nextIds', ids)
  return Prisma.sql`/* claimAfter */ WITH ${turn}, ${claim}, ${noted} SELECT * FROM claimed`
}

/** The tasks that follow a batch of answers; of a repeat whose first call did not get to them, too. */
async function nextTasks(
  app: App,
  viewer: Viewer,
  input: SubmitReviewAnswers,
  { canSettle, claiming }: { canSettle: boolean; claiming?: Promise<ReviewTask[]> },
): Promise<ReviewTask[]> {
  const { projectId, claimNext } = input
  if (claimNext === 0) return []
  const rows = await (claiming ?? claimNow())
  if (rows.length > 0) return bestFirst(rows)
  // None is left, or the same call, sent twice, has them.
  const { nextIds = [] } = await rememberedAnswer<Remembered>(app, viewer, SUBMIT, input)
  return findTasks(app, projectId, nextIds)

  async function claimNow(): Promise<ReviewTask[]> {
    const settings = await findReviewSettings(app, projectId)
    return app.prisma.$queryRaw<ReviewTask[]>(claimAfter(viewer, input, { canSettle, settings }))
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

/** Whether anybody has answered: such a task waits for the next answer, not for the first. */
const WAITING = Prisma.sql`CASE WHEN EXISTS (SELECT 1 FROM "ReviewAnswer" a
  WHERE a."projectId" = t."projectId" AND a."taskId" = t."id") THEN (
    CASE WHEN (SELECT count(DISTINCT a."verdict") FROM "ReviewAnswer" a WHERE a."projectId" = t."projectId"
      AND a."taskId" = t."id") > 1 AND t."goldVerdict" IS NULL THEN 'DISPUTED' ELSE 'ANSWERED' END)
  ELSE 'PENDING' END::"ReviewTaskState"`

async function release(tx: App['prisma'] | Tx, viewer: Viewer, projectId: string, taskIds: string[]) {
  return tx.$queryRaw<ReviewTask[]>`
    /* releaseReviewTasks */ UPDATE "ReviewTask" t SET "assigneeId" = NULL, "leaseExpiresAt" = NULL,
      "revision" = "revision" + 1, "updatedAt" = now(), "state" = ${WAITING}
    WHERE "projectId" = ${projectId}::uuid AND "id" = ANY(${taskIds}::uuid[]) AND "state" = 'LEASED'
      AND "assigneeId" = ${viewer.userId}::uuid
    RETURNING t.*`
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
  return inOrder(taskIds, await release(app.prisma, viewer, projectId, taskIds))
}

const inOrder = (ids: readonly string[], tasks: readonly ReviewTask[]): ReviewTask[] =>
  ids.flatMap((id) => tasks.find((task) => task.id === id) ?? [])

export interface SkipReviewTasks {
  projectId: string
  taskIds: string[]
  reason: ReviewSkipReason
  comment?: string | null
}

/**
 * Gives the caller's tasks back with a reason, never to be offered to them again; others still get them. Returns those given
 * back. ANNOTATOR and above.
 */
export async function skipReviewTasks(
  app: App,
  viewer: Viewer,
  { projectId, taskIds, reason, comment }: SkipReviewTasks,
): Promise<ReviewTask[]> {
  await requireAccess(app, viewer, projectId, 'review.answer')
  checkIds(taskIds)
  checkComment(comment)
  return app.prisma.$transaction(async (tx) => {
    const skipped = await release(tx, viewer, projectId, taskIds)
    await tx.reviewSkip.createMany({
      data: skipped.map(({ id }) => ({ projectId, taskId: id, actorId: viewer.userId, reason, comment })),
      skipDuplicates: true,
    })
    return inOrder(taskIds, skipped)
  })
}

const WATCH_EVERY_MS = 1_000

/** What a holder sees of a task: its revision grows with each change, and a hold can lapse without one. */
const lapsed = (task: ReviewTask, now: Date): boolean =>
  task.state === 'LEASED' && task.leaseExpiresAt !== null && task.leaseExpiresAt <= now

/**
 * Tasks that the caller holds, whenever one changes, lapses or is taken over: the state now, within a second or two. Works
 * across processes; ends with the connection.
 */
export async function watchMyTasks(app: App, viewer: Viewer, projectId: string): Promise<AsyncGenerator<ReviewTask>> {
  // Looked at before anything is opened, so that a refusal is an answer and not a broken stream.
  await requireAccess(app, viewer, projectId, 'review.answer')
  return changesOfMine(app, viewer, projectId)
}

async function* changesOfMine(app: App, viewer: Viewer, projectId: string): AsyncGenerator<ReviewTask> {
  const held = new Map<string, string>()
  const markOf = (task: ReviewTask) =>
    `${task.revision}/${task.state}/${task.assigneeId}/${lapsed(task, app.clock.now())}`
  for (let isFirst = true; ; isFirst = false) {
    const rows = await app.prisma.$queryRaw<ReviewTask[]>`
      /* watchMyTasks */ SELECT * FROM "ReviewTask" WHERE "projectId" = ${projectId}::uuid
        AND "assigneeId" = ${viewer.userId}::uuid AND "state" IN ('LEASED', 'OBSOLETE')
      UNION SELECT * FROM "ReviewTask" WHERE "projectId" = ${projectId}::uuid AND "id" = ANY(${[...held.keys()]}::uuid[])`
    for (const task of rows) {
      const isMine = task.assigneeId === viewer.userId && task.state === 'LEASED'
      const mark = markOf(task)
      const before = held.get(task.id)
      // What is claimed or given back by the caller's own calls is in their answers; the stream tells of the rest.
      if (before === undefined && !isMine) continue
      if (before !== undefined && before !== mark) yield task
      if (isMine) held.set(task.id, mark)
      else held.delete(task.id)
      if (isFirst && isMine && lapsed(task, app.clock.now())) yield task
    }
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS))
    // A membership that was taken away ends the stream with a refusal.
    viewer.roles.delete(projectId)
    await requireAccess(app, viewer, projectId, 'review.answer')
  }
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

/**
 * Tasks by kind and state, each counted up to a cap. Gold stays hidden, and audit questions count once they are asked: most of
 * them never are, and those that earlier decisions answer come with the answer.
 */
export async function summariseQueue(app: App, viewer: Viewer, projectId: string): Promise<QueueCount[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const rows = await app.prisma.$queryRaw<{ kind: ReviewTaskKind; state: ReviewTask['state']; n: number }[]>`
    /* summariseQueue */ SELECT k."kind", s."state", c.n
    FROM unnest(enum_range(NULL::"ReviewTaskKind")) AS k("kind"), unnest(enum_range(NULL::"ReviewTaskState")) AS s("state"),
      LATERAL (SELECT count(*)::int AS n FROM (SELECT 1 FROM "ReviewTask" t WHERE t."projectId" = ${projectId}::uuid
        AND t."state" = s."state" AND t."kind" = k."kind" AND t."goldVerdict" IS NULL
        AND NOT (t."isAudit" AND (t."state" = 'PENDING' OR t."state" = 'OBSOLETE' AND NOT EXISTS (SELECT 1
          FROM "ReviewAnswer" a WHERE a."projectId" = t."projectId" AND a."taskId" = t."id" OFFSET 0)))
        LIMIT ${COUNT_CAP + 1}) x) c
    WHERE c.n > 0 ORDER BY 1, 2`
  return rows.map(({ kind, state, n }) => ({
    kind,
    state,
    count: { value: Math.min(n, COUNT_CAP), isExact: n <= COUNT_CAP },
  }))
}
