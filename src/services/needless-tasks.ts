import { Prisma, type ReviewTask, type ReviewVerdict } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
import { type DecisionState, type Plan, placesAfter } from './decision-plan.ts'
import { DecidedPairs } from './review-questions.ts'

/** What tells whether a question still needs an answer. */
export type OpenTask = Pick<ReviewTask, 'id' | 'kind' | 'leftItemId' | 'rightItemId' | 'leftIdentityId'>

/** A task that needs no answer any more, and the answer that follows. */
export interface NeedlessTask {
  readonly id: string
  readonly verdict: ReviewVerdict
}

interface Facts {
  readonly decided: DecidedPairs
  /** Where an item is: null for a free one, undefined where that is not known. */
  placeOf(itemId: string): string | null | undefined
  /** Identities that are merged away or dissolved. */
  isGone(identityId: string): boolean
  /** Identities that people have told apart. */
  isApart(identityId: string, other: string): boolean
}

/**
 * The answer that follows from what is decided: for an EDGE whose ends parted, a MERGE whose sides joined or must not,
 * an ASSIGN whose item has a place, and any question about an item that is excluded or an identity that is gone.
 */
export function answerThatFollows(
  task: OpenTask,
  { decided, placeOf, isGone, isApart }: Facts,
): ReviewVerdict | undefined {
  const { kind, leftItemId: left, rightItemId: right, leftIdentityId } = task
  if ((left && decided.isExcluded(left)) || (right && decided.isExcluded(right))) return 'INVALID_SUBJECT'
  if (kind === 'ASSIGN') return left && placeOf(left) ? 'SAME' : undefined
  if (kind === 'OUTLIERS') return leftIdentityId && isGone(leftIdentityId) ? 'SAME' : undefined
  if (!left || !right) return undefined
  const verdict = decided.verdictOf({ leftItemId: left, rightItemId: right })
  if (verdict) return verdict
  const [a, b] = [placeOf(left), placeOf(right)]
  if (a === undefined || b === undefined) return undefined
  const isTogether = a !== null && a === b
  if (kind === 'EDGE') return isTogether ? undefined : 'DIFFERENT'
  if (isTogether) return 'SAME'
  return a && b && isApart(a, b) ? 'DIFFERENT' : undefined
}

/** What is known once a plan is carried out; `outside` says where items beyond the state are. */
export function factsAfter(
  state: DecisionState,
  plan: Plan,
  outside: (itemId: string) => string | null | undefined = () => undefined,
): Facts {
  const statements = [...state.statements, ...plan.statements]
  const known = placesAfter(state, plan)
  const placeOf = (itemId: string) => {
    const place = known(itemId)
    return place === undefined ? outside(itemId) : place
  }
  const apart = new Set(
    statements.flatMap(({ kind, leftItemId, rightItemId }) => {
      if (kind !== 'CANNOT_LINK' || !rightItemId) return []
      const [a, b] = [placeOf(leftItemId), placeOf(rightItemId)]
      return a && b ? [[a, b].sort().join('/')] : []
    }),
  )
  const isGoneIn = (identityId: string) => {
    const next = plan.identityChanges.get(identityId)?.state ?? state.identities.get(identityId)?.state
    return next === 'MERGED' || next === 'DISSOLVED'
  }
  return {
    decided: new DecidedPairs(statements),
    placeOf,
    isGone: isGoneIn,
    isApart: (a, b) => apart.has([a, b].sort().join('/')),
  }
}

/**
 * Open tasks that a plan answers. Previews count them, applying makes them OBSOLETE; they keep their holder, whose answer
 * is then no mistake. Hidden gold tasks are never settled by decisions.
 *
 * @param exceptTaskIds the tasks whose answers these are.
 */
export async function findNeedlessTasks(
  { prisma }: { prisma: App['prisma'] | Tx },
  projectId: string,
  state: DecisionState,
  plan: Plan,
  exceptTaskIds: readonly string[] = [],
): Promise<NeedlessTask[]> {
  const touched = [...plan.touched]
  const stated = plan.statements.flatMap(({ leftItemId, rightItemId }) =>
    rightItemId ? [leftItemId, rightItemId] : [leftItemId],
  )
  const items = [...new Set([...plan.moves.map(({ itemId }) => itemId), ...stated])]
  if (items.length === 0 && touched.length === 0) return []
  const known = placesAfter(state, plan)
  const beyond = [...state.statements, ...plan.statements].flatMap(({ kind, leftItemId, rightItemId }) =>
    kind === 'CANNOT_LINK' ? [leftItemId, rightItemId as string].filter((itemId) => known(itemId) === undefined) : [],
  )
  const placed = [
    ...state.members.keys(),
    ...state.others.keys(),
    ...state.items,
    ...plan.moves.map(({ itemId }) => itemId),
  ]
  const isOpen = Prisma.sql`"state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED') AND "goldVerdict" IS NULL`
  const tasks = await prisma.$queryRaw<(OpenTask & { elsewhere: Record<string, string> | null })[]>`
    /* findNeedlessTasks */
    WITH known AS MATERIALIZED (SELECT unnest(${placed}::uuid[]) AS "id"),
    open AS MATERIALIZED (
      SELECT "id", "kind", "leftItemId", "rightItemId", "leftIdentityId" FROM "ReviewTask" WHERE "projectId" = ${projectId}::uuid
        AND "leftItemId" = ANY(${items}::uuid[]) AND ${isOpen}
      UNION SELECT "id", "kind", "leftItemId", "rightItemId", "leftIdentityId" FROM "ReviewTask"
      WHERE "projectId" = ${projectId}::uuid AND "rightItemId" = ANY(${items}::uuid[]) AND ${isOpen}
      UNION SELECT "id", "kind", "leftItemId", "rightItemId", "leftIdentityId" FROM "ReviewTask"
      WHERE "projectId" = ${projectId}::uuid AND "leftIdentityId" = ANY(${touched}::uuid[]) AND ${isOpen}
      UNION SELECT "id", "kind", "leftItemId", "rightItemId", "leftIdentityId" FROM "ReviewTask"
      WHERE "projectId" = ${projectId}::uuid AND "rightIdentityId" = ANY(${touched}::uuid[]) AND ${isOpen}),
    -- Where items are whose place the state does not say.
    elsewhere AS (
      SELECT m."itemId", m."identityId" FROM (
        SELECT "leftItemId" AS "id" FROM open UNION SELECT "rightItemId" FROM open UNION SELECT unnest(${beyond}::uuid[])
        EXCEPT SELECT "id" FROM known) e
      JOIN "IdentityMember" m ON m."projectId" = ${projectId}::uuid AND m."itemId" = e."id")
    SELECT o.*, (SELECT jsonb_object_agg("itemId", "identityId") FROM elsewhere) AS "elsewhere" FROM open o`
  const outside = new Map<string, string | null>()
  for (const { leftItemId, rightItemId } of tasks) {
    if (leftItemId) outside.set(leftItemId, null)
    if (rightItemId) outside.set(rightItemId, null)
  }
  for (const [itemId, identityId] of Object.entries(tasks[0]?.elsewhere ?? {})) outside.set(itemId, identityId)
  const facts = factsAfter(state, plan, (itemId) => outside.get(itemId))
  return tasks.flatMap((task) => {
    const verdict = exceptTaskIds.includes(task.id) ? undefined : answerThatFollows(task, facts)
    return verdict ? [{ id: task.id, verdict }] : []
  })
}
