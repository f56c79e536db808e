import { type Decision, type IdentityState, Prisma } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'
import type { Statement } from './constraint-closure.ts'
import {
  type DecisionState,
  emptyPlan,
  type IdentityFacts,
  type MemberFacts,
  type Move,
  type Plan,
} from './decision-plan.ts'
import { newId } from './id.ts'
import { findNeedlessTasks, type NeedlessTask } from './needless-tasks.ts'

export interface DecisionActor {
  readonly projectId: string
  readonly userId: string
  readonly requestId: string
  readonly comment?: string | null
  /** The review task whose answer this is. */
  readonly taskId?: string
}

/** A plan on its way into the ledger. */
export interface LedgerEntry {
  /** Of the decision that it becomes. */
  readonly id: string
  readonly plan: Plan
  /** The change as it was asked for. */
  readonly payload: Prisma.InputJsonObject
  /** The decision that this one undoes. */
  readonly revertsId?: string
  /** The review task whose answer this is. */
  readonly taskId?: string
}

/** Writes one plan and its place in the ledger. The project row must be locked. */
export async function writeDecision(
  tx: Tx,
  actor: DecisionActor,
  state: DecisionState,
  plan: Plan,
  payload: Prisma.InputJsonObject,
): Promise<Decision> {
  const entries = [{ id: newId(), plan, payload }]
  const [decision] = await writeDecisions(tx, actor, state, entries)
  return decision as Decision
}

/** Items whose identity a plan changes. */
export const countMoved = (state: DecisionState, { moves }: Plan): number =>
  moves.filter(({ itemId, toIdentityId }) => (state.members.get(itemId)?.identityId ?? null) !== toIdentityId).length

/** A state of one's own that plans can be carried out on, one after the other. */
export class MovingState implements DecisionState {
  readonly identities: Map<string, IdentityFacts>
  readonly members: Map<string, MemberFacts>
  readonly statements: Statement[]
  readonly items: DecisionState['items']
  readonly others: DecisionState['others']
  readonly erased: DecisionState['erased']

  constructor({ identities, members, statements, items, others, erased }: DecisionState) {
    this.identities = new Map(identities)
    this.members = new Map(members)
    this.statements = [...statements]
    this.items = items
    this.others = others
    this.erased = erased
  }

  /** Becomes the state as it is once the plan is written: what the next plan of the same transaction starts from. */
  carryOut(plan: Plan): void {
    const { identities, members } = this
    for (const { id, state } of plan.newIdentities) identities.set(id, { id, state, name: null, revision: 0 })
    for (const id of touchedBy(plan)) {
      const before = identities.get(id)
      const { state: next, name } = plan.identityChanges.get(id) ?? {}
      if (!before) continue
      identities.set(id, {
        ...before,
        state: next ?? before.state,
        name: name === undefined ? before.name : name,
        revision: before.revision + 1,
      })
    }
    for (const { itemId, toIdentityId, source } of plan.moves) {
      const before = members.get(itemId)
      if (toIdentityId === null || source === null) {
        members.delete(itemId)
        continue
      }
      const { confidence, risk } = before ?? { confidence: 0, risk: 0 }
      const left = source === 'MODEL' ? risk : 0
      members.set(itemId, { itemId, identityId: toIdentityId, source, confidence, risk: left })
    }
    this.statements.push(...plan.statements)
  }
}

/** The state as it is once a plan is written. */
export function stateAfter(state: DecisionState, plan: Plan): DecisionState {
  const after = new MovingState(state)
  after.carryOut(plan)
  return after
}

/** Identities whose revision grows with a plan. */
function touchedBy(plan: Plan): Set<string> {
  const targets = plan.moves.flatMap(({ toIdentityId }) => (toIdentityId ? [toIdentityId] : []))
  const made = plan.newIdentities.map(({ id }) => id)
  return new Set([...plan.touched, ...targets, ...plan.identityChanges.keys(), ...made])
}

/** What several plans do together: where an item is moved by two of them, the later one counts. */
function together(entries: readonly LedgerEntry[]): Plan {
  const whole = emptyPlan('MOVE')
  const moves = new Map<string, Move>()
  for (const { plan } of entries) {
    for (const move of plan.moves) moves.set(move.itemId, move)
    whole.newIdentities.push(...plan.newIdentities)
    whole.statements.push(...plan.statements)
    for (const id of plan.touched) whole.touched.add(id)
    for (const [id, change] of plan.identityChanges) {
      whole.identityChanges.set(id, { ...whole.identityChanges.get(id), ...change })
    }
  }
  whole.moves.push(...moves.values())
  return whole
}

