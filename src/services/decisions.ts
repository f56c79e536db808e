import { createHash } from 'node:crypto'
import { type Constraint, type ConstraintKind, type Decision, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { checkComment } from './comment.ts'
import { checkChange, type DecisionChange, namedIdentities } from './decision-change.ts'
import { type DecisionState, type Plan, placesAfter, planDecision } from './decision-plan.ts'
import { readDecisionState } from './decision-state.ts'
import { countMoved, type DecisionActor, writeDecision } from './decision-write.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { encodeId } from './global-id.ts'
import { newId } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { findNeedlessTasks } from './needless-tasks.ts'
import { cutPage, idOf, indexOf, type Page, type PageResult } from './page.ts'
import { lockProject } from './project-lock.ts'

export interface ExpectedRevision {
  identityId: string
  revision: number
}

export interface ApplyDecision {
  projectId: string
  change: DecisionChange
  expectedRevisions: ExpectedRevision[]
  previewToken?: string | null
  comment?: string | null
  idempotencyKey: string
}

/** A group that would exist afterwards. */
export interface PreviewGroup {
  /** Existing identity it keeps; null for a new one. */
  identityId: string | null
  itemIds: string[]
}

export interface DecisionPreview {
  projectId: string
  previewToken: string
  ledgerRevision: number
  /** Largest first. */
  groups: PreviewGroup[]
  itemCount: number
  tasksResolved: number
  riskDelta: number
  conflictIds: string[]
}

const MAX_INTERVENING = 20

/** What a preview promises: the change, and all that its outcome depends on. */
function tokenOf(change: DecisionChange, state: DecisionState): string {
  const identities = [...state.identities.values()].map(({ id, revision }) => `${id}@${revision}`).sort()
  const statements = state.statements.map(({ id }) => id).sort()
  const members = [...state.members.values()]
    .map(({ itemId, identityId, source, risk }) => `${itemId}>${identityId}:${source}:${risk}`)
    .sort()
  const others = [...state.others].map(([itemId, identityId]) => `${itemId}>${identityId}`).sort()
  return createHash('sha256')
    .update(JSON.stringify([change, identities, statements, members, others]))
    .digest('base64url')
}

/** Identities that the caller has seen but the change does not touch are looked up in one statement. */
async function checkRevisions(
  tx: Tx,
  projectId: string,
  state: DecisionState,
  expected: readonly ExpectedRevision[],
): Promise<void> {
  const others = expected.map(({ identityId }) => identityId).filter((id) => !state.identities.has(id))
  const rows = others.length ? await tx.identity.findMany({ where: { projectId, id: { in: others } } }) : []
  const known = new Map(rows.map((row) => [row.id, row]))
  for (const [i, { identityId, revision }] of expected.entries()) {
    const now = state.identities.get(identityId) ?? known.get(identityId)
    if (!now) throw notFound('identity', identityId)
    if (now.revision === revision) continue
    const since = await tx.$queryRaw<{ id: string }[]>`
      /* checkRevisions */ SELECT d."id" FROM "DecisionIdentity" x
      JOIN "Decision" d ON d."projectId" = x."projectId" AND d."id" = x."decisionId"
      WHERE x."projectId" = ${projectId}::uuid AND x."identityId" = ${identityId}::uuid AND x."revisionAfter" > ${revision}
      ORDER BY d."ledgerRevision" DESC LIMIT ${MAX_INTERVENING}`
    throw new DomainError(
      'STALE_REVISION',
      `identity ${now.name ?? encodeId('Identity', { projectId, id: identityId })} is at revision ${now.revision}: you saw ${revision}; reload it and decide again`,
      {
        path: ['input', 'expectedRevisions', String(i), 'revision'],
        projectId,
        currentRevision: now.revision,
        interveningDecisionIds: since.map(({ id }) => id),
      },
    )
  }
}

/** Nobody changes an identity that they have not seen: each one that the change names must come with its revision. */
function requireRevisions(
  projectId: string,
  state: DecisionState,
  change: DecisionChange,
  expected: readonly ExpectedRevision[],
): void {
  const seen = new Set(expected.map(({ identityId }) => identityId))
  const unseen = namedIdentities(change).find((id) => state.identities.has(id) && !seen.has(id))
  if (!unseen) return
  throw invalid(
    `expectedRevisions must have the revision that you saw of each identity named, or previewToken be given: got none of ${encodeId('Identity', { projectId, id: unseen })}`,
    'input',
    'expectedRevisions',
  )
}

/** Refusals name the project, so that the constraints they list can be shown. */
function planIn(projectId: string, state: DecisionState, change: DecisionChange): Plan {
  try {
    return planDecision(state, change, newId)
  } catch (error) {
    if (error instanceof DomainError) error.detail.projectId = projectId
    throw error
  }
}

/** Applies a change within a transaction: the one way anything gets into the ledger. Locks the project. */
export async function applyDecisionIn(tx: Tx, actor: DecisionActor, change: DecisionChange): Promise<Decision> {
  await lockProject(tx, actor.projectId)
  const state = await readDecisionState({ prisma: tx }, actor.projectId, change)
  return writeDecision(tx, actor, state, planIn(actor.projectId, state, change), change as never)
}

/** Applies a decision, whole or not at all. REVIEWER and above. */
export async function applyDecision(app: App, viewer: Viewer, input: ApplyDecision): Promise<Decision> {
  const { projectId, change, expectedRevisions, previewToken, comment } = input
  await requireAccess(app, viewer, projectId, 'decision.apply')
  checkChange(change, ['input', 'decision'])
  checkComment(comment)
  const { decisionId } = await onceOnly(app, viewer, 'applyDecision', input, async (tx) => {
    await lockProject(tx, projectId)
    const state = await readDecisionState({ prisma: tx }, projectId, change)
    await checkRevisions(tx, projectId, state, expectedRevisions)
    // A preview's token pins all that the change depends on, revisions included.
    if (previewToken == null) requireRevisions(projectId, state, change, expectedRevisions)
    if (previewToken != null && previewToken !== tokenOf(change, state)) {
      throw new DomainError('STALE_REVISION', 'the outcome would no longer equal the preview: preview again', {
        path: ['input', 'previewToken'],
        projectId,
        currentRevision: (await tx.project.findUniqueOrThrow({ where: { id: projectId } })).ledgerRevision,
      })
    }
    const actor = { projectId, userId: viewer.userId, requestId: viewer.requestId, comment }
    const { id } = await writeDecision(tx, actor, state, planIn(projectId, state, change), change as never)
    return { decisionId: id }
  })
  return app.prisma.decision.findUniqueOrThrow({ where: { projectId_id: { projectId, id: decisionId } } })
}

/** Where everybody of the touched identities would be. */
function groupsAfter(state: DecisionState, plan: Plan): PreviewGroup[] {
  const placeOf = placesAfter(state, plan)
  const itemIds = new Set([...state.members.keys(), ...plan.moves.map(({ itemId }) => itemId)])
  const groups = new Map<string, string[]>()
  for (const itemId of itemIds) {
    const identityId = placeOf(itemId)
    if (!identityId) continue
    const group = groups.get(identityId)
    if (group) group.push(itemId)
    else groups.set(identityId, [itemId])
  }
  const fresh = new Set(plan.newIdentities.map(({ id }) => id))
  return [...groups]
    .map(([id, itemIds]) => ({ identityId: fresh.has(id) ? null : id, itemIds: itemIds.sort() }))
    .sort(
      (a, b) => b.itemIds.length - a.itemIds.length || ((a.itemIds[0] as string) < (b.itemIds[0] as string) ? -1 : 1),
    )
}

/** Expected wrong pairs that the plan takes away: of members it places by hand or frees. */
function riskDelta(state: DecisionState, plan: Plan): number {
  let delta = 0
  for (const { itemId, source } of plan.moves) if (source !== 'MODEL') delta -= state.members.get(itemId)?.risk ?? 0
  return delta
}

/** What a decision would do, without doing it. Whoever sees the project may look. */
export async function previewDecision(
  app: App,
  viewer: Viewer,
  { projectId, change }: { projectId: string; change: DecisionChange },
): Promise<DecisionPreview> {
  await requireAccess(app, viewer, projectId, 'project.read')
  checkChange(change, ['input'])
  const project = await app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
  const state = await readDecisionState(app, projectId, change)
  const common = { projectId, previewToken: tokenOf(change, state), ledgerRevision: project.ledgerRevision }
  let plan: Plan
  try {
    plan = planIn(projectId, state, change)
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== 'CONSTRAINT_CONFLICT') throw error
    const conflictIds = error.detail.conflictingConstraintIds ?? []
    return { ...common, groups: [], itemCount: 0, tasksResolved: 0, riskDelta: 0, conflictIds }
  }
  return {
    ...common,
    groups: groupsAfter(state, plan),
    itemCount: countMoved(state, plan),
    tasksResolved: (await findNeedlessTasks(app, projectId, state, plan)).length,
    riskDelta: riskDelta(state, plan),
    conflictIds: [],
  }
}

