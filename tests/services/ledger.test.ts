import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng } from '../../src/engine/rng.ts'
import type { DecisionChange } from '../../src/services/decision-change.ts'
import { applyDecision, previewDecision } from '../../src/services/decisions.ts'
import { DomainError } from '../../src/services/errors.ts'
import { getIdentity } from '../../src/services/identities.ts'
import { listMembersAt } from '../../src/services/identity-members.ts'
import { revertDecision } from '../../src/services/revert-decision.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { type LedgerProject, openLedgerProject, snapshot } from '../support/ledger-project.ts'

let t: TestApp
let p: LedgerProject

beforeAll(async () => {
  t = await openTestApp({ works: false })
})
afterAll(() => t?.close())

const apply = (change: DecisionChange, more: object = {}) =>
  applyDecision(t.app, p.viewer, {
    projectId: p.projectId,
    change,
    expectedRevisions: [],
    idempotencyKey: key(),
    ...more,
  })

const revert = (decisionId: string) =>
  revertDecision(t.app, p.viewer, { projectId: p.projectId, decisionId, idempotencyKey: key() })

const codeOf = async (promise: Promise<unknown>) => {
  try {
    await promise
    return 'applied'
  } catch (error) {
    if (error instanceof DomainError) return error.code
    throw error
  }
}

describe('by hand', () => {
  beforeAll(async () => {
    p = await openLedgerProject(t, [4, 3, 2], 2)
  })

  it('a merge moves everybody, redirects the old id, and its undo restores all of it', async () => {
    const before = await snapshot(t, p.projectId)
    const [into = '', from = ''] = p.identityIds
    const decision = await apply({ merge: { intoIdentityId: into, fromIdentityIds: [from] } })
    expect(decision).toMatchObject({ kind: 'MERGE', ledgerRevision: 1, itemCount: 3 })
    const survivor = await getIdentity(t.app, p.viewer, { projectId: p.projectId, id: from })
    expect(survivor).toMatchObject({ id: into, memberCount: 7 })
    const { decision: undo, blockedBy } = await revert(decision.id)
    expect(undo).toMatchObject({ kind: 'REVERT', ledgerRevision: 2 })
    expect(blockedBy).toEqual([])
    expect(await snapshot(t, p.projectId)).toEqual(before)
    expect(await codeOf(revert(decision.id))).toBe('INVALID_STATE')
  })

  it('what a split took apart can not be merged again, and the refusal names the one constraint that forbids it', async () => {
    const [identityId = ''] = p.identityIds
    const leaving = p.itemIds.slice(0, 2)
    const decision = await apply({ split: { identityId, itemIds: leaving, keepTogether: true } })
    const member = await t.app.prisma.identityMember.findUniqueOrThrow({
      where: { projectId_itemId: { projectId: p.projectId, itemId: leaving[0] as string } },
    })
    expect(member.identityId).not.toBe(identityId)
    const before = await snapshot(t, p.projectId)
    const refused = apply({ merge: { intoIdentityId: identityId, fromIdentityIds: [member.identityId] } })
    await expect(refused).rejects.toMatchObject({ code: 'CONSTRAINT_CONFLICT' })
    const detail = await refused.catch((error: DomainError) => error.detail)
    const [constraintId = ''] = (detail as DomainError['detail']).conflictingConstraintIds ?? []
    expect((detail as DomainError['detail']).conflictingConstraintIds).toHaveLength(1)
    const constraint = await t.app.prisma.constraint.findFirstOrThrow({ where: { id: constraintId } })
    expect(constraint).toMatchObject({ kind: 'CANNOT_LINK', decisionId: decision.id })
    expect(await snapshot(t, p.projectId)).toEqual(before)
  })

  it('a decision under a later one can not be undone before it', async () => {
    const target = p.identityIds[2] as string
    const free = p.itemIds.slice(-2)
    const first = await apply({ move: { itemIds: [free[0] as string], toIdentityId: target } })
    const second = await apply({ move: { itemIds: [free[1] as string], toIdentityId: target } })
    const { decision, blockedBy } = await revert(first.id)
    expect(decision).toBeNull()
    expect(blockedBy.map(({ id }) => id)).toEqual([second.id])
  })

  it('a stale revision is refused and told what happened since', async () => {
    const identityId = p.identityIds[2] as string
    const stale = apply(
      { exclude: { itemIds: [p.itemIds[7] as string] } },
      { expectedRevisions: [{ identityId, revision: 1 }] },
    )
    await expect(stale).rejects.toMatchObject({ code: 'STALE_REVISION', detail: { currentRevision: 3 } })
    const detail = (await stale.catch((error: DomainError) => error.detail)) as DomainError['detail']
    expect(detail.interveningDecisionIds).toHaveLength(2)
  })

  it('the same idempotency key applies once, and another body under it is refused', async () => {
    const change = { exclude: { itemIds: [p.itemIds[5] as string] } }
    const idempotencyKey = key()
    const once = await apply(change, { idempotencyKey })
    expect(await apply(change, { idempotencyKey })).toEqual(once)
    expect(await codeOf(apply({ exclude: { itemIds: [p.itemIds[4] as string] } }, { idempotencyKey }))).toBe(
      'IDEMPOTENCY_KEY_REUSED',
    )
  })

  it('refuses items and identities of another project as not found', async () => {
    const own = p
    const other = await openLedgerProject(t, [2], 0)
    p = own
    expect(await codeOf(apply({ move: { itemIds: [other.itemIds[0] as string], toIdentityId: null } }))).toBe(
      'NOT_FOUND',
    )
    const stranger = {
      ...own.viewer,
      userId: (await t.app.prisma.user.findFirstOrThrow({ where: { displayName: 'Stranger' } })).id,
      roles: new Map(),
    }
    expect(
      await codeOf(
        previewDecision(t.app, stranger, {
          projectId: own.projectId,
          change: { exclude: { itemIds: own.itemIds.slice(0, 1) } },
        }),
      ),
    ).toBe('NOT_FOUND')
  })
})

