import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ReviewTask } from '../../src/generated/prisma/client.ts'
import type { Viewer } from '../../src/services/access.ts'
import { listAnnotatorStats } from '../../src/services/annotator-stats.ts'
import { calibrateThreshold } from '../../src/services/calibration.ts'
import { applyDecision } from '../../src/services/decisions.ts'
import { listEffortPoints, suggestStop } from '../../src/services/effort-curve.ts'
import { newId } from '../../src/services/id.ts'
import { revertDecision } from '../../src/services/revert-decision.ts'
import type { Panels } from '../../src/services/review-questions.ts'
import { updateReviewSettings } from '../../src/services/review-settings.ts'
import {
  claimReviewTasks,
  findAnswers,
  type ReviewAnswerInput,
  releaseReviewTasks,
  renewReviewLeases,
  skipReviewTasks,
  submitReviewAnswers,
  summariseQueue,
  watchMyTasks,
} from '../../src/services/review-tasks.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { openQueueProject, type QueueMember, type QueueProject } from '../support/queue-project.ts'

let t: TestApp
beforeAll(async () => {
  t = await openTestApp({ works: false })
})
afterAll(() => t?.close())

const many = (truth: string, count: number, rest: Partial<QueueMember> = {}): QueueMember[] =>
  Array.from({ length: count }, () => ({ truth, ...rest }))

const claim = (p: QueueProject, viewer: Viewer, count = 10, kinds?: ReviewTask['kind'][]) =>
  claimReviewTasks(t.app, viewer, { projectId: p.projectId, count, kinds, idempotencyKey: key() })

const submit = (p: QueueProject, viewer: Viewer, answers: ReviewAnswerInput[], claimNext = 0) =>
  submitReviewAnswers(t.app, viewer, { projectId: p.projectId, answers, claimNext, idempotencyKey: key() })

type Verdict = ReviewAnswerInput['verdict']
const say = (task: ReviewTask, verdict: Verdict, rest: Partial<ReviewAnswerInput> = {}): ReviewAnswerInput => ({
  taskId: task.id,
  expectedRevision: task.revision,
  verdict,
  durationMs: 800,
  ...rest,
})

const isSame = (p: QueueProject, { leftItemId, rightItemId }: ReviewTask) =>
  p.truthOf.get(leftItemId as string) === p.truthOf.get(rightItemId as string)

/** A perfect annotator. */
const truly = (p: QueueProject, task: ReviewTask) => say(task, isSame(p, task) ? 'SAME' : 'DIFFERENT')

const stateOf = async (p: QueueProject, id: string) =>
  t.app.prisma.reviewTask.findUniqueOrThrow({ where: { projectId_id: { projectId: p.projectId, id } } })

const identityOf = async (p: QueueProject, itemId: string) =>
  (await t.app.prisma.identityMember.findUnique({ where: { projectId_itemId: { projectId: p.projectId, itemId } } }))
    ?.identityId ?? null

