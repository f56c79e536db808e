import { type Identity, type IdentityState, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import type { DecisionChange } from './decision-change.ts'
import { type DecisionState, planDecision } from './decision-plan.ts'
import { readState } from './decision-state.ts'
import { type LedgerEntry, stateAfter, writeDecisions } from './decision-write.ts'
import { DomainError, type DomainErrorDetail, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import {
  type CappedCount,
  cappedCount,
  checkCap,
  cutPage,
  idOf,
  indexOf,
  instantOf,
  numberOf,
  type Page,
  type PageResult,
  textOf,
} from './page.ts'
import { lockProject } from './project-lock.ts'

export type IdentityOrder = 'RISK_DESC' | 'SIZE_DESC' | 'UPDATED_DESC' | 'NAME_ASC'

export interface IdentityFilter {
  states?: IdentityState[] | null
  nameContains?: string | null
  minSize?: number | null
}

const LIVE: IdentityState[] = ['PROPOSED', 'CONFIRMED', 'LOCKED']

/** Sort expression and cast of each order; the id breaks ties. Nameless identities come last by name. */
const ORDERS: Record<
  IdentityOrder,
  { key: string; cast: string; isDescending: boolean; read: (after: readonly unknown[]) => number | string | Date }
> = {
  RISK_DESC: { key: 'i."risk"', cast: 'float8', isDescending: true, read: numberOf },
  SIZE_DESC: { key: 'i."memberCount"', cast: 'int', isDescending: true, read: indexOf },
  UPDATED_DESC: { key: 'i."updatedAt"', cast: 'timestamptz', isDescending: true, read: instantOf },
  NAME_ASC: { key: `coalesce(i."name", U&'\\FFFF')`, cast: 'text', isDescending: false, read: textOf },
}

/** The sort key of an identity in an order: its cursor. */
export const identityKeyset = (order: IdentityOrder) => (identity: Identity) => {
  const keys = {
    RISK_DESC: identity.risk,
    SIZE_DESC: identity.memberCount,
    UPDATED_DESC: identity.updatedAt.toISOString(),
    NAME_ASC: identity.name ?? '\uffff',
  }
  return [keys[order], identity.id]
}

function whereOf(projectId: string, { states, nameContains, minSize }: IdentityFilter): Prisma.Sql {
  const parts = [
    Prisma.sql`i."projectId" = ${projectId}::uuid`,
    Prisma.sql`i."state"::text = ANY(${(states ?? LIVE) as string[]}::text[])`,
  ]
  if (nameContains) parts.push(Prisma.sql`i."name" ILIKE ${`%${nameContains.replace(/[\\%_]/g, '\\$&')}%`}`)
  if (minSize != null) parts.push(Prisma.sql`i."memberCount" >= ${minSize}`)
  return Prisma.join(parts, ' AND ')
}

/** Identities by filter; without one, those that are alive. */
export async function listIdentities(
  app: App,
  viewer: Viewer,
  projectId: string,
  { first, after }: Page,
  filter: IdentityFilter,
  order: IdentityOrder,
): Promise<PageResult<Identity>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const { key, cast, isDescending, read } = ORDERS[order]
  const sort = Prisma.raw(key)
  const beyond = Prisma.raw(isDescending ? '<' : '>')
  const direction = Prisma.raw(isDescending ? 'DESC' : 'ASC')
  const rest = after
    ? Prisma.sql`AND (${sort}, i."id") ${beyond} (${read(after)}::${Prisma.raw(cast)}, ${idOf(after, 1)}::uuid)`
    : Prisma.empty
  const rows = await app.prisma.$queryRaw<Identity[]>`
    /* listIdentities */ SELECT i.* FROM "Identity" i WHERE ${whereOf(projectId, filter)} ${rest}
    ORDER BY ${sort} ${direction}, i."id" ${direction} LIMIT ${first + 1}`
  return cutPage(rows, first)
}

export async function countIdentities(
  app: App,
  viewer: Viewer,
  projectId: string,
  filter: IdentityFilter,
  cap: number,
): Promise<CappedCount> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const [row] = await app.prisma.$queryRaw<{ n: number }[]>`
    /* countIdentities */ SELECT count(*)::int AS n
    FROM (SELECT 1 FROM "Identity" i WHERE ${whereOf(projectId, filter)} LIMIT ${checkCap(cap) + 1}) s`
  return cappedCount(row?.n ?? 0, cap)
}

