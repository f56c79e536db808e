import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { enforceConstraints } from '../../src/engine/partition/enforce-constraints.ts'
import { createRng } from '../../src/engine/rng.ts'
import type { Rng } from '../../src/engine/types.ts'
import { findConstraintsOfPairs } from '../../src/services/batches.ts'
import { type DecisionChange, namedIdentities } from '../../src/services/decision-change.ts'
import { applyDecision, previewDecision } from '../../src/services/decisions.ts'
import { DomainError } from '../../src/services/errors.ts'
import { newId } from '../../src/services/id.ts'
import { getIdentity } from '../../src/services/identities.ts'
import { listMembersAt, listMergeCandidates } from '../../src/services/identity-members.ts'
import { publishClusterRun } from '../../src/services/publish-cluster-run.ts'
import { revertDecision } from '../../src/services/revert-decision.ts'
import { compileConstraints, readLedger } from '../../src/services/run-constraints.ts'
import { countViolations } from '../../src/services/run-violations.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { type LedgerProject, openLedgerProject, snapshot } from '../support/ledger-project.ts'

let t: TestApp
let p: LedgerProject

beforeAll(async () => {
  t = await openTestApp({ works: false })
})
afterAll(() => t?.close())

/** As somebody who has just loaded the identities that they name. */
async function apply(change: DecisionChange, more: object = {}) {
  const { projectId } = p
  const named = await t.app.prisma.identity.findMany({ where: { projectId, id: { in: namedIdentities(change) } } })
  return applyDecision(t.app, p.viewer, {
    projectId,
    change,
    expectedRevisions: named.map(({ id: identityId, revision }) => ({ identityId, revision })),
    idempotencyKey: key(),
    ...more,
  })
}

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

  it('an identity that the change names must come with the revision that was seen, or with a preview of it', async () => {
    const [into = ''] = p.identityIds
    const change = { move: { itemIds: [p.itemIds[7] as string], toIdentityId: into } }
    const blind = apply(change, { expectedRevisions: [] })
    await expect(blind).rejects.toMatchObject({ code: 'INVALID', detail: { path: ['input', 'expectedRevisions'] } })
    await expect(blind).rejects.toThrow(/must have the revision that you saw of each identity named/)
    const { previewToken } = await previewDecision(t.app, p.viewer, { projectId: p.projectId, change })
    expect(await codeOf(apply(change, { expectedRevisions: [], previewToken: 'of something else' }))).toBe(
      'STALE_REVISION',
    )
    expect(await codeOf(apply(change, { expectedRevisions: [], previewToken }))).toBe('applied')
  })

  it('a comment is a note, not a document', async () => {
    const change = { exclude: { itemIds: [p.itemIds[6] as string] } }
    await expect(apply(change, { comment: 'x'.repeat(1_001) })).rejects.toThrow(
      'comment must have at most 1000 characters: got 1001',
    )
  })

  it('members at a revision that is still to come are refused', async () => {
    const { ledgerRevision } = await t.app.prisma.project.findUniqueOrThrow({ where: { id: p.projectId } })
    const ref = { projectId: p.projectId, id: p.identityIds[0] as string }
    const at = (revision: number) => listMembersAt(t.app, p.viewer, ref, revision, { first: 10 })
    await expect(at(ledgerRevision + 1)).rejects.toThrow(`ledgerRevision must be at most the head, ${ledgerRevision}`)
    expect((await at(ledgerRevision)).rows.length).toBeGreaterThan(0)
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

/** A ready run over every item: random clusters, changed as little as needed to honour the ledger. */
async function makeRun(rng: Rng): Promise<string> {
  const { prisma } = t.app
  const { projectId, itemIds } = p
  const runId = newId()
  const { ledgerRevision, constraints } = await readLedger(t.app, projectId)
  const homes = new Map(
    (await prisma.identityMember.findMany({ where: { projectId } })).map((member) => [
      member.itemId,
      member.identityId,
    ]),
  )
  const numbers = new Map<string, number>()
  // Mostly as it is now, so that clusters overlap identities; some items go anywhere.
  const wild = itemIds.map((itemId) => {
    const home = rng.next() < 0.7 ? homes.get(itemId) : `${rng.int(6)}`
    const name = home ?? itemId
    if (!numbers.has(name)) numbers.set(name, numbers.size)
    return numbers.get(name) as number
  })
  const lists = {
    n: itemIds.length,
    k: 1,
    ids: new Int32Array(itemIds.length).fill(-1),
    similarities: new Float32Array(itemIds.length),
  }
  const labels = enforceConstraints(Int32Array.from(wild), lists, compileConstraints(constraints, itemIds))
  await prisma.clusterRun.create({
    data: {
      projectId,
      id: runId,
      state: 'READY',
      jobId: newId(),
      method: 'INFOMAP',
      spaceId: newId(),
      ledgerRevision,
      createdById: p.viewer.userId,
    },
  })
  await prisma.vertex.createMany({
    data: itemIds.map((itemId, index) => ({
      projectId,
      runId,
      index,
      itemId,
      clusterIndex: labels[index] as number,
      confidence: rng.next(),
      subtreeSize: 1,
      impact: rng.next(),
    })),
  })
  const clusters = [...new Set(labels)]
  await prisma.cluster.createMany({
    data: clusters.map((index) => ({
      projectId,
      runId,
      index,
      size: labels.filter((label) => label === index).length,
      rootIndex: labels.indexOf(index),
      risk: 0,
    })),
  })
  return runId
}

const headOf = async () => (await t.app.prisma.project.findUniqueOrThrow({ where: { id: p.projectId } })).ledgerRevision

const totalRisk = async () =>
  (await t.app.prisma.identity.findMany({ where: { projectId: p.projectId } })).reduce((sum, { risk }) => sum + risk, 0)

const obsoleteTasks = () => t.app.prisma.reviewTask.count({ where: { projectId: p.projectId, state: 'OBSOLETE' } })

/** Open questions about random pairs. */
async function ask(rng: Rng, count: number): Promise<void> {
  const homes = new Map(
    (await t.app.prisma.identityMember.findMany({ where: { projectId: p.projectId } })).map((m) => [
      m.itemId,
      m.identityId,
    ]),
  )
  await t.app.prisma.reviewTask.createMany({
    data: Array.from({ length: count }, () => {
      const [left, right] = [pick(rng, p.itemIds), pick(rng, p.itemIds)]
      const isTogether = homes.has(left) && homes.get(left) === homes.get(right)
      return {
        projectId: p.projectId,
        id: newId(),
        kind: isTogether ? ('EDGE' as const) : ('MERGE' as const),
        priority: 1,
        runId: newId(),
        questionKey: newId(),
        leftItemId: left,
        rightItemId: right,
        leftIdentityId: homes.get(left),
        rightIdentityId: homes.get(right),
        probability: 0.5,
        panels: {},
      }
    }),
  })
}

const pick = <T>(rng: Rng, values: readonly T[]): T => values[rng.int(values.length)] as T

async function randomChange(rng: Rng): Promise<DecisionChange> {
  const live = await t.app.prisma.identity.findMany({
    where: { projectId: p.projectId, state: { notIn: ['MERGED', 'DISSOLVED'] } },
    orderBy: { id: 'asc' },
  })
  const identityId = pick(rng, live).id
  const members = await t.app.prisma.identityMember.findMany({
    where: { projectId: p.projectId, identityId },
    orderBy: { itemId: 'asc' },
  })
  const own = members.map(({ itemId }) => itemId)
  const item = () => pick(rng, p.itemIds)
  const changes: DecisionChange[] = [
    { link: { leftItemId: item(), rightItemId: item() } },
    { separate: { leftItemId: item(), rightItemId: item(), leavingItemIds: [item()] } },
    { merge: { intoIdentityId: identityId, fromIdentityIds: [pick(rng, live).id] } },
    { move: { itemIds: [item()], toIdentityId: rng.next() < 0.5 ? identityId : null } },
    { split: { identityId, itemIds: own.slice(0, 1 + rng.int(2)), keepTogether: rng.next() < 0.5 } },
    { confirm: { identityId } },
    { rename: { identityId, name: `name ${rng.int(100)}` } },
    rng.next() < 0.5 ? { lock: { identityId } } : { confirm: { identityId } },
    rng.next() < 0.4 ? { exclude: { itemIds: [item()] } } : { move: { itemIds: [item()], toIdentityId: null } },
    rng.next() < 0.3 ? { dissolve: { identityId } } : { rename: { identityId, name: 'again' } },
  ]
  const change = pick(rng, changes)
  if ('link' in change && change.link.leftItemId === change.link.rightItemId) return randomChange(rng)
  if ('separate' in change && change.separate.leftItemId === change.separate.rightItemId) return randomChange(rng)
  return change
}

let published = 0
const SEEDS = [1, 2, 3]
const STEPS = 40

it('the statement on a pair is found from either side, as long as it stands', async () => {
  p = await openLedgerProject(t, [3], 0)
  const { projectId, itemIds, identityIds } = p
  const [left = '', right = '', other = ''] = itemIds
  const split = await apply({
    split: { identityId: identityIds[0] as string, itemIds: [right], keepTogether: true },
  })
  const [made] = await t.app.prisma.constraint.findMany({ where: { projectId, decisionId: split.id } })
  const kept = [made?.leftItemId, made?.rightItemId].find((id) => id !== right) as string
  const strange = [left, other].find((id) => id !== kept) as string
  const find = async () =>
    (
      await findConstraintsOfPairs(t.app, [
        { projectId, left: kept, right },
        { projectId, left: right, right: kept },
        { projectId, left: right, right: strange },
      ])
    ).map((constraint) => constraint?.id ?? null)
  expect(await find()).toEqual([made?.id, made?.id, null])
  await revert(split.id)
  expect(await find()).toEqual([null, null, null])
})

describe('random ledgers', () => {
  const count = { applied: 0, refused: 0, undone: 0, stale: 0, published: 0, replayed: 0, groups: 0 }
  afterAll(() => {
    count.published = published
    console.log(
      `ledger in the database: ${SEEDS.length * STEPS} random decisions of every kind, ${count.applied} applied (outcome = preview in ` +
        `${count.groups} groups, risk and tasks), ${count.refused} refused, ${count.undone} undone, ${count.stale} stale tokens refused, ` +
        `${count.published} runs published between them, ${count.replayed} past revisions replayed: 0 violations`,
    )
  })

  it.each(SEEDS)(
    'seed %i: nothing is ever broken, previews come true, stale ones are refused, undo restores, runs keep what people placed, replay equals what was stored',
    async (seed) => {
      const rng = createRng(seed)
      p = await openLedgerProject(t, [5, 4, 4, 3, 2], 4)
      const { projectId } = p
      await ask(rng, 30)
      const membersByRevision = new Map([[0, (await snapshot(t, projectId)).members]])
      for (let step = 0; step < STEPS; step++) {
        if (step % 10 === 9) {
          await publishRandomRun(rng)
          membersByRevision.set(await headOf(), (await snapshot(t, projectId)).members)
        }
        const change = await randomChange(rng)
        const before = await snapshot(t, projectId)
        const [risk, obsolete] = [await totalRisk(), await obsoleteTasks()]
        const promised = await previewDecision(t.app, p.viewer, { projectId, change }).catch((error) => {
          if (error instanceof DomainError) return error
          throw error
        })
        const token = promised instanceof DomainError ? {} : { previewToken: promised.previewToken }
        const code = await codeOf(apply(change, { ...token, comment: `step ${step}` }))
        if (code !== 'applied') {
          count.refused++
          expect(await snapshot(t, projectId)).toEqual(before)
          if (!(promised instanceof DomainError)) expect(promised.conflictIds.length).toBeGreaterThan(0)
          continue
        }
        count.applied++
        if (promised instanceof DomainError) throw promised
        expect(await countBroken(projectId)).toBe(0)
        // The preview's groups are the groups there are; risk and needless questions are what it said.
        const after = await t.app.prisma.identityMember.findMany({ where: { projectId } })
        for (const group of promised.groups) {
          const homes = new Set(group.itemIds.map((id) => after.find(({ itemId }) => itemId === id)?.identityId))
          expect(homes.size).toBe(1)
          const [home] = homes
          expect(after.filter(({ identityId }) => identityId === home).length).toBe(group.itemIds.length)
          if (group.identityId) expect(home).toBe(group.identityId)
          count.groups++
        }
        expect((await totalRisk()) - risk).toBeCloseTo(promised.riskDelta, 9)
        expect((await obsoleteTasks()) - obsolete).toBe(promised.tasksResolved)
        const head = await headOf()
        const last = await t.app.prisma.decision.findFirstOrThrow({ where: { projectId, ledgerRevision: head } })
        expect(last).toMatchObject({ comment: `step ${step}`, actorId: p.viewer.userId })
        membersByRevision.set(head, (await snapshot(t, projectId)).members)
        // What was previewed has happened: the same token is of no use any more, unless the change can be asked for again.
        if (rng.next() < 0.3 && promised.itemCount > 0) {
          expect(['STALE_REVISION', 'INVALID_STATE', 'NOT_FOUND']).toContain(await codeOf(apply(change, token)))
          count.stale++
        }
        if (rng.next() < 0.3) {
          expect((await revert(last.id)).blockedBy).toEqual([])
          expect(await snapshot(t, projectId)).toEqual(before)
          expect(await countBroken(projectId)).toBe(0)
          membersByRevision.set(await headOf(), before.members)
          count.undone++
        }
      }
      const identities = await t.app.prisma.identity.findMany({ where: { projectId } })
      for (const [revision, members] of membersByRevision) {
        const replayed = await Promise.all(
          identities.map(async ({ id }) => {
            const page = await listMembersAt(t.app, p.viewer, { projectId, id }, revision, { first: 250 })
            return page.rows.map(({ itemId, source }) => `${itemId} ${id} ${source}`)
          }),
        )
        expect(replayed.flat().sort()).toEqual(members)
        count.replayed++
      }
    },
  )
})

/** Publishes a run and checks that nothing of what people decided has moved. */
async function publishRandomRun(rng: Rng): Promise<void> {
  const { projectId } = p
  const placed = () =>
    t.app.prisma.$queryRaw<{ itemId: string; identityId: string }[]>`
      SELECT m."itemId", m."identityId" FROM "IdentityMember" m
      JOIN "Identity" i ON i."projectId" = m."projectId" AND i."id" = m."identityId"
      WHERE m."projectId" = ${projectId}::uuid AND (m."source" <> 'MODEL' OR i."state" = 'LOCKED') ORDER BY 1`
  const locked = () =>
    t.app.prisma.identity.findMany({
      where: { projectId, state: 'LOCKED' },
      select: { id: true, memberCount: true, revision: true },
      orderBy: { id: 'asc' },
    })
  const before = [await placed(), await locked()]
  const clusterRunId = await makeRun(rng)
  const run = await publishClusterRun(t.app, p.viewer, {
    projectId,
    clusterRunId,
    expectedLedgerRevision: await headOf(),
    idempotencyKey: key(),
  })
  expect(run.state).toBe('PUBLISHED')
  expect([await placed(), await locked()]).toEqual(before)
  expect(await countBroken(projectId)).toBe(0)
  expect(await countViolations(t.app.prisma, { projectId, id: clusterRunId })).toBe(0)
  const [wrong] = await t.app.prisma.$queryRaw<{ n: number }[]>`
    SELECT count(*)::int AS n FROM "Identity" i WHERE i."projectId" = ${projectId}::uuid AND (
      i."memberCount" <> (SELECT count(*) FROM "IdentityMember" m WHERE m."projectId" = i."projectId" AND m."identityId" = i."id")
      OR (i."memberCount" > 0 AND i."state" IN ('MERGED', 'DISSOLVED')))`
  expect(wrong?.n).toBe(0)
  published++
}

describe('merge candidates', () => {
  it('follow what people have merged and moved since the run, name each identity once, and flag what is forbidden', async () => {
    p = await openLedgerProject(t, [2, 2, 2, 2], 0)
    const { projectId, itemIds, identityIds } = p
    const [a = '', b = '', c = '', d = ''] = identityIds
    const { prisma } = t.app
    const runId = newId()
    await prisma.clusterRun.create({
      data: {
        projectId,
        id: runId,
        state: 'PUBLISHED',
        jobId: newId(),
        method: 'INFOMAP',
        spaceId: newId(),
        createdById: p.viewer.userId,
      },
    })
    await prisma.project.update({ where: { id: projectId }, data: { publishedRunId: runId } })
    await prisma.vertex.createMany({
      data: itemIds.map((itemId, index) => ({
        projectId,
        runId,
        index,
        itemId,
        clusterIndex: index >> 1,
        confidence: 0.5,
        subtreeSize: 1,
        impact: 0,
      })),
    })
    await prisma.cluster.createMany({
      data: identityIds.map((identityId, index) => ({
        projectId,
        runId,
        index,
        size: 2,
        rootIndex: 2 * index,
        identityId,
        risk: 0,
      })),
    })
    const edge = (left: number, right: number, probability: number) => ({
      projectId,
      runId,
      leftCluster: left,
      rightCluster: right,
      childIndex: 2 * left,
      parentIndex: 2 * right,
      similarity: probability,
      probability,
      priority: probability,
    })
    await prisma.mergeEdge.createMany({ data: [edge(0, 1, 0.9), edge(1, 2, 0.7), edge(0, 2, 0.6), edge(2, 3, 0.5)] })
    const candidatesOf = async (id: string) =>
      (await listMergeCandidates(t.app, p.viewer, { projectId, id }, 12)).map((candidate) => [
        candidate.identityId,
        Number(candidate.probability.toFixed(2)),
        candidate.isForbidden,
      ])
    expect(await candidatesOf(a)).toEqual([
      [b, 0.9, false],
      [c, 0.6, false],
    ])
    await apply({ merge: { intoIdentityId: a, fromIdentityIds: [b] } })
    // The edge of what was merged into it counts, the better of two to the same identity.
    expect(await candidatesOf(a)).toEqual([[c, 0.7, false]])
    expect(await candidatesOf(c)).toEqual([
      [a, 0.7, false],
      [d, 0.5, false],
    ])
    await apply({
      separate: { leftItemId: itemIds[0] as string, rightItemId: itemIds[4] as string, leavingItemIds: [] },
    })
    expect(await candidatesOf(a)).toEqual([[c, 0.7, true]])
  })
})

describe('the database', () => {
  it('refuses to rewrite the ledger, whoever asks', async () => {
    p = await openLedgerProject(t, [3, 2], 1)
    const { projectId } = p
    const decision = await apply({ confirm: { identityId: p.identityIds[0] as string } })
    const { prisma } = t.app
    const where = { projectId, id: decision.id }
    const attempts: (() => Promise<unknown>)[] = [
      () => prisma.decision.updateMany({ where, data: { comment: 'never said' } }),
      () => prisma.decision.updateMany({ where, data: { actorId: newId() } }),
      () => prisma.decision.deleteMany({ where }),
      () =>
        prisma.constraint.updateMany({ where: { projectId, decisionId: decision.id }, data: { kind: 'CANNOT_LINK' } }),
      () => prisma.constraint.deleteMany({ where: { projectId } }),
      () => prisma.decisionIdentity.updateMany({ where: { projectId }, data: { nameAfter: 'x' } }),
      () => prisma.decisionIdentity.deleteMany({ where: { projectId } }),
      () => prisma.membershipEvent.updateMany({ where: { projectId }, data: { toSource: 'HUMAN' } }),
      () => prisma.membershipEvent.deleteMany({ where: { projectId } }),
      () => prisma.$executeRaw`TRUNCATE "Decision"`,
      () => prisma.$executeRaw`TRUNCATE "MembershipEvent"`,
    ]
    for (const attempt of attempts) await expect(attempt()).rejects.toThrow(/append-only/)
    // An undo is noted once, and then never changed.
    const { decision: undo } = await revert(decision.id)
    expect(undo).not.toBeNull()
    await expect(prisma.decision.updateMany({ where, data: { revertedById: null } })).rejects.toThrow(/append-only/)
    await expect(prisma.constraint.updateMany({ where: { projectId }, data: { revokedById: null } })).rejects.toThrow(
      /append-only/,
    )
  })
})