describe('what is asked', () => {
  it('splits and merges in one order, by expected wrong pairs', async () => {
    const p = await openQueueProject(
      t,
      [
        [
          { truth: 'a' },
          { truth: 'b', probability: 0.3 },
          { truth: 'b', probability: 0.9, parent: 1 },
          ...many('a', 3),
        ],
        [...many('a', 4)],
        [...many('c', 3)],
      ],
      [
        { left: [0, 0], right: [1, 0], probability: 0.8 },
        { left: [1, 0], right: [2, 0], probability: 0.1 },
      ],
    )
    const tasks = await claim(p, p.admin, 25)
    const priorities = tasks.map(({ priority }) => priority)
    expect(priorities).toEqual([...priorities].sort((a, b) => b - a))
    // .8 * 6 * 4 = 19.2 pairs to be gained before (1 - .3) * 2 * 4 = 5.6 to be taken apart.
    expect(tasks[0]).toMatchObject({ kind: 'MERGE' })
    expect(tasks[0]?.priority).toBeCloseTo(19.2, 4)
    expect(tasks[1]).toMatchObject({ kind: 'EDGE', leftItemId: p.itemIds[0]?.[1] })
    expect(tasks[1]?.priority).toBeCloseTo(5.6, 4)
    expect(tasks[1]?.panels).toMatchObject({ left: { memberCount: 2 }, right: { memberCount: 4 } })
  })

  it('single doubtful members of one cluster in one grid; marking them frees them, the rest is confirmed', async () => {
    const p = await openQueueProject(
      t,
      [[{ truth: 'a' }, ...many('a', 3, { probability: 0.8 }), ...many('x', 2, { probability: 0.4 })]],
      [],
    )
    const [grid, ...others] = await claim(p, p.admin, 25)
    expect(others).toEqual([])
    expect(grid).toMatchObject({ kind: 'OUTLIERS', leftItemId: p.itemIds[0]?.[0], rightItemId: null })
    const shown = ((grid as ReviewTask).panels as unknown as Panels).left
    expect(shown.itemIds).toHaveLength(6)
    expect(shown.itemIds[0]).toBe(p.itemIds[0]?.[0])
    expect(shown.memberCount).toBe(6)
    const outlierItemIds = shown.itemIds.filter((id) => p.truthOf.get(id) === 'x')
    const refused = await submit(p, p.admin, [say(grid as ReviewTask, 'DIFFERENT', { outlierItemIds: shown.itemIds })])
    expect(refused.results[0]?.refusal?.message).toMatch(/at least one item must belong/)
    const { results } = await submit(p, p.admin, [say(grid as ReviewTask, 'DIFFERENT', { outlierItemIds })])
    expect(results[0]).toMatchObject({ task: { state: 'APPLIED' }, decision: { kind: 'SPLIT', itemCount: 2 } })
    const anchor = await identityOf(p, shown.itemIds[0] as string)
    for (const id of shown.itemIds) expect(await identityOf(p, id)).toBe(outlierItemIds.includes(id) ? null : anchor)
    const kinds = await t.app.prisma.constraint.groupBy({
      by: ['kind'],
      where: { projectId: p.projectId },
      _count: true,
    })
    expect(Object.fromEntries(kinds.map(({ kind, _count }) => [kind, _count]))).toEqual({
      MUST_LINK: 3,
      CANNOT_LINK: 2,
    })
  })

  it('all likely homes of a free item in one question', async () => {
    const p = await openQueueProject(
      t,
      [[{ truth: 'b' }], many('a', 4), many('b', 4), many('c', 3)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.5 },
        { left: [0, 0], right: [2, 0], probability: 0.4 },
        { left: [0, 0], right: [3, 0], probability: 0.3 },
      ],
    )
    const free = p.itemIds[0]?.[0] as string
    const [task] = await claim(p, p.admin, 25, ['ASSIGN'])
    expect(task).toMatchObject({ kind: 'ASSIGN', leftItemId: free })
    const { candidates = [] } = (task as ReviewTask).panels as unknown as Panels
    expect(candidates.map(({ probabilities }) => probabilities?.[0])).toEqual([0.5, 0.4, 0.3].map(Math.fround))
    const home = candidates.find(({ itemIds }) => p.truthOf.get(itemIds[0] as string) === 'b')
    const lost = await submit(p, p.admin, [say(task as ReviewTask, 'SAME')])
    expect(lost.results[0]?.refusal?.message).toMatch(/SAME needs identityId/)
    const { results } = await submit(p, p.admin, [say(task as ReviewTask, 'SAME', { identityId: home?.identityId })])
    expect(results[0]?.task.state).toBe('APPLIED')
    expect(await identityOf(p, free)).toBe(home?.identityId)
  })

  it('none of the homes: the item stays free, and is not asked about the same ones again', async () => {
    const p = await openQueueProject(
      t,
      [[{ truth: 'z' }], many('a', 4), many('b', 4)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.5 },
        { left: [0, 0], right: [2, 0], probability: 0.4 },
      ],
    )
    const [task] = await claim(p, p.admin, 25, ['ASSIGN'])
    const { results } = await submit(p, p.admin, [say(task as ReviewTask, 'DIFFERENT')])
    expect(results[0]?.task.state).toBe('APPLIED')
    expect(await identityOf(p, p.itemIds[0]?.[0] as string)).toBeNull()
    await p.build()
    expect(await claim(p, p.admin, 25, ['ASSIGN', 'MERGE'])).toEqual([])
  })

  it('one question stands for all near-duplicates, and its answer holds for them', async () => {
    const p = await openQueueProject(
      t,
      [many('a', 2, { probability: 0.99 }), many('a', 2, { probability: 0.99 }), many('a', 2, { probability: 0.99 })],
      [
        { left: [0, 0], right: [2, 0], probability: 0.6 },
        { left: [1, 0], right: [2, 1], probability: 0.5 },
      ],
      { settings: { nearDuplicateSimilarity: 0.97 } },
    )
    // The ends of both merges look the same.
    const copy = async (from: string, to: string) =>
      t.app.prisma.$executeRaw`UPDATE "Embedding" e SET "vector" = o."vector" FROM "Embedding" o
        WHERE e."projectId" = ${p.projectId}::uuid AND o."projectId" = e."projectId" AND o."itemId" = ${from}::uuid AND e."itemId" = ${to}::uuid`
    await copy(p.itemIds[0]?.[0] as string, p.itemIds[1]?.[0] as string)
    await copy(p.itemIds[2]?.[0] as string, p.itemIds[2]?.[1] as string)
    await t.app.prisma.reviewTask.deleteMany({ where: { projectId: p.projectId } })
    await p.build()
    const tasks = await claim(p, p.admin, 25, ['MERGE'])
    expect(tasks).toHaveLength(1)
    expect(tasks[0]?.alsoPairs).toEqual([{ leftItemId: p.itemIds[1]?.[0], rightItemId: p.itemIds[2]?.[1] }])
    const { results } = await submit(p, p.admin, [truly(p, tasks[0] as ReviewTask)])
    expect(results[0]?.decision).toMatchObject({ kind: 'MERGE' })
    const places = await Promise.all(p.itemIds.flat().map((id) => identityOf(p, id)))
    expect(new Set(places).size).toBe(1)
  })

  it('boxes of one source image are never the same, where the project says so', async () => {
    const merges = [{ left: [0, 0] as [number, number], right: [1, 0] as [number, number], probability: 0.9 }]
    const p = await openQueueProject(t, [many('a', 2), many('b', 2)], merges)
    expect(await claim(p, p.admin, 25, ['MERGE'])).toHaveLength(1)
    await t.app.prisma.item.updateMany({
      where: { projectId: p.projectId, id: { in: [p.itemIds[0]?.[0] as string, p.itemIds[1]?.[0] as string] } },
      data: { imageKey: 'photo', box: { x: 0, y: 0, width: 0.5, height: 0.5 } },
    })
    await updateReviewSettings(t.app, p.admin, { projectId: p.projectId, isSameImageApart: true })
    await t.app.prisma.reviewTask.deleteMany({ where: { projectId: p.projectId } })
    await p.build()
    expect(await claim(p, p.admin, 25, ['MERGE'])).toEqual([])
  })

  it('never proposes a pair that is forbidden or answered, directly or by what follows', async () => {
    const p = await openQueueProject(
      t,
      [many('a', 3), many('b', 3), many('a', 3)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.5 },
        { left: [1, 1], right: [2, 1], probability: 0.4 },
        { left: [0, 2], right: [2, 2], probability: 0.3 },
      ],
    )
    const tasks = await claim(p, p.admin, 25, ['MERGE'])
    expect(tasks).toHaveLength(3)
    const between = (x: number, y: number) =>
      tasks.find(({ leftItemId, rightItemId }) =>
        [x, y].every((c) => [leftItemId, rightItemId].some((id) => p.itemIds[c]?.includes(id as string))),
      ) as ReviewTask
    // a = a', a != b: that a' != b follows.
    const { results } = await submit(p, p.admin, [truly(p, between(0, 2)), truly(p, between(0, 1))])
    expect(results.map(({ task }) => task.state)).toEqual(['APPLIED', 'APPLIED'])
    expect(await stateOf(p, between(1, 2).id)).toMatchObject({ state: 'OBSOLETE', settledVerdict: 'DIFFERENT' })
    await p.build()
    expect(await claim(p, p.people[0] as Viewer, 25, ['MERGE'])).toEqual([])
  })
})