/** An identity; a merged one leads to the one that survived, however often it was merged on. */
export async function getIdentity(app: App, viewer: Viewer, { projectId, id }: Ref): Promise<Identity> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const [identity] = await app.prisma.$queryRaw<Identity[]>`
    /* getIdentity */
    WITH RECURSIVE follow AS (
      SELECT i.*, 0 AS hops FROM "Identity" i WHERE i."projectId" = ${projectId}::uuid AND i."id" = ${id}::uuid
      UNION ALL
      SELECT i.*, f.hops + 1 FROM follow f
      JOIN "Identity" i ON i."projectId" = f."projectId" AND i."id" = f."mergedIntoId" WHERE f.hops < 1000
    )
    SELECT * FROM follow ORDER BY hops DESC LIMIT 1`
  if (!identity) throw notFound('identity', id)
  const { hops: _hops, ...row } = identity as Identity & { hops: number }
  return row
}

export interface IdentityUpdate {
  identityId: string
  expectedRevision: number
  name?: string | null
  state?: IdentityState | null
}

export interface UpdateIdentities {
  projectId: string
  updates: IdentityUpdate[]
  errorPolicy: 'REJECT_EVERYTHING' | 'REJECT_FAILED_ROWS'
  idempotencyKey: string
}

/** The outcome of one row: the identity, or why not. */
export interface IdentityUpdateOutcome {
  identityId: string
  refusal?: { code: string; message: string; detail: DomainErrorDetail }
}

export const MAX_UPDATES = 250
/** Decisions that a refusal of a stale revision lists. */
const MAX_INTERVENING = 20
const MAX_NAME = 200

function changesOf({ identityId, name, state }: IdentityUpdate): DecisionChange[] {
  const changes: DecisionChange[] = []
  if (state === 'CONFIRMED') changes.push({ confirm: { identityId } })
  else if (state === 'LOCKED') changes.push({ lock: { identityId } })
  else if (state === 'DISSOLVED') changes.push({ dissolve: { identityId } })
  else if (state != null) throw new DomainError('INVALID', `state must be CONFIRMED, LOCKED or DISSOLVED: got ${state}`)
  if (name != null) {
    const trimmed = name.trim()
    if (trimmed.length < 1 || trimmed.length > MAX_NAME) {
      throw new DomainError('INVALID', `name must have 1 to ${MAX_NAME} characters: got ${trimmed.length}`)
    }
    if (state === 'DISSOLVED') throw new DomainError('INVALID', 'an identity can not be dissolved and named at once')
    changes.push({ rename: { identityId, name: trimmed } })
  }
  if (changes.length === 0) throw new DomainError('INVALID', 'a row must give a name or a state: got neither')
  return changes
}

/** Plans one row on the state that the rows before it leave. */
function planRow(
  state: DecisionState,
  { identityId, expectedRevision }: IdentityUpdate,
  changes: readonly DecisionChange[],
): { state: DecisionState; entries: LedgerEntry[] } {
  const identity = state.identities.get(identityId)
  if (!identity) throw notFound('identity', identityId)
  if (identity.revision !== expectedRevision) {
    throw new DomainError(
      'STALE_REVISION',
      `identity ${identity.name ?? '(without a name)'} is at revision ${identity.revision}: you saw ${expectedRevision}`,
      { currentRevision: identity.revision },
    )
  }
  let now = state
  const entries: LedgerEntry[] = []
  for (const change of changes) {
    const plan = planDecision(now, change, newId)
    entries.push({ id: newId(), plan, payload: change as never })
    now = stateAfter(now, plan)
  }
  return { state: now, entries }
}

