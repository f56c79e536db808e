import type { Decision, Prisma, Project, ReviewAnswer, ReviewTask, ReviewVerdict } from '../generated/prisma/client.ts'
import type { Viewer } from './access.ts'
import type { Tx } from './app.ts'
import { type DecisionChange, namedIdentities, namedItems } from './decision-change.ts'
import { type DecisionState, emptyPlan, planDecision } from './decision-plan.ts'
import { readState } from './decision-state.ts'
import { type DecisionActor, findAnswered, type LedgerEntry, MovingState, writeEntries } from './decision-write.ts'
import { DomainError, type DomainErrorCode, type DomainErrorDetail, notFound } from './errors.ts'
import { newId } from './id.ts'
import { answerThatFollows, factsAfter, type NeedlessTask } from './needless-tasks.ts'
import type { ItemPair, Panels } from './review-questions.ts'
import { type ReviewSettings, readReviewSettings } from './review-settings.ts'
import type { ReviewAnswerInput } from './review-tasks.ts'
import { unseen } from './unseen.ts'

/** What came of one answer; small, for it is remembered under the idempotency key. */
export interface AnswerOutcome {
  taskId: string
  decisionId?: string
  refusal?: { code: DomainErrorCode; message: string; detail: DomainErrorDetail }
}

/** An answer that the model gives less than this probability is asked of a second person. */
const CONTENT_PROBABILITY = 0.8

type GivenAnswer = Pick<ReviewAnswer, 'actorId' | 'verdict' | 'outlierItemIds' | 'identityId'>

/** A task as an answer finds it. */
interface HeldTask extends ReviewTask {
  readonly given: GivenAnswer[]
  /** Items below its child vertex, where the answer may take them along. */
  readonly below: string[]
  /** Other people who may answer. */
  readonly others: number
  /** Of the project. */
  readonly settings: Project['settings']
}

/** The tasks of a batch by their ids. */
export type HeldTasks = ReadonlyMap<string, HeldTask>

/** Locks the project and the tasks of a batch, and reads all that its answers need, in one statement. */
export async function lockTasks(
  tx: Tx,
  viewer: Viewer,
  projectId: string,
  answers: readonly ReviewAnswerInput[],
): Promise<HeldTasks> {
  const taskIds = answers.map(({ taskId }) => taskId)
  const leaving = answers.filter(({ verdict }) => verdict === 'DIFFERENT').map(({ taskId }) => taskId)
  // The project first, as every decision does: whoever waits here holds nothing that another one needs.
  const rows = await tx.$queryRaw<HeldTask[]>`
    /* lockTasks */
    WITH RECURSIVE project AS MATERIALIZED (SELECT "id", "settings" FROM "Project" WHERE "id" = ${projectId}::uuid FOR UPDATE),
    held AS MATERIALIZED (
      SELECT t.*, p."settings" FROM project p JOIN "ReviewTask" t ON t."projectId" = p."id"
      WHERE t."id" = ANY(${unseen(taskIds, 'uuid[]')}) FOR UPDATE OF t),
    below AS (
      SELECT h."id" AS "taskId", v."runId", v."index", v."itemId" FROM held h
      JOIN "Vertex" v ON v."projectId" = h."projectId" AND v."runId" = h."runId" AND v."index" = h."childIndex"
      WHERE h."kind" = 'EDGE' AND h."id" = ANY(${unseen(leaving, 'uuid[]')})
      UNION ALL
      SELECT b."taskId", v."runId", v."index", v."itemId" FROM below b
      JOIN "Vertex" v ON v."projectId" = ${projectId}::uuid AND v."runId" = b."runId" AND v."parentIndex" = b."index")
    SELECT h.*,
      coalesce((SELECT jsonb_agg(jsonb_build_object('actorId', a."actorId", 'verdict', a."verdict", 'outlierItemIds',
        a."outlierItemIds", 'identityId', a."identityId") ORDER BY a."answeredAt", a."id") FROM "ReviewAnswer" a
        WHERE a."projectId" = h."projectId" AND a."taskId" = h."id"), '[]') AS "given",
      coalesce((SELECT jsonb_agg(b."itemId") FROM below b WHERE b."taskId" = h."id"), '[]') AS "below",
      (SELECT count(*)::int FROM "Membership" m WHERE m."projectId" = h."projectId" AND m."role" <> 'VIEWER'
        AND m."userId" <> ${viewer.userId}::uuid) AS "others"
    FROM held h`
  return new Map(rows.map((row) => [row.id, row]))
}