describe('holds', () => {
  let p: QueueProject
  beforeAll(async () => {
    p = await openQueueProject(
      t,
      Array.from({ length: 14 }, (_, c) => many(`class ${c >> 1}`, 3)),
      Array.from({ length: 13 }, (_, c) => ({ left: [c, 0], right: [c + 1, 0], probability: 0.5 - c / 50 })),
      { annotators: 8 },
    )
  })

  it('eight people who claim at once never get the same task', async () => {
    const claims = await Promise.all(p.people.map((person) => claim(p, person, 2)))
    const ids = claims.flat().map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeGreaterThan(10)
    for (const [i, tasks] of claims.entries()) {
      await releaseReviewTasks(
        t.app,
        p.people[i] as Viewer,
        p.projectId,
        tasks.map(({ id }) => id),
      ).catch(() => {})
    }
  })

  it('are renewed, released, and free again once they lapse; late work is taken while nobody else took over', async () => {
    const [ann, bob] = p.people as [Viewer, Viewer]
    const [task] = await claim(p, ann, 1)
    const { id } = task as ReviewTask
    const move = (minutes: number) =>
      t.app.prisma
        .$executeRaw`UPDATE "ReviewTask" SET "leaseExpiresAt" = now() + ${minutes} * interval '1 minute' WHERE "id" = ${id}::uuid`
    await move(1)
    const [renewed] = await renewReviewLeases(t.app, ann, p.projectId, [id])
    expect(renewed?.leaseExpiresAt?.getTime()).toBeGreaterThan(Date.now() + 8 * 60_000)
    expect(await renewReviewLeases(t.app, bob, p.projectId, [id])).toEqual([])
    await move(-1)
    const late = await submit(p, ann, [truly(p, task as ReviewTask)])
    expect(late.results[0]?.refusal).toBeUndefined()

    const [second] = await claim(p, ann, 1)
    await t.app.prisma
      .$executeRaw`UPDATE "ReviewTask" SET "leaseExpiresAt" = now() - interval '1 minute' WHERE "id" = ${second?.id}::uuid`
    const taken = (await claim(p, bob, 3)).find(({ id }) => id === second?.id)
    expect(taken?.assigneeId).toBe(bob.userId)
    const lost = await submit(p, ann, [truly(p, second as ReviewTask)])
    expect(lost.results[0]?.refusal).toMatchObject({ code: 'LEASE_LOST' })
    expect(await releaseReviewTasks(t.app, bob, p.projectId, [taken?.id as string])).toMatchObject([
      { state: 'PENDING' },
    ])
  })

  it('a skipped task is not offered to the same person again, and its reason is kept', async () => {
    const [ann, bob] = p.people as [Viewer, Viewer]
    const [task] = await claim(p, ann, 1)
    const input = {
      projectId: p.projectId,
      taskIds: [task?.id as string],
      reason: 'NEEDS_EXPERT' as const,
      comment: 'twins?',
    }
    expect(await skipReviewTasks(t.app, ann, input)).toMatchObject([
      { id: task?.id, state: 'PENDING', assigneeId: null },
    ])
    const again = await claim(p, ann, 25)
    expect(again.map(({ id }) => id)).not.toContain(task?.id)
    await releaseReviewTasks(
      t.app,
      ann,
      p.projectId,
      again.map(({ id }) => id),
    )
    expect((await claim(p, bob, 1))[0]?.id).toBe(task?.id)
    await releaseReviewTasks(t.app, bob, p.projectId, [task?.id as string])
    expect(await t.app.prisma.reviewSkip.findFirst({ where: { taskId: task?.id } })).toMatchObject({
      reason: 'NEEDS_EXPERT',
      comment: 'twins?',
    })
  })

  it('the holder hears of a task that a decision settles, and of a hold that lapses', async () => {
    const [ann] = p.people as [Viewer]
    const [first, second] = (await claim(p, ann, 2)) as [ReviewTask, ReviewTask]
    const events = await watchMyTasks(t.app, { ...ann, roles: new Map() }, p.projectId)
    const heard = (async () => {
      const seen: ReviewTask[] = []
      for await (const task of events) {
        seen.push(task)
        if (seen.length === 2) return seen
      }
      return seen
    })()
    await new Promise((resolve) => setTimeout(resolve, 300))
    await applyDecision(t.app, p.admin, {
      projectId: p.projectId,
      change: { exclude: { itemIds: [first.leftItemId as string] } },
      expectedRevisions: [],
      idempotencyKey: key(),
    })
    await t.app.prisma
      .$executeRaw`UPDATE "ReviewTask" SET "leaseExpiresAt" = now() - interval '1 second' WHERE "id" = ${second.id}::uuid`
    const seen = await heard
    expect(seen.find(({ id }) => id === first.id)).toMatchObject({ state: 'OBSOLETE' })
    expect(seen.find(({ id }) => id === second.id)?.leaseExpiresAt?.getTime()).toBeLessThan(Date.now())
    await events.return(undefined)
  })
})