/**
 * Writes plans and their places in the ledger, in two statements however many and large they are: open tasks that they answer
 * are looked up, then everything is written. The project row must be locked. Plans follow each other: each was made on the
 * state that the ones before it leave.
 *
 * @returns the decisions, in order
 */
export const writeDecisions = async (
  tx: Tx,
  actor: DecisionActor,
  state: DecisionState,
  entries: readonly LedgerEntry[],
): Promise<Decision[]> => writeEntries(tx, actor, state, entries, await findAnswered(tx, actor, state, entries))

/** Open tasks that plans answer, besides those whose answers they are. */
export const findAnswered = (
  tx: Tx,
  actor: DecisionActor,
  state: DecisionState,
  entries: readonly LedgerEntry[],
): Promise<NeedlessTask[]> =>
  findNeedlessTasks(
    { prisma: tx },
    actor.projectId,
    state,
    together(entries),
    entries.flatMap(({ taskId }) => taskId ?? actor.taskId ?? []),
  )

/** The second statement of `writeDecisions`, for who has found what the plans answer. */
export async function writeEntries(
  tx: Tx,
  actor: DecisionActor,
  state: DecisionState,
  entries: readonly LedgerEntry[],
  answered: readonly NeedlessTask[],
): Promise<Decision[]> {
  if (entries.length === 0) return []
  const { projectId } = actor
  const whole = together(entries)
  const placed = entries.map((entry, i) => ({ ...entry, place: i + 1 }))
  const last = new Map(whole.moves.map((move) => [move.itemId, move]))
  const now = new MovingState(state)
  const decisionRows: object[] = []
  const moveRows: object[] = []
  for (const { id: decisionId, place, plan, payload, revertsId, taskId } of placed) {
    const itemCount = countMoved(now, plan)
    const about = { revertsId, taskId: taskId ?? actor.taskId, itemCount, auditId: newId() }
    decisionRows.push({ id: decisionId, place, kind: plan.kind, payload, ...about })
    for (const move of plan.moves) {
      const { itemId, toIdentityId, source } = move
      const from = now.members.get(itemId)
      const change = { itemId, from: from?.identityId, fromSource: from?.source, to: toIdentityId, source }
      moveRows.push({ id: newId(), decisionId, place, ...change, isLast: last.get(itemId) === move })
    }
    now.carryOut(plan)
  }
  const rows = {
    decisions: decisionRows,
    ...identityRows(state, placed, whole),
    moves: moveRows,
    statements: placed.flatMap(({ id: decisionId, plan }) =>
      plan.statements.map((statement) => ({ id: newId(), decisionId, ...statement })),
    ),
  }
  const identityIds = rows.identities.map(({ id }) => id)
  return tx.$queryRaw<Decision[]>`
    /* writeDecision */
    WITH head AS (
      UPDATE "Project" SET "ledgerRevision" = "ledgerRevision" + ${entries.length} WHERE "id" = ${projectId}::uuid
      RETURNING "ledgerRevision" - ${entries.length} AS n, "publishedRunId"),
    entries AS (
      SELECT r.*, head.n + r."place" AS revision FROM head, jsonb_to_recordset(${JSON.stringify(rows.decisions)}::jsonb) AS r(
        "id" uuid, "place" int, "kind" "DecisionKind", "payload" jsonb, "revertsId" uuid, "taskId" uuid, "itemCount" int,
        "auditId" uuid)),
    decisions AS (
      INSERT INTO "Decision" ("projectId", "id", "ledgerRevision", "kind", "actorId", "comment", "payload", "itemCount",
        "taskId", "revertsId", "requestId")
      SELECT ${projectId}::uuid, "id", revision, "kind", ${actor.userId}::uuid, ${actor.comment ?? null}, "payload",
        "itemCount", "taskId", "revertsId", ${actor.requestId} FROM entries
      RETURNING *),
    ${undoing(projectId, entries)}
    moves AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows.moves)}::jsonb) AS r("id" uuid, "decisionId" uuid, "place" int,
        "itemId" uuid, "from" uuid, "fromSource" "MembershipSource", "to" uuid, "source" "MembershipSource", "isLast" boolean)),
    events AS (
      INSERT INTO "MembershipEvent" ("projectId", "id", "ledgerRevision", "itemId", "fromIdentityId", "fromSource",
        "toIdentityId", "toSource", "decisionId")
      SELECT ${projectId}::uuid, m."id", head.n + m."place", m."itemId", m."from", m."fromSource", m."to", m."source",
        m."decisionId" FROM moves m, head),
    leaving AS (
      DELETE FROM "IdentityMember" x USING moves m
      WHERE x."projectId" = ${projectId}::uuid AND x."itemId" = m."itemId" AND m."to" IS NULL AND m."isLast"),
    staying AS (
      -- A member that comes back has the confidence and the risk of its vertex, as publishing would give it.
      INSERT INTO "IdentityMember" ("projectId", "itemId", "identityId", "source", "confidence", "risk")
      SELECT ${projectId}::uuid, m."itemId", m."to", m."source", coalesce(v."confidence", 0),
        CASE WHEN m."source" = 'MODEL' THEN coalesce(v."impact", 0) ELSE 0 END
      FROM moves m CROSS JOIN head
      LEFT JOIN LATERAL (SELECT "confidence", "impact" FROM "Vertex" WHERE "projectId" = ${projectId}::uuid
        AND "runId" = head."publishedRunId" AND "itemId" = m."itemId" OFFSET 0) v ON true
      WHERE m."to" IS NOT NULL AND m."isLast"
      ON CONFLICT ("projectId", "itemId") DO UPDATE SET "identityId" = excluded."identityId", "source" = excluded."source",
        "addedAt" = CASE WHEN "IdentityMember"."identityId" = excluded."identityId" THEN "IdentityMember"."addedAt" ELSE now() END,
        "risk" = CASE WHEN excluded."source" <> 'MODEL' THEN 0 WHEN "IdentityMember"."source" = 'MODEL'
          THEN "IdentityMember"."risk" ELSE excluded."risk" END
      RETURNING "itemId", "identityId", "confidence", "risk"),
    counts AS (
      -- Who was there and was not moved, and who is there now: the parts of a statement see the table as it was before.
      SELECT "identityId", count(*)::int AS n, sum("risk") AS risk,
        (array_agg("itemId" ORDER BY "confidence" DESC, "itemId"))[1] AS cover
      FROM (
        SELECT "itemId", "identityId", "confidence", "risk" FROM "IdentityMember" x WHERE "projectId" = ${projectId}::uuid
          AND "identityId" = ANY(${identityIds}::uuid[]) AND NOT EXISTS (SELECT 1 FROM moves m WHERE m."itemId" = x."itemId")
        UNION ALL SELECT * FROM staying) m GROUP BY 1),
    touched AS MATERIALIZED (
      SELECT t.*, coalesce(c.n, 0) AS n, coalesce(c.risk, 0) AS risk, c.cover
      FROM jsonb_to_recordset(${JSON.stringify(rows.identities)}::jsonb) AS t("id" uuid, "isNew" boolean, "steps" int,
        "state" "IdentityState", "name" text, "mergedIntoId" uuid, "change" jsonb)
      LEFT JOIN counts c ON c."identityId" = t."id"),
    fresh AS (
      INSERT INTO "Identity" ("projectId", "id", "state", "name", "mergedIntoId", "revision", "memberCount", "risk", "coverItemId")
      SELECT ${projectId}::uuid, "id", "state", "name", "mergedIntoId", "steps", n, risk, cover FROM touched WHERE "isNew"),
    changed AS (
      UPDATE "Identity" i SET "revision" = i."revision" + t."steps", "updatedAt" = now(),
        "state" = CASE WHEN jsonb_exists(t."change", 'state') THEN t."state" ELSE i."state" END,
        "mergedIntoId" = CASE WHEN jsonb_exists(t."change", 'mergedIntoId') THEN t."mergedIntoId" ELSE i."mergedIntoId" END,
        "name" = CASE WHEN jsonb_exists(t."change", 'name') THEN t."name" ELSE i."name" END,
        "memberCount" = t.n, "risk" = t.risk, "coverItemId" = t.cover
      FROM touched t WHERE NOT t."isNew" AND i."projectId" = ${projectId}::uuid AND i."id" = t."id"),
    notes AS (
      INSERT INTO "DecisionIdentity" ("projectId", "decisionId", "identityId", "revisionBefore", "revisionAfter", "stateBefore",
        "stateAfter", "nameBefore", "nameAfter")
      SELECT ${projectId}::uuid, r."decisionId", r."id", r."revisionBefore", r."revisionAfter", r."stateBefore",
        r."stateAfter", r."nameBefore", r."nameAfter"
      FROM jsonb_to_recordset(${JSON.stringify(rows.notes)}::jsonb) AS r("id" uuid, "decisionId" uuid, "revisionBefore" int,
        "revisionAfter" int, "stateBefore" "IdentityState", "stateAfter" "IdentityState", "nameBefore" text, "nameAfter" text)),
    statements AS (
      INSERT INTO "Constraint" ("projectId", "id", "kind", "leftItemId", "rightItemId", "decisionId")
      SELECT ${projectId}::uuid, r."id", r."kind", r."leftItemId", r."rightItemId", r."decisionId"
      FROM jsonb_to_recordset(${JSON.stringify(rows.statements)}::jsonb) AS r("id" uuid, "decisionId" uuid,
        "kind" "ConstraintKind", "leftItemId" uuid, "rightItemId" uuid)),
    tasks AS (
      UPDATE "ReviewTask" t SET "state" = 'OBSOLETE', "leaseExpiresAt" = NULL, "revision" = t."revision" + 1,
        "updatedAt" = now(), "settledVerdict" = r."verdict", "settledAt" = now()
      FROM jsonb_to_recordset(${JSON.stringify(answered)}::jsonb) AS r("id" uuid, "verdict" "ReviewVerdict")
      WHERE t."projectId" = ${projectId}::uuid AND t."id" = r."id"),
    audit AS (
      INSERT INTO "AuditEvent" ("projectId", "id", "action", "actorId", "requestId", "targetType", "targetId", "detail")
      SELECT ${projectId}::uuid, "auditId", CASE WHEN "revertsId" IS NULL THEN 'decision.applied' ELSE 'decision.reverted' END,
        ${actor.userId}::uuid, ${actor.requestId}, 'Decision', coalesce("revertsId", "id")::text,
        jsonb_build_object('kind', "kind"::text, 'ledgerRevision', revision) FROM entries)
    SELECT * FROM decisions ORDER BY "ledgerRevision"`
}