/** What happened to identities since the revisions that the caller saw: one statement for all refused rows. */
async function nameIntervening(
  tx: Tx,
  projectId: string,
  updates: readonly IdentityUpdate[],
  outcomes: IdentityUpdateOutcome[],
): Promise<void> {
  const stale = outcomes.flatMap(({ identityId, refusal }, i) =>
    refusal?.code === 'STALE_REVISION' ? [{ identityId, refusal, seen: updates[i]?.expectedRevision as number }] : [],
  )
  if (stale.length === 0) return
  const since = await tx.$queryRaw<{ identityId: string; decisionId: string }[]>`
    /* nameIntervening */
    SELECT x."identityId", x."decisionId" FROM unnest(${stale.map(({ identityId }) => identityId)}::uuid[],
      ${stale.map(({ seen }) => seen)}::int[]) AS t(identity, seen)
    JOIN "DecisionIdentity" x ON x."projectId" = ${projectId}::uuid AND x."identityId" = t.identity
      AND x."revisionAfter" > t.seen
    ORDER BY x."revisionAfter" DESC`
  for (const { identityId, refusal } of stale) {
    const own = since.filter((row) => row.identityId === identityId)
    refusal.detail.interveningDecisionIds = own.slice(0, MAX_INTERVENING).map(({ decisionId }) => decisionId)
  }
}

/** Rolls everything back, and carries the outcomes out of the transaction. */
class Rollback extends Error {
  constructor(readonly outcomes: IdentityUpdateOutcome[]) {
    super('a row failed')
  }
}

/**
 * Names, confirms, locks or dissolves identities, at most 250 rows in a handful of statements. REVIEWER and above. Each row is one
 * decision, or two where it gives a state and a name.
 */
export async function updateIdentities(
  app: App,
  viewer: Viewer,
  input: UpdateIdentities,
): Promise<IdentityUpdateOutcome[]> {
  const { projectId, updates, errorPolicy } = input
  await requireAccess(app, viewer, projectId, 'decision.apply')
  if (updates.length < 1 || updates.length > MAX_UPDATES) {
    throw invalid(`updates must have 1 to ${MAX_UPDATES} rows: got ${updates.length}`, 'input', 'updates')
  }
  if (new Set(updates.map(({ identityId }) => identityId)).size < updates.length) {
    throw invalid('updates must name each identity once', 'input', 'updates')
  }
  try {
    const { outcomes } = await onceOnly(app, viewer, 'updateIdentities', input, async (tx) => {
      await lockProject(tx, projectId)
      const before = await readState(
        { prisma: tx },
        projectId,
        updates.map(({ identityId }) => identityId),
        [],
      )
      let state = before
      const outcomes: IdentityUpdateOutcome[] = []
      const entries: LedgerEntry[] = []
      for (const [i, update] of updates.entries()) {
        const { identityId } = update
        try {
          const row = planRow(state, update, changesOf(update))
          state = row.state
          entries.push(...row.entries)
          outcomes.push({ identityId })
        } catch (error) {
          if (!(error instanceof DomainError)) throw error
          const path = ['input', 'updates', String(i), ...(error.detail.path ?? [])]
          const detail = { ...error.detail, projectId, path }
          outcomes.push({ identityId, refusal: { code: error.code, message: error.message, detail } })
        }
      }
      await nameIntervening(tx, projectId, updates, outcomes)
      if (errorPolicy === 'REJECT_EVERYTHING' && outcomes.some(({ refusal }) => refusal)) throw new Rollback(outcomes)
      await writeDecisions(tx, { projectId, userId: viewer.userId, requestId: viewer.requestId }, before, entries)
      return { outcomes }
    })
    return outcomes
  } catch (error) {
    if (error instanceof Rollback) return error.outcomes
    throw error
  }
}