describe('second opinions', () => {
  const doubtful = () =>
    openQueueProject(
      t,
      [many('a', 3), many('a', 3), many('b', 3)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.6 },
        { left: [0, 1], right: [2, 0], probability: 0.1 },
      ],
    )

  it('an answer that the model supports with less than .8 waits for a second person; others settle at once', async () => {
    const p = await doubtful()
    const [ann, bob] = p.people as [Viewer, Viewer]
    const tasks = await claim(p, ann, 25, ['MERGE'])
    const { results } = await submit(
      p,
      ann,
      tasks.map((task) => truly(p, task)),
    )
    // SAME at p = .6 waits, DIFFERENT at 1 - p = .9 does not.
    expect(results.map(({ task, decision }) => [task.state, decision !== undefined])).toEqual([
      ['ANSWERED', false],
      ['APPLIED', true],
    ])
    const waiting = results[0]?.task as ReviewTask
    const hidden = await findAnswers(t.app, bob, p.projectId, [waiting])
    expect(hidden.get(waiting.id)).toEqual([])
    expect((await findAnswers(t.app, p.admin, p.projectId, [waiting])).get(waiting.id)).toHaveLength(1)
    expect(await claim(p, ann, 25, ['MERGE'])).toEqual([])
    const [second] = await claim(p, bob, 25, ['MERGE'])
    expect(second?.id).toBe(waiting.id)
    const agreed = await submit(p, bob, [say(second as ReviewTask, 'SAME')])
    expect(agreed.results[0]).toMatchObject({
      task: { state: 'APPLIED', settledVerdict: 'SAME' },
      decision: { kind: 'MERGE' },
    })
    expect(
      (await findAnswers(t.app, bob, p.projectId, [agreed.results[0]?.task as ReviewTask])).get(waiting.id),
    ).toHaveLength(2)
  })

  it('two who disagree are a dispute, which only an adjudicator gets and settles', async () => {
    const p = await doubtful()
    const [ann, bob] = p.people as [Viewer, Viewer]
    const [task] = await claim(p, ann, 1, ['MERGE'])
    await submit(p, ann, [say(task as ReviewTask, 'SAME')])
    const [second] = await claim(p, bob, 1, ['MERGE'])
    const { results } = await submit(p, bob, [say(second as ReviewTask, 'DIFFERENT')])
    expect(results[0]).toMatchObject({ task: { state: 'DISPUTED' }, decision: undefined })
    const [settling] = (await claim(p, p.admin, 25, ['MERGE'])).filter(({ id }) => id === task?.id)
    const done = await submit(p, p.admin, [say(settling as ReviewTask, 'SAME')])
    expect(done.results[0]).toMatchObject({ task: { state: 'APPLIED' }, decision: { kind: 'MERGE' } })
    const stats = await listAnnotatorStats(t.app, p.admin, p.projectId)
    const agreement = (viewer: Viewer) => stats.find(({ userId }) => userId === viewer.userId)?.agreement
    expect(agreement(ann)).toMatchObject({ value: 0.5, sampleSize: 2 })
    expect(agreement(bob)).toMatchObject({ value: 0, sampleSize: 2 })
    expect(stats.find(({ userId }) => userId === ann.userId)?.medianDurationMs).toBe(800)
    const own = await listAnnotatorStats(t.app, ann, p.projectId)
    expect(own.map(({ userId }) => userId)).toEqual([ann.userId])
  })

  it('an undone decision opens its question again for anybody, without its answers; one of an earlier run is closed', async () => {
    const p = await openQueueProject(
      t,
      [many('a', 3), many('a', 3), many('b', 3)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.95 },
        { left: [1, 1], right: [2, 1], probability: 0.1 },
      ],
    )
    const { projectId } = p
    const [ann, bob] = p.people as [Viewer, Viewer]
    const tasks = await claim(p, ann, 25, ['MERGE'])
    const { results } = await submit(
      p,
      ann,
      tasks.map((task) => truly(p, task)),
    )
    const [same, different] = results.map(({ task, decision }) => ({ task, decisionId: decision?.id as string }))
    const undo = ({ decisionId }: { decisionId: string }) =>
      revertDecision(t.app, p.admin, { projectId, decisionId, idempotencyKey: key() })
    if (!same || !different) throw new Error('both questions must have led to decisions')
    expect((await undo(different)).blockedBy).toEqual([])
    expect(await stateOf(p, different.task.id)).toMatchObject({
      state: 'PENDING',
      revision: different.task.revision + 1,
      decisionId: null,
      settledVerdict: null,
      assigneeId: null,
      leaseExpiresAt: null,
    })
    expect(await t.app.prisma.reviewAnswer.count({ where: { projectId, taskId: different.task.id } })).toBe(0)
    const [again] = await claim(p, bob, 25, ['MERGE'])
    expect(again?.id).toBe(different.task.id)

    await t.app.prisma.project.update({ where: { id: projectId }, data: { publishedRunId: newId() } })
    await undo(same)
    expect(await stateOf(p, same.task.id)).toMatchObject({ state: 'OBSOLETE', decisionId: null, settledVerdict: null })
  })

  it('two who can not tell are a dispute too, and it is not offered to a third annotator', async () => {
    const p = await doubtful()
    const [ann, bob] = p.people as [Viewer, Viewer]
    const [task] = await claim(p, ann, 1, ['MERGE'])
    await submit(p, ann, [say(task as ReviewTask, 'UNSURE')])
    expect(await stateOf(p, task?.id as string)).toMatchObject({ state: 'ANSWERED' })
    const [second] = await claim(p, bob, 1, ['MERGE'])
    await submit(p, bob, [say(second as ReviewTask, 'UNSURE')])
    expect(await stateOf(p, task?.id as string)).toMatchObject({ state: 'DISPUTED' })
    const carl: Viewer = { userId: '00000000-0000-7000-8000-00000000ca71', requestId: 'test', roles: new Map() }
    await t.app.prisma.user.create({ data: { id: carl.userId, displayName: 'Carl' } })
    await t.app.prisma.membership.create({ data: { projectId: p.projectId, userId: carl.userId, role: 'ANNOTATOR' } })
    expect((await claim(p, carl, 25)).map(({ id }) => id)).not.toContain(task?.id)
  })
})