/** What undoing a decision does besides its moves; nothing, not even a look, where nothing is undone. */
function undoing(projectId: string, entries: readonly LedgerEntry[]): Prisma.Sql {
  const ids = entries.flatMap(({ revertsId }) => revertsId ?? [])
  if (ids.length === 0) return Prisma.empty
  return Prisma.sql`
    undone AS (
      UPDATE "Decision" d SET "revertedById" = e."id" FROM entries e
      WHERE d."projectId" = ${projectId}::uuid AND d."id" = ANY(${ids}::uuid[]) AND d."id" = e."revertsId"),
    reopened AS (
      -- The question behind an undone answer is open again, for anybody; one of an earlier run is of no use any more.
      UPDATE "ReviewTask" t SET "decisionId" = NULL, "settledVerdict" = NULL, "settledAt" = NULL, "assigneeId" = NULL,
        "leaseExpiresAt" = NULL, "revision" = t."revision" + 1, "updatedAt" = now(),
        "state" = CASE WHEN t."runId" = p."publishedRunId" THEN 'PENDING' ELSE 'OBSOLETE' END::"ReviewTaskState"
      FROM "Decision" d JOIN "Project" p ON p."id" = d."projectId"
      WHERE d."projectId" = ${projectId}::uuid AND d."id" = ANY(${ids}::uuid[])
        AND t."projectId" = ${projectId}::uuid AND t."id" = d."taskId" AND t."state" = 'APPLIED'
      RETURNING t."id"),
    forgotten AS (
      DELETE FROM "ReviewAnswer" a USING reopened r WHERE a."projectId" = ${projectId}::uuid AND a."taskId" = r."id"),
    revoked AS (
      UPDATE "Constraint" x SET "revokedById" = e."id" FROM entries e
      WHERE x."projectId" = ${projectId}::uuid AND x."decisionId" = ANY(${ids}::uuid[]) AND x."decisionId" = e."revertsId"
        AND x."revokedById" IS NULL),`
}

