import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Viewer } from '../../src/services/access.ts'
import { newId } from '../../src/services/id.ts'
import { retractReviewAnswer } from '../../src/services/retract-answer.ts'
import { claimReviewTasks, submitReviewAnswers } from '../../src/services/review-tasks.ts'
import { createUserWithToken } from '../../src/services/users.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { type LedgerProject, openLedgerProject, snapshot } from '../support/ledger-project.ts'

let t: TestApp

beforeAll(async () => {
  t = await openTestApp({ works: false })
})
afterAll(() => t?.close())

/** A member of the project with a role. */
async function member({ projectId }: LedgerProject, role: 'ANNOTATOR' | 'REVIEWER'): Promise<Viewer> {
  const { user } = await createUserWithToken(t.app, role)
  await t.app.prisma.membership.create({ data: { projectId, userId: user.id, role } })
  return { userId: user.id, requestId: 'test', roles: new Map() }
}

/** A merge question about the first items of two identities. */
async function ask({ projectId, itemIds, identityIds }: LedgerProject, left: number, right: number, sizes: number[]) {
  const at = (i: number) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0)
  const id = newId()
  const [leftItemId, rightItemId] = [itemIds[at(left)] as string, itemIds[at(right)] as string]
  const panel = (itemId: string) => ({ itemIds: [itemId], memberCount: 1 })
  await t.app.prisma.reviewTask.create({
    data: {
      projectId,
      id,
      kind: 'MERGE',
      priority: 1,
      runId: newId(),
      questionKey: id,
      leftItemId,
      rightItemId,
      leftIdentityId: identityIds[left],
      rightIdentityId: identityIds[right],
      probability: 0.9,
      panels: { left: panel(leftItemId), right: panel(rightItemId) },
    },
  })
  return id
}

async function answer(viewer: Viewer, projectId: string, verdict: 'SAME' | 'UNSURE') {
  const [task] = await claimReviewTasks(t.app, viewer, { projectId, count: 1, idempotencyKey: key() })
  if (!task) throw new Error('no task to answer')
  const answers = [{ taskId: task.id, expectedRevision: task.revision, verdict, durationMs: 900 }]
  const { results } = await submitReviewAnswers(t.app, viewer, {
    projectId,
    answers,
    claimNext: 0,
    idempotencyKey: key(),
  })
  expect(results[0]?.refusal).toBeUndefined()
  return task.id
}

const retract = (viewer: Viewer, projectId: string, taskId: string) =>
  retractReviewAnswer(t.app, viewer, { projectId, taskId, idempotencyKey: key() })

describe('taking an answer back', () => {
  const sizes = [2, 2, 2]

  it('undoes what it led to, and gives the question back to an annotator, who answers it again', async () => {
    const project = await openLedgerProject(t, sizes, 0)
    const { projectId } = project
    const annotator = await member(project, 'ANNOTATOR')
    const before = await snapshot(t, projectId)
    await ask(project, 0, 1, sizes)
    const taskId = await answer(annotator, projectId, 'SAME')
    expect((await snapshot(t, projectId)).identities).toHaveLength(2)
    const { task, blockedBy } = await retract(annotator, projectId, taskId)
    expect(blockedBy).toEqual([])
    expect(task).toMatchObject({ state: 'LEASED', assigneeId: annotator.userId, decisionId: null })
    expect(await snapshot(t, projectId)).toEqual(before)
    const again = [{ taskId, expectedRevision: task?.revision as number, verdict: 'SAME' as const, durationMs: 1 }]
    const { results } = await submitReviewAnswers(t.app, annotator, {
      projectId,
      answers: again,
      claimNext: 0,
      idempotencyKey: key(),
    })
    expect(results[0]?.refusal).toBeUndefined()
    expect(results[0]?.decisionId).toBeDefined()
  })

  it('takes one that waits for a second opinion back too', async () => {
    const project = await openLedgerProject(t, sizes, 0)
    const annotator = await member(project, 'ANNOTATOR')
    await ask(project, 0, 1, sizes)
    const taskId = await answer(annotator, project.projectId, 'UNSURE')
    const { task } = await retract(annotator, project.projectId, taskId)
    expect(task?.state).toBe('LEASED')
    expect(await t.app.prisma.reviewAnswer.count({ where: { projectId: project.projectId } })).toBe(0)
  })

  it('is refused while later decisions stand on the answer, and names them', async () => {
    const project = await openLedgerProject(t, sizes, 0)
    const { projectId } = project
    const reviewer = await member(project, 'REVIEWER')
    await ask(project, 0, 1, sizes)
    const first = await answer(reviewer, projectId, 'SAME')
    await ask(project, 1, 2, sizes)
    await answer(reviewer, projectId, 'SAME')
    const before = await snapshot(t, projectId)
    const { task, blockedBy } = await retract(reviewer, projectId, first)
    expect(task).toBeNull()
    expect(blockedBy.map(({ kind }) => kind)).toEqual(['MERGE'])
    expect(await snapshot(t, projectId)).toEqual(before)
  })

  it("is for one's own answers: of others there is nothing to take back", async () => {
    const project = await openLedgerProject(t, sizes, 0)
    const annotator = await member(project, 'ANNOTATOR')
    await ask(project, 0, 1, sizes)
    const taskId = await answer(project.viewer, project.projectId, 'SAME')
    await expect(retract(annotator, project.projectId, taskId)).rejects.toMatchObject({
      code: 'INVALID_STATE',
      message: 'there is no answer of yours to take back',
    })
  })
})