describe('batches', () => {
  it('sent again, a batch holds the same next tasks: also at once, and where only the answers came through', async () => {
    const p = await openQueueProject(
      t,
      Array.from({ length: 14 }, (_, c) => many(`class ${c >> 1}`, 3)),
      Array.from({ length: 13 }, (_, c) => ({ left: [c, 0], right: [c + 1, 0], probability: 0.5 - c / 50 })),
      { annotators: 1 },
    )
    const [ann] = p.people as [Viewer]
    const tasks = await claim(p, ann, 2)
    const input = { answers: tasks.map((task) => truly(p, task)), claimNext: 3, idempotencyKey: key() }
    const send = () => submitReviewAnswers(t.app, ann, { projectId: p.projectId, ...input })
    const idsOf = (sent: { nextTasks: ReviewTask[] }) => sent.nextTasks.map(({ id }) => id)
    const [first, second] = await Promise.all([send(), send()])
    expect(idsOf(first)).toHaveLength(3)
    expect(idsOf(second)).toEqual(idsOf(first))
    expect(idsOf(await send())).toEqual(idsOf(first))
    expect(await t.app.prisma.reviewTask.count({ where: { projectId: p.projectId, state: 'LEASED' } })).toBe(3)

    // As if the server had died between the answers and the claim.
    await releaseReviewTasks(t.app, ann, p.projectId, idsOf(first))
    const record = { userId: ann.userId, operation: 'submitReviewAnswers', key: input.idempotencyKey }
    const { response } = await t.app.prisma.idempotencyRecord.findFirstOrThrow({ where: record })
    const { nextIds, ...answersOnly } = response as Record<string, object>
    expect(nextIds).toEqual(idsOf(first))
    await t.app.prisma.idempotencyRecord.updateMany({ where: record, data: { response: answersOnly } })
    const after = await send()
    expect(after.results.map(({ task, refusal }) => [task.id, refusal])).toEqual(tasks.map(({ id }) => [id, undefined]))
    expect(idsOf(after)).toHaveLength(3)
    expect(idsOf(await send())).toEqual(idsOf(after))
    const answers = { where: { projectId: p.projectId, taskId: { in: tasks.map(({ id }) => id) } } }
    expect(await t.app.prisma.reviewAnswer.count(answers)).toBe(2)
  })

  it('one answer may settle another of its batch: an agreeing one is no mistake, a contradicting one is refused', async () => {
    const p = await openQueueProject(
      t,
      [many('a', 3), many('a', 3), many('a', 3)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.9 },
        { left: [1, 1], right: [2, 1], probability: 0.8 },
        { left: [0, 2], right: [2, 2], probability: 0.7 },
      ],
    )
    const tasks = await claim(p, p.admin, 25, ['MERGE'])
    const [x, y, z] = tasks as [ReviewTask, ReviewTask, ReviewTask]
    const { results } = await submit(p, p.admin, [say(x, 'SAME'), say(y, 'SAME'), say(z, 'DIFFERENT')])
    expect(results.map(({ task }) => task.state)).toEqual(['APPLIED', 'APPLIED', 'OBSOLETE'])
    expect(results[2]?.refusal).toMatchObject({ code: 'INVALID_STATE' })
    expect(results[2]?.refusal?.message).toMatch(/together now/)
    expect(results.slice(0, 2).map(({ decision }) => decision?.ledgerRevision)).toEqual([1, 2])
    const places = await Promise.all(p.itemIds.flat().map((id) => identityOf(p, id)))
    expect(new Set(places).size).toBe(1)
  })

  it('an answer that would wait for a second person waits for nobody once another of its batch settles the question', async () => {
    const p = await openQueueProject(
      t,
      [many('a', 3), many('a', 3), many('a', 3)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.95 },
        { left: [1, 1], right: [2, 1], probability: 0.9 },
        { left: [0, 2], right: [2, 2], probability: 0.6 },
      ],
    )
    const [ann, bob] = p.people as [Viewer, Viewer]
    const tasks = await claim(p, ann, 25, ['MERGE'])
    const doubted = tasks.find(({ probability }) => probability < 0.8) as ReviewTask
    const answers = [doubted, ...tasks.filter(({ id }) => id !== doubted.id)].map((task) => say(task, 'SAME'))
    const { results } = await submit(p, ann, answers)
    expect(results.map(({ task }) => task.state)).toEqual(['OBSOLETE', 'APPLIED', 'APPLIED'])
    expect(await stateOf(p, doubted.id)).toMatchObject({ state: 'OBSOLETE', settledVerdict: 'SAME', assigneeId: null })
    expect(await claim(p, bob, 25, ['MERGE'])).toEqual([])
    expect(
      (await findAnswers(t.app, p.admin, p.projectId, [results[0]?.task as ReviewTask])).get(doubted.id),
    ).toHaveLength(1)
  })

  it('batches of any size end where one answer at a time ends, and break no constraint', async () => {
    const world = () =>
      openQueueProject(
        t,
        Array.from({ length: 10 }, (_, c) => [
          { truth: `${c % 4}` },
          ...many(`${c % 4}`, 2, { probability: 0.7 }),
          { truth: `${(c + 1) % 4}`, probability: 0.5 },
        ]),
        Array.from({ length: 30 }, (_, i) => ({
          left: [i % 9, i % 4],
          right: [9, (i >> 1) % 4],
          probability: 0.3 + i / 60,
        })).filter(({ left }, i, all) => all.findIndex((other) => other.left[0] === left[0]) === i) as never,
      )
    const partition = async (p: QueueProject) => {
      const groups = new Map<string, string[]>()
      for (const [c, ids] of p.itemIds.entries()) {
        for (const [place, id] of ids.entries()) {
          const at = (await identityOf(p, id)) ?? `free ${id}`
          groups.set(at, [...(groups.get(at) ?? []), `${c}/${place}`])
        }
      }
      return [...groups.values()].map((group) => group.sort().join(' ')).sort()
    }
    const ends: string[][] = []
    for (const size of [1, 7, 25]) {
      const p = await world()
      for (let tasks = await claim(p, p.admin, size); tasks.length > 0; ) {
        const answers = tasks.filter(({ kind }) => kind === 'EDGE' || kind === 'MERGE').map((task) => truly(p, task))
        if (answers.length === 0) break
        tasks = (await submit(p, p.admin, answers, size)).nextTasks
      }
      const violated = await t.app.prisma.$queryRaw<object[]>`
        SELECT 1 FROM "Constraint" x JOIN "IdentityMember" l ON l."itemId" = x."leftItemId" JOIN "IdentityMember" r ON r."itemId" = x."rightItemId"
        WHERE x."projectId" = ${p.projectId}::uuid AND x."revokedById" IS NULL
          AND ((x."kind" = 'CANNOT_LINK') = (l."identityId" = r."identityId"))`
      expect(violated).toEqual([])
      ends.push(await partition(p))
    }
    expect(ends[1]).toEqual(ends[0])
    expect(ends[2]).toEqual(ends[0])
  })
})

