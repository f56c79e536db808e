import type {
  Item,
  Project,
  ReviewAnswer,
  ReviewSkipReason,
  ReviewTask,
  ReviewTaskKind,
  User,
} from '../generated/prisma/client.ts'
import { invalid } from '../services/errors.ts'
import type { Panel, Panels } from '../services/review-questions.ts'
import * as review from '../services/review-tasks.ts'
import type { GraphEdgeSource } from './cluster-run.ts'
import type { Context } from './context.ts'
import { decodeId, decodeIds, decodeRoot, encodeId } from './global-id.ts'
import { payload, toUserErrorSource } from './payload.ts'

/** One side of a question. */
export interface PanelSource extends Panel {
  projectId: string
  identityId: string | null
}

export const id = (task: ReviewTask) => encodeId('ReviewTask', task)

export function panels(task: ReviewTask): PanelSource[] {
  const { left, right, candidates = [] } = task.panels as unknown as Panels
  const { projectId, leftIdentityId, rightIdentityId } = task
  return [
    { ...left, projectId, identityId: leftIdentityId },
    ...(right ? [{ ...right, projectId, identityId: rightIdentityId }] : []),
    ...candidates.map((candidate) => ({ ...candidate, projectId, identityId: candidate.identityId ?? null })),
  ]
}

export const panelIdentity = ({ projectId, identityId }: PanelSource, _args: unknown, { load }: Context) =>
  identityId ? load.identity.load({ projectId, id: identityId }) : null

export const panelItems = async ({ projectId, itemIds }: PanelSource, _args: unknown, { load }: Context) =>
  (await load.item.loadMany(itemIds.map((id) => ({ projectId, id })))) as Item[]

export const edge = (task: ReviewTask): GraphEdgeSource | null =>
  task.childIndex === null || task.parentIndex === null
    ? null
    : {
        projectId: task.projectId,
        runId: task.runId,
        childIndex: task.childIndex,
        parentIndex: task.parentIndex,
        similarity: task.similarity ?? 0,
        probability: task.probability,
      }

export const assignee = ({ assigneeId }: ReviewTask, _args: unknown, { load }: Context) =>
  assigneeId ? load.user.load(assigneeId) : null

export const answers = (task: ReviewTask, _args: unknown, { load }: Context) => load.answersOfTask.load(task)

export const answerActor = ({ actorId }: ReviewAnswer, _args: unknown, { load }: Context) =>
  load.user.load(actorId) as Promise<User>

export const queueSummary = ({ id }: Project, _args: unknown, { app, viewer }: Context) =>
  review.summariseQueue(app, viewer, id)

interface ClaimInput {
  projectId: string
  count: number
  kinds?: ReviewTaskKind[] | null
  idempotencyKey: string
}

export const claimReviewTasks = payload(
  async ({ input }: { input: ClaimInput }, { app, viewer }) => ({
    tasks: await review.claimReviewTasks(app, viewer, {
      ...input,
      projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
    }),
  }),
  { tasks: [] },
)

interface SubmitInput {
  answers: (review.ReviewAnswerInput & { taskId: string })[]
  claimNext: number
  kinds?: ReviewTaskKind[] | null
  idempotencyKey: string
}

export const submitReviewAnswers = payload(
  async ({ input }: { input: SubmitInput }, { app, viewer, load }) => {
    const [first] = input.answers
    if (!first) throw invalid(`answers must be 1 to ${review.MAX_BATCH}: got 0`, 'input', 'answers')
    const { projectId } = decodeId('ReviewTask', first.taskId, 'input', 'answers', '0', 'taskId')
    const answers = input.answers.map((answer, i) => {
      const path = ['input', 'answers', String(i)]
      return {
        ...answer,
        taskId: decodeIds('ReviewTask', projectId, [answer.taskId], ...path, 'taskId')[0] as string,
        outlierItemIds: answer.outlierItemIds && decodeIds('Item', projectId, answer.outlierItemIds, ...path),
        identityId: answer.identityId && decodeIds('Identity', projectId, [answer.identityId], ...path)[0],
      }
    })
    const { results, nextTasks } = await review.submitReviewAnswers(app, viewer, { ...input, projectId, answers })
    return {
      results: results.map(({ task, decision, decisionId, refusal }) => ({
        task,
        decision: decision ?? (decisionId ? load.decision.load({ projectId, id: decisionId }) : null),
        userErrors: refusal ? [toUserErrorSource(refusal)] : [],
      })),
      nextTasks,
    }
  },
  { results: [], nextTasks: [] },
)

/** Tasks of one project: the first id says which. */
function decodeTasks(taskIds: string[]): { projectId: string; ids: string[] } {
  const [first] = taskIds
  if (!first) throw invalid(`taskIds must be 1 to ${review.MAX_BATCH}: got 0`, 'input', 'taskIds')
  const { projectId } = decodeId('ReviewTask', first, 'input', 'taskIds', '0')
  return { projectId, ids: decodeIds('ReviewTask', projectId, taskIds, 'input', 'taskIds') }
}

export const renewReviewLeases = payload(
  async ({ input }: { input: { taskIds: string[] } }, { app, viewer }) => {
    const { projectId, ids } = decodeTasks(input.taskIds)
    return { tasks: await review.renewReviewLeases(app, viewer, projectId, ids) }
  },
  { tasks: [] },
)

export const releaseReviewTasks = payload(
  async ({ input }: { input: { taskIds: string[] } }, { app, viewer }) => {
    const { projectId, ids } = decodeTasks(input.taskIds)
    return { tasks: await review.releaseReviewTasks(app, viewer, projectId, ids) }
  },
  { tasks: [] },
)

export const skipReviewTasks = payload(
  async (
    { input }: { input: { taskIds: string[]; reason: ReviewSkipReason; comment?: string | null } },
    { app, viewer },
  ) => {
    const { projectId, ids } = decodeTasks(input.taskIds)
    return { tasks: await review.skipReviewTasks(app, viewer, { ...input, projectId, taskIds: ids }) }
  },
  { tasks: [] },
)

export const watchMyTasks = (_root: unknown, { projectId }: { projectId: string }, { app, viewer }: Context) =>
  review.watchMyTasks(app, viewer, decodeRoot('Project', projectId, 'projectId'))

/** Each event is the row itself. */
export const event = (task: ReviewTask) => task