/** Identities that plans make and change, as they are afterwards, and a note of each before and after each of them. */
function identityRows(state: DecisionState, entries: readonly LedgerEntry[], whole: Plan) {
  const made = new Map(whole.newIdentities.map(({ id, state }) => [id, state]))
  const now = new Map<string, { revision: number; state: IdentityState; name?: string | null }>()
  const notes = entries.flatMap(({ id: decisionId, plan }) =>
    [...touchedBy(plan)].map((id) => {
      const change = plan.identityChanges.get(id) ?? {}
      const before = now.get(id) ?? state.identities.get(id)
      const after = {
        revision: (before?.revision ?? 0) + 1,
        state: change.state ?? before?.state ?? made.get(id) ?? ('PROPOSED' as const),
        name: change.name === undefined ? before?.name : change.name,
      }
      now.set(id, after)
      return {
        id,
        decisionId,
        revisionBefore: before?.revision,
        stateBefore: before?.state,
        nameBefore: before?.name,
        revisionAfter: after.revision,
        stateAfter: after.state,
        nameAfter: after.name,
      }
    }),
  )
  const identities = [...now].map(([id, { revision, state: after, name }]) => {
    const change = whole.identityChanges.get(id) ?? {}
    const steps = revision - (state.identities.get(id)?.revision ?? 0)
    return { id, isNew: made.has(id), steps, state: after, name, mergedIntoId: change.mergedIntoId, change }
  })
  return { identities, notes }
}