describe('gold tasks', () => {
  it('come in their share, look like any other, decide nothing, and measure each annotator', async () => {
    const p = await openQueueProject(
      t,
      [many('a', 6, { probability: 0.99 }), many('b', 6, { probability: 0.99 }), many('c', 3), many('c', 3)],
      [
        { left: [0, 0], right: [1, 0], probability: 0.3 },
        { left: [2, 0], right: [3, 0], probability: 0.3 },
      ],
      { settings: { goldShare: 0.5 } },
    )
    for (const c of [0, 1]) {
      const identityId = (await identityOf(p, p.itemIds[c]?.[0] as string)) as string
      await t.app.prisma.identity.updateMany({
        where: { projectId: p.projectId, id: identityId },
        data: { state: 'CONFIRMED' },
      })
      await t.app.prisma.identityMember.updateMany({
        where: { projectId: p.projectId, identityId },
        data: { source: 'HUMAN' },
      })
    }
    await p.build()
    const gold = await t.app.prisma.reviewTask.findMany({
      where: { projectId: p.projectId, goldVerdict: { not: null } },
    })
    expect(gold.filter(({ goldVerdict }) => goldVerdict === 'SAME')).toHaveLength(10)
    expect(gold.filter(({ goldVerdict }) => goldVerdict === 'DIFFERENT')).toHaveLength(1)
    const counts = await summariseQueue(t.app, p.admin, p.projectId)
    expect(counts.reduce((sum, { count }) => sum + count.value, 0)).toBeLessThan(gold.length)
    const goldIds = new Set(gold.map(({ id }) => id))
    const [ann, bob] = p.people as [Viewer, Viewer]
    const before = await t.app.prisma.decision.count({ where: { projectId: p.projectId } })
    let [seen, rounds] = [0, 0]
    for (; rounds < 40 && seen < 6; rounds++) {
      const tasks = (await claim(p, ann, 4)).filter(({ id }) => goldIds.has(id))
      seen += tasks.length
      // Ann is right about all but the pairs that differ.
      if (tasks.length > 0) {
        const { results } = await submit(
          p,
          ann,
          tasks.map((task) => say(task, 'SAME')),
        )
        for (const { task, decision } of results) expect([task.state, decision]).toEqual(['ANSWERED', undefined])
      }
    }
    expect(seen).toBeGreaterThanOrEqual(6)
    expect(await t.app.prisma.decision.count({ where: { projectId: p.projectId } })).toBe(before)
    const [row] = await listAnnotatorStats(t.app, ann, p.projectId)
    const answered = await t.app.prisma.reviewAnswer.findMany({
      where: { projectId: p.projectId, actorId: ann.userId },
    })
    const right = answered.filter(
      ({ taskId, verdict }) => gold.find(({ id }) => id === taskId)?.goldVerdict === verdict,
    ).length
    expect(row?.goldAccuracy).toMatchObject({ value: right / seen, sampleSize: seen })
    // The same gold may be asked of the next person.
    const others = await t.app.prisma.reviewTask.findMany({
      where: { projectId: p.projectId, id: { in: [...goldIds] }, state: 'ANSWERED' },
    })
    expect(others.length).toBeGreaterThan(0)
    let again = 0
    for (let i = 0; i < 40 && again === 0; i++) {
      // Bob keeps what he is given, so that every gold question comes to him in the end.
      const tasks = await claim(p, bob, 4)
      again += tasks.filter(({ id }) => others.some((other) => other.id === id)).length
    }
    expect(again).toBeGreaterThan(0)
  })
})