function checkHold(
  task: HeldTask | undefined,
  viewer: Viewer,
  projectId: string,
  { taskId, expectedRevision }: ReviewAnswerInput,
): HeldTask {
  if (!task) throw notFound('review task', taskId)
  const { state, assigneeId, revision } = task
  // Settled by another decision while this person held it.
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

const panelsOf = ({ panels }: ReviewTask) => panels as unknown as Panels

/** Refuses what the question did not offer. */
function checkAnswer(task: ReviewTask, { verdict, outlierItemIds, identityId }: ReviewAnswerInput): void {
  const { kind } = task
  const { left, right } = panelsOf(task)
  const shown = new Set([...left.itemIds, ...(right?.itemIds ?? [])])
  const marked = outlierItemIds ?? []
  const refuse = (message: string) => {
    throw new DomainError('INVALID', message)
  }
  const strange = marked.find((itemId) => !shown.has(itemId))
  if (strange) refuse('outlierItemIds must be items that the task shows: got one that it does not')
  if (kind === 'OUTLIERS') {
    if (verdict === 'SAME' && marked.length > 0)
      refuse(`SAME says that all belong: got ${marked.length} outlierItemIds`)
    if (verdict !== 'SAME' && verdict !== 'UNSURE' && marked.length === 0)
      refuse(`${verdict} needs outlierItemIds, the items that do not belong: got none`)
    if (verdict === 'DIFFERENT' && marked.length === shown.size)
      refuse('at least one item must belong: got all of them as outlierItemIds')
  } else if (verdict === 'SAME' || verdict === 'DIFFERENT') {
    if (marked.length > 0) refuse(`outlierItemIds belong to OUTLIERS tasks: this one is ${kind}`)
  }
  if (kind === 'ASSIGN' && verdict === 'SAME' && !identityId)
    refuse('SAME needs identityId, where the item goes: got none')
  if (identityId && !(kind === 'ASSIGN' && verdict === 'SAME')) {
    refuse(`identityId belongs to SAME on an ASSIGN task: this is ${verdict} on ${kind}`)
  }
}

/**
 * The model's probability of an answer; undefined where it has no opinion. A grid counts by the item, as the geometric mean,
 * so that large grids are not doubted for being large.
 */
export function supportOf(
  task: Pick<ReviewTask, 'kind' | 'probability' | 'panels'>,
  { verdict, outlierItemIds, identityId }: Pick<ReviewAnswerInput, 'verdict' | 'outlierItemIds' | 'identityId'>,
): number | undefined {
  if (verdict !== 'SAME' && verdict !== 'DIFFERENT') return undefined
  const { left, candidates = [] } = panelsOf(task as ReviewTask)
  if (task.kind === 'OUTLIERS') {
    const marked = new Set(outlierItemIds ?? [])
    // The first one is what the others are compared with.
    const each = left.itemIds.slice(1).map((itemId, i) => {
      const belongs = left.probabilities?.[i + 1] ?? 0.5
      return Math.max(1e-6, marked.has(itemId) ? 1 - belongs : belongs)
    })
    return Math.exp(each.reduce((sum, p) => sum + Math.log(p), 0) / Math.max(1, each.length))
  }
  if (task.kind === 'ASSIGN') {
    const p = (candidate: (typeof candidates)[number]) => candidate.probabilities?.[0] ?? 0
    if (verdict === 'DIFFERENT') return candidates.reduce((none, candidate) => none * (1 - p(candidate)), 1)
    const chosen = candidates.find((candidate) => candidate.identityId === identityId)
    return chosen ? p(chosen) : 0
  }
  return verdict === 'SAME' ? task.probability : 1 - task.probability
}

/** The same for the same answer. */
const answerKey = ({ verdict, outlierItemIds, identityId }: Omit<GivenAnswer, 'actorId'>): string =>
  [verdict, ...[...outlierItemIds].sort(), identityId ?? ''].join('/')

const isFirm = ({ verdict }: { verdict: ReviewVerdict }) => verdict !== 'UNSURE'

/**
 * Whether the answers so far settle a task: at once when the giver may adjudicate, nobody else could be asked, or the model
 * agrees with at least .8; else once two people agree. Two that do not are a dispute, which an adjudicator settles.
 */
function isSettled(
  task: HeldTask,
  answer: GivenAnswer,
  canSettle: boolean,
): { isSettled: boolean; state: 'APPLIED' | 'ANSWERED' | 'DISPUTED' } {
  if (!isFirm(answer)) return { isSettled: false, state: task.given.length > 0 ? 'DISPUTED' : 'ANSWERED' }
  if (canSettle || task.others === 0) return { isSettled: true, state: 'APPLIED' }
  const firm = [...task.given.filter(isFirm), answer]
  const agreeing = firm.filter((given) => answerKey(given) === answerKey(answer)).length
  if (agreeing < firm.length) return { isSettled: false, state: 'DISPUTED' }
  const isContent = (supportOf(task, answer) ?? 0) >= CONTENT_PROBABILITY
  const needed = Math.max(task.requiredAnswers, isContent ? 1 : 2)
  return agreeing >= needed ? { isSettled: true, state: 'APPLIED' } : { isSettled: false, state: 'ANSWERED' }
}

/** What an answer decides: the first change is the answer itself, the others follow for near-duplicate pairs. */
function changesOf(task: HeldTask, { verdict, outlierItemIds, identityId }: ReviewAnswerInput): DecisionChange[] {
  const leftItemId = task.leftItemId as string
  const rightItemId = task.rightItemId as string
  const marked = outlierItemIds ?? []
  const { left, candidates = [] } = panelsOf(task)
  if (verdict === 'INVALID_SUBJECT') return [{ exclude: { itemIds: marked.length > 0 ? marked : [leftItemId] } }]
  if (task.kind === 'OUTLIERS') {
    const belonging = left.itemIds.filter((itemId) => !marked.includes(itemId))
    const [anchorItemId = '', ...memberItemIds] = belonging
    return [{ sort: { anchorItemId, memberItemIds, outlierItemIds: marked } }]
  }
  if (task.kind === 'ASSIGN') {
    if (verdict === 'DIFFERENT') {
      const strangers = candidates.flatMap(({ itemIds: [first] }) => first ?? [])
      return [{ sort: { anchorItemId: leftItemId, memberItemIds: [], outlierItemIds: strangers } }]
    }
    const chosen = candidates.find((candidate) => candidate.identityId === identityId)?.itemIds[0]
    return chosen
      ? [{ link: { leftItemId, rightItemId: chosen } }]
      : [{ move: { itemIds: [leftItemId], toIdentityId: identityId as string } }]
  }
  const also = (task.alsoPairs as unknown as ItemPair[] | null) ?? []
  if (verdict === 'SAME') return [{ link: { leftItemId, rightItemId } }, ...also.map((pair) => ({ link: pair }))]
  return [
    { separate: { leftItemId, rightItemId, leavingItemIds: task.below } },
    ...also.map((pair) => ({ separate: { ...pair, leavingItemIds: [] } })),
  ]
}

/** How a task is left behind. */
interface Closing {
  readonly id: string
  readonly state: 'APPLIED' | 'ANSWERED' | 'DISPUTED' | 'OBSOLETE'
  readonly verdict?: ReviewVerdict
  readonly decisionId?: string
}

const togetherness = (verdict: ReviewVerdict) => (verdict === 'SAME' ? 'together' : 'apart')

const refusalOf = (error: unknown, position: number, projectId: string): AnswerOutcome['refusal'] => {
  if (!(error instanceof DomainError)) throw error
  const path = ['input', 'answers', String(position), ...(error.detail.path ?? [])]
  return { code: error.code, message: error.message, detail: { ...error.detail, projectId, path } }
}

/** A batch whose decisions are made, and which is still to be written. */
export interface PlannedBatch {
  readonly outcomes: AnswerOutcome[]
  readonly stored: readonly object[]
  readonly closings: readonly Closing[]
  readonly settings: ReviewSettings
  /** Absent where no answer settles anything. */
  readonly ledger?: LedgerPart
}

interface LedgerPart {
  readonly before: DecisionState
  readonly entries: readonly LedgerEntry[]
  /** Other open tasks that the entries answer. */
  readonly answered: readonly NeedlessTask[]
}

const actorOf = (viewer: Viewer, projectId: string): DecisionActor => ({
  projectId,
  userId: viewer.userId,
  requestId: viewer.requestId,
})

/**
 * Turns those answers of a batch that settle their task into decisions, each made on what the ones before it leave, in a
 * fixed number of statements. A refusal concerns its answer alone; a task that earlier decisions settle is OBSOLETE, and an
 * answer that agrees with them is kept as no mistake.
 *
 * @param held the tasks, locked
 */
export async function planAnswers(
  tx: Tx,
  viewer: Viewer,
  projectId: string,
  answers: readonly ReviewAnswerInput[],
  { held, canSettle }: { held: HeldTasks; canSettle: boolean },
): Promise<PlannedBatch> {
  const outcomes: AnswerOutcome[] = answers.map(({ taskId }) => ({ taskId }))
  const closings: Closing[] = []
  const stored: object[] = []
  const settling: { position: number; task: HeldTask; answer: ReviewAnswerInput; changes: DecisionChange[] }[] = []
  for (const [position, answer] of answers.entries()) {
    const outcome = outcomes[position] as AnswerOutcome
    try {
      const task = checkHold(held.get(answer.taskId), viewer, projectId, answer)
      checkAnswer(task, answer)
      const support = supportOf(task, answer)
      const given = {
        actorId: viewer.userId,
        verdict: answer.verdict,
        outlierItemIds: answer.outlierItemIds ?? [],
        identityId: answer.identityId ?? null,
      }
      stored.push({
        ...given,
        id: newId(),
        taskId: task.id,
        contradictsModel: support !== undefined && support < 0.5,
        durationMs: Math.max(0, Math.round(answer.durationMs)),
      })
      // Gold only measures: it waits for the next person, and looks as if it waited for a second opinion.
      if (task.goldVerdict) closings.push({ id: task.id, state: 'ANSWERED' })
      else if (task.state === 'OBSOLETE') settling.push({ position, task, answer, changes: [] })
      else {
        const { isSettled: settles, state } = isSettled(task, given, canSettle)
        if (settles) settling.push({ position, task, answer, changes: changesOf(task, answer) })
        else closings.push({ id: task.id, state })
      }
    } catch (error) {
      outcome.refusal = refusalOf(error, position, projectId)
    }
  }
  const ledger = await settle()
  // Read with the tasks; where none was found, nothing comes of the defaults either.
  const [{ settings } = { settings: {} }] = held.values()
  return { outcomes, stored, closings, settings: readReviewSettings({ settings }), ledger }

  async function settle(): Promise<LedgerPart | undefined> {
    if (settling.length === 0) return undefined
    const changes = settling.flatMap(({ changes }) => changes)
    const ends = settling.flatMap(({ task }) => [task.leftItemId, task.rightItemId].filter((id) => id !== null))
    const before = await readState(
      { prisma: tx },
      projectId,
      [...new Set(changes.flatMap(namedIdentities))],
      [...new Set([...changes.flatMap(namedItems), ...ends])],
    )
    const factsBefore = factsAfter(before, emptyPlan('MOVE'))
    const state = new MovingState(before)
    const entries: LedgerEntry[] = []
    for (const { position, task, answer, changes } of settling) {
      const outcome = outcomes[position] as AnswerOutcome
      const follows = answerThatFollows(task, factsAfter(state, emptyPlan('MOVE')))
      // What followed before the batch and left the task open is a question all the same, as about a link across identities.
      const isNew = follows !== undefined && answerThatFollows(task, factsBefore) === undefined
      if (task.state === 'OBSOLETE' || isNew) {
        // Kept if it agrees with what was decided meanwhile, often by another answer of the same batch.
        const isFirmAnswer = answer.verdict === 'SAME' || answer.verdict === 'DIFFERENT'
        const isPair = task.kind === 'EDGE' || task.kind === 'MERGE'
        if (isPair && isFirmAnswer && follows && follows !== 'INVALID_SUBJECT' && follows !== answer.verdict) {
          const undo = follows === 'SAME' ? 'split their identity' : 'merge their identities'
          outcome.refusal = refusalOf(
            new DomainError(
              'INVALID_STATE',
              `another decision has settled this meanwhile: the two are ${togetherness(follows)} now; to change that, ${undo}`,
              { taskId: task.id },
            ),
            position,
            projectId,
          )
        }
        closings.push({ id: task.id, state: 'OBSOLETE', verdict: follows })
        continue
      }
      const own: LedgerEntry[] = []
      try {
        for (const [i, change] of changes.entries()) {
          try {
            const plan = planDecision(state, change, newId)
            own.push({ id: newId(), plan, payload: change as never, taskId: task.id })
            state.carryOut(plan)
          } catch (error) {
            // What the answer itself says must hold; a near-duplicate that earlier decisions treat otherwise stays as it is.
            if (i === 0 || !(error instanceof DomainError)) throw error
          }
        }
        entries.push(...own)
        outcome.decisionId = own[0]?.id
        closings.push({ id: task.id, state: 'APPLIED', verdict: answer.verdict, decisionId: outcome.decisionId })
      } catch (error) {
        outcome.refusal = refusalOf(error, position, projectId)
        closings.push({ id: task.id, state: 'OBSOLETE' })
      }
    }
    return { before, entries, answered: await findAnswered(tx, actorOf(viewer, projectId), before, entries) }
  }
}

/** Writes a planned batch: its decisions, and then its answers, in two statements that travel together. */
export async function writeBatch(
  tx: Tx,
  viewer: Viewer,
  projectId: string,
  batch: PlannedBatch,
  remembered: Prisma.Sql,
): Promise<{ decisions: Decision[]; closed: ReviewTask[] }> {
  const { ledger } = batch
  const [decisions = [], closed] = await Promise.all([
    ledger && writeEntries(tx, actorOf(viewer, projectId), ledger.before, ledger.entries, ledger.answered),
    writeAnswers(tx, projectId, batch, remembered),
  ])
  return { decisions, closed }
}

/** Stores answers, ends the holds and remembers what came of the call; returns the tasks as they are now. */
function writeAnswers(
  tx: Tx,
  projectId: string,
  { stored, closings }: Pick<PlannedBatch, 'stored' | 'closings'>,
  remembered: Prisma.Sql,
): Promise<ReviewTask[]> {
  return tx.$queryRaw<ReviewTask[]>`
    /* writeAnswers */
    WITH remembered AS (${remembered}),
    given AS (
      INSERT INTO "ReviewAnswer" ("projectId", "id", "taskId", "actorId", "verdict", "outlierItemIds", "identityId",
        "contradictsModel", "durationMs")
      SELECT ${projectId}::uuid, r."id", r."taskId", r."actorId", r."verdict",
        ARRAY(SELECT jsonb_array_elements_text(r."outlierItemIds")::uuid), r."identityId", r."contradictsModel", r."durationMs"
      FROM jsonb_to_recordset(${JSON.stringify(stored)}::jsonb) AS r("id" uuid, "taskId" uuid, "actorId" uuid,
        "verdict" "ReviewVerdict", "outlierItemIds" jsonb, "identityId" uuid, "contradictsModel" boolean, "durationMs" int)),
    closed AS (
      -- What a decision of this batch has settled stays so, though its own answer would have waited for another person.
      UPDATE "ReviewTask" t SET "state" = CASE WHEN t."state" = 'OBSOLETE' THEN t."state" ELSE c."state" END, "decisionId" = coalesce(c."decisionId", t."decisionId"),
        "settledVerdict" = coalesce(c."verdict", t."settledVerdict"),
        "settledAt" = CASE WHEN c."verdict" IS NOT NULL THEN now() ELSE t."settledAt" END,
        "assigneeId" = NULL, "leaseExpiresAt" = NULL, "revision" = t."revision" + 1, "updatedAt" = now()
      FROM jsonb_to_recordset(${JSON.stringify(closings)}::jsonb) AS c("id" uuid, "state" "ReviewTaskState",
        "verdict" "ReviewVerdict", "decisionId" uuid)
      WHERE t."projectId" = ${projectId}::uuid AND t."id" = c."id" RETURNING t.*)
    SELECT * FROM closed`
}