/** What must hold after any decision: must-linked items share an identity, cannot-linked do not, excluded are in none. */
async function countBroken(projectId: string): Promise<number> {
  const [row] = await t.app.prisma.$queryRaw<{ n: number }[]>`
    SELECT count(*)::int AS n FROM "Constraint" x
    LEFT JOIN "IdentityMember" a ON a."projectId" = x."projectId" AND a."itemId" = x."leftItemId"
    LEFT JOIN "IdentityMember" b ON b."projectId" = x."projectId" AND b."itemId" = x."rightItemId"
    WHERE x."projectId" = ${projectId}::uuid AND x."revokedById" IS NULL AND (
      (x."kind" = 'MUST_LINK' AND a."identityId" IS DISTINCT FROM b."identityId" AND NOT EXISTS (
        SELECT 1 FROM "Constraint" e WHERE e."projectId" = x."projectId" AND e."kind" = 'EXCLUDED' AND e."revokedById" IS NULL
          AND e."leftItemId" IN (x."leftItemId", x."rightItemId")))
      OR (x."kind" = 'CANNOT_LINK' AND a."identityId" = b."identityId")
      OR (x."kind" = 'EXCLUDED' AND a."identityId" IS NOT NULL))`
  return row?.n as number
}

describe('random ledgers', () => {
  it.each([1, 2, 3, 4])(
    'seed %i: no decision is ever broken, previews come true, undo restores, replay equals what is stored',
    async (seed) => {
      const rng = createRng(seed)
      p = await openLedgerProject(t, [5, 4, 4, 3, 2], 4)
      const pick = <T>(values: readonly T[]): T => values[rng.int(values.length)] as T
      let applied = 0
      let refused = 0
      for (let step = 0; step < 40; step++) {
        const live = await t.app.prisma.identity.findMany({
          where: { projectId: p.projectId, state: { notIn: ['MERGED', 'DISSOLVED'] } },
          orderBy: { id: 'asc' },
        })
        const members = await t.app.prisma.identityMember.findMany({
          where: { projectId: p.projectId },
          orderBy: { itemId: 'asc' },
        })
        const identity = pick(live)
        const own = members.filter((member) => member.identityId === identity.id).map(({ itemId }) => itemId)
        const changes: DecisionChange[] = [
          { link: { leftItemId: pick(p.itemIds), rightItemId: pick(p.itemIds) } },
          {
            separate: { leftItemId: pick(p.itemIds), rightItemId: pick(p.itemIds), leavingItemIds: [pick(p.itemIds)] },
          },
          { merge: { intoIdentityId: identity.id, fromIdentityIds: [pick(live).id] } },
          { move: { itemIds: [pick(p.itemIds)], toIdentityId: rng.next() < 0.5 ? identity.id : null } },
          { split: { identityId: identity.id, itemIds: own.slice(0, 1 + rng.int(2)), keepTogether: rng.next() < 0.5 } },
          { confirm: { identityId: identity.id } },
          ...(rng.next() < 0.2 ? [{ exclude: { itemIds: [pick(p.itemIds)] } }] : []),
        ]
        const change = pick(changes)
        if ('link' in change && change.link.leftItemId === change.link.rightItemId) continue
        if ('separate' in change && change.separate.leftItemId === change.separate.rightItemId) continue
        const before = await snapshot(t, p.projectId)
        const promised = await previewDecision(t.app, p.viewer, { projectId: p.projectId, change }).catch((error) => {
          if (error instanceof DomainError) return error
          throw error
        })
        const code = await codeOf(
          apply(change, promised instanceof DomainError ? {} : { previewToken: promised.previewToken }),
        )
        if (code !== 'applied') {
          refused++
          expect(await snapshot(t, p.projectId)).toEqual(before)
          if (!(promised instanceof DomainError)) expect(promised.conflictIds.length).toBeGreaterThan(0)
          continue
        }
        applied++
        expect(await countBroken(p.projectId)).toBe(0)
        // The preview's groups are the groups there are.
        if (promised instanceof DomainError) throw promised
        const after = await t.app.prisma.identityMember.findMany({ where: { projectId: p.projectId } })
        for (const group of promised.groups) {
          const homes = new Set(group.itemIds.map((id) => after.find(({ itemId }) => itemId === id)?.identityId))
          expect(homes.size).toBe(1)
          const [home] = homes
          expect(after.filter(({ identityId }) => identityId === home).length).toBe(group.itemIds.length)
          if (group.identityId) expect(home).toBe(group.identityId)
        }
        const { ledgerRevision } = await t.app.prisma.project.findUniqueOrThrow({ where: { id: p.projectId } })
        // Now and then the last decision is undone: everything is as it was.
        if (rng.next() < 0.3) {
          const last = await t.app.prisma.decision.findFirstOrThrow({
            where: { projectId: p.projectId, ledgerRevision },
          })
          expect((await revert(last.id)).blockedBy).toEqual([])
          expect(await snapshot(t, p.projectId)).toEqual(before)
          expect(await countBroken(p.projectId)).toBe(0)
        }
      }
      expect(applied).toBeGreaterThan(8)
      expect(refused).toBeGreaterThan(0)
      const { ledgerRevision } = await t.app.prisma.project.findUniqueOrThrow({ where: { id: p.projectId } })
      const identities = await t.app.prisma.identity.findMany({ where: { projectId: p.projectId } })
      for (const { id } of identities) {
        const replayed = await listMembersAt(t.app, p.viewer, { projectId: p.projectId, id }, ledgerRevision, {
          first: 250,
        })
        const stored = await t.app.prisma.identityMember.findMany({
          where: { projectId: p.projectId, identityId: id },
          orderBy: { itemId: 'asc' },
        })
        expect(replayed.rows.map(({ itemId, source }) => [itemId, source])).toEqual(
          stored.map(({ itemId, source }) => [itemId, source]),
        )
      }
    },
  )
})