/** The ledger, newest first; `sinceRevision` leaves out what the caller has seen. */
export async function listDecisions(
  app: App,
  viewer: Viewer,
  projectId: string,
  { first, after }: Page,
  { sinceRevision, identityId }: { sinceRevision?: number | null; identityId?: string } = {},
): Promise<PageResult<Decision>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  // From the few decisions of an identity to the ledger, never the other way round through all of it.
  const source = identityId
    ? Prisma.sql`(SELECT "decisionId" FROM "DecisionIdentity" WHERE "projectId" = ${projectId}::uuid
        AND "identityId" = ${identityId}::uuid OFFSET 0) x
      JOIN "Decision" d ON d."projectId" = ${projectId}::uuid AND d."id" = x."decisionId"`
    : Prisma.sql`"Decision" d`
  const since = sinceRevision == null ? Prisma.empty : Prisma.sql`AND d."ledgerRevision" > ${sinceRevision}`
  const rest = after ? Prisma.sql`AND d."ledgerRevision" < ${indexOf(after)}` : Prisma.empty
  const rows = await app.prisma.$queryRaw<Decision[]>`
    /* listDecisions */ SELECT d.* FROM ${source} WHERE d."projectId" = ${projectId}::uuid ${since} ${rest}
    ORDER BY d."ledgerRevision" DESC LIMIT ${first + 1}`
  return cutPage(rows, first)
}

/** Active constraints, newest first. */
export async function listConstraints(
  app: App,
  viewer: Viewer,
  projectId: string,
  { first, after }: Page,
  kind?: ConstraintKind | null,
): Promise<PageResult<Constraint>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const rows = await app.prisma.constraint.findMany({
    where: { projectId, revokedById: null, ...(kind && { kind }), ...(after && { id: { lt: idOf(after) } }) },
    orderBy: { id: 'desc' },
    take: first + 1,
  })
  return cutPage(rows, first)
}