describe('the random share', () => {
  const world = (settings: object) =>
    openQueueProject(
      t,
      Array.from({ length: 40 }, (_, c) => [
        { truth: `${c}` },
        ...many(`${c}`, 4, { probability: 0.97 }),
        { truth: c % 5 === 0 ? 'stray' : `${c}`, probability: c % 5 === 0 ? 0.4 : 0.9 },
      ]),
      Array.from({ length: 39 }, (_, c) => ({ left: [c, 1], right: [c + 1, 1], probability: 0.2 })) as never,
      { settings },
    )

  it('feeds the quality curve, the calibrated threshold and the labels still needed; ordered answers feed neither', async () => {
    const p = await world({ auditShare: 0 })
    expect(await listEffortPoints(t.app, p.admin, p.projectId, 50)).toEqual([])
    const calibrate = (targetPrecision: number) =>
      calibrateThreshold(t.app, p.admin, { projectId: p.projectId, targetPrecision, delta: 0.1, idempotencyKey: key() })
    const ordered = (await claim(p, p.admin, 25)).filter(({ kind }) => kind === 'MERGE' || kind === 'EDGE')
    await submit(
      p,
      p.admin,
      ordered.map((task) => truly(p, task)),
    )
    const before = await calibrate(0.9)
    expect(before).toMatchObject({ threshold: null, autoAcceptedShare: 0 })
    expect(before.labelsUsed).toBeLessThan(10)
    expect(before.labelsNeeded).toBeGreaterThan(10)

    await updateReviewSettings(t.app, p.admin, { projectId: p.projectId, auditShare: 1 })
    for (let tasks = await claim(p, p.admin, 25), i = 0; tasks.length > 0 && i < 24; i++) {
      // Once the sample is used up, the order goes on.
      if (tasks.some(({ auditRank }) => auditRank === null)) break
      tasks = (
        await submit(
          p,
          p.admin,
          tasks.map((task) => truly(p, task)),
          25,
        )
      ).nextTasks
    }
    const after = await calibrate(0.9)
    // 192 of 200 links are right.
    expect(after.labelsUsed).toBeGreaterThan(100)
    expect(after.threshold).not.toBeNull()
    expect(after.precisionLowerBound).toBeGreaterThanOrEqual(0.9)
    expect(after.autoAcceptedShare).toBeGreaterThan(0.5)
    const strict = await calibrate(0.9999)
    expect(strict.threshold).toBeNull()
    expect(strict.labelsNeeded).toBeGreaterThan(1000)

    const points = await listEffortPoints(t.app, p.admin, p.projectId, 5)
    expect(points).toHaveLength(5)
    const effort = points.map(({ answers }) => answers)
    expect(effort).toEqual([...effort].sort((a, b) => a - b))
    const { precision, recall, activeSeconds } = points.at(-1) as (typeof points)[number]
    expect(activeSeconds).toBeGreaterThan(0)
    for (const estimate of [precision, recall]) {
      expect(estimate.low).toBeLessThanOrEqual(estimate.value)
      expect(estimate.high).toBeGreaterThanOrEqual(estimate.value)
      expect(estimate.sampleSize).toBeGreaterThan(20)
    }
    const stop = await suggestStop(t.app, p.admin, p.projectId)
    expect(stop).toMatchObject({ isSuggested: false })
    expect(stop.openQuestions).toBeGreaterThan(0)
  })

  it('does not count in the summary of the queue before it is asked, however it is answered by then', async () => {
    const p = await world({ auditShare: 0 })
    const { projectId } = p
    const total = async () =>
      (await summariseQueue(t.app, p.admin, projectId)).reduce((sum, { count }) => sum + count.value, 0)
    const ordered = await t.app.prisma.reviewTask.count({ where: { projectId, isAudit: false, goldVerdict: null } })
    expect(await total()).toBe(ordered)
    const tasks = await claim(p, p.admin, 25)
    await submit(
      p,
      p.admin,
      tasks.map((task) => truly(p, task)),
    )
    // These answers have settled questions of the random share, which nobody was asked.
    const settled = await t.app.prisma.reviewTask.count({ where: { projectId, isAudit: true, state: 'OBSOLETE' } })
    expect(settled).toBeGreaterThan(0)
    expect(await total()).toBe(ordered)
    await updateReviewSettings(t.app, p.admin, { projectId, auditShare: 1 })
    const asked = (await claim(p, p.admin, 5)).filter(({ isAudit }) => isAudit)
    expect(asked.length).toBeGreaterThan(0)
    expect(await total()).toBe(ordered + asked.length)
  })

  it('is about its share of what is claimed', async () => {
    const p = await world({ auditShare: 0.2 })
    let [audits, all] = [0, 0]
    for (let i = 0; i < 8; i++) {
      const tasks = await claim(p, p.people[0] as Viewer, 10)
      all += tasks.length
      audits += tasks.filter(({ isAudit }) => isAudit).length
    }
    expect(all).toBeGreaterThan(40)
    expect(audits / all).toBeGreaterThan(0.04)
    expect(audits / all).toBeLessThan(0.45)
  })

  it('calibration brings open questions in line with the answers', async () => {
    const p = await world({ auditShare: 1 })
    let tasks = await claim(p, p.admin, 25)
    for (let i = 0; i < 4; i++) {
      tasks = (
        await submit(
          p,
          p.admin,
          tasks.map((task) => truly(p, task)),
          25,
        )
      ).nextTasks
    }
    const open = { projectId: p.projectId, kind: 'MERGE', isAudit: false, state: 'PENDING' } as const
    const before = await t.app.prisma.reviewTask.findFirstOrThrow({ where: open, orderBy: { id: 'asc' } })
    await calibrateThreshold(t.app, p.admin, {
      projectId: p.projectId,
      targetPrecision: 0.99,
      delta: 0.05,
      idempotencyKey: key(),
    })
    await p.build()
    // Merges were claimed at .2 and are never right.
    const after = await stateOf(p, before.id)
    expect(after.probability).toBeLessThan(0.15)
    expect(after.priority).toBeLessThan(before.priority)
  })
})

it('settings are checked, and only an admin changes them', async () => {
  const p = await openQueueProject(t, [many('a', 2), many('b', 2)], [])
  const { projectId } = p
  await expect(updateReviewSettings(t.app, p.admin, { projectId, auditShare: 1.5 })).rejects.toMatchObject({
    code: 'INVALID',
  })
  await expect(
    updateReviewSettings(t.app, p.people[0] as Viewer, { projectId, auditShare: 0.1 }),
  ).rejects.toMatchObject({
    code: 'FORBIDDEN',
  })
  await expect(
    calibrateThreshold(t.app, p.people[0] as Viewer, {
      projectId,
      targetPrecision: 0.9,
      delta: 0.1,
      idempotencyKey: key(),
    }),
  ).rejects.toMatchObject({ code: 'FORBIDDEN' })
})
