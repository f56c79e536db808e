import { send } from '../../api/client.ts'
import { newKey } from '../../api/new-key.ts'
import type { ResultOf } from '../../api/typed-document.ts'
import {
  ClaimTasks,
  LatestOfTask,
  ReleaseTasks,
  RenewLeases,
  RetractAnswer,
  SubmitAnswers,
} from '../../generated/operations.ts'
import type { Batch } from './outbox.ts'

export type QueueTask = ResultOf<typeof ClaimTasks>['claimReviewTasks']['tasks'][number]
export type SubmitPayload = ResultOf<typeof SubmitAnswers>['submitReviewAnswers']
export type RetractPayload = ResultOf<typeof RetractAnswer>['retractReviewAnswer']

/** What the queue asks of the server; a test gives it another one. */
export interface QueueApi {
  claim(count: number): Promise<ResultOf<typeof ClaimTasks>['claimReviewTasks']>
  submit(batch: Batch, options?: { keepalive?: boolean }): Promise<SubmitPayload>
  renew(taskIds: string[]): Promise<ResultOf<typeof RenewLeases>['renewReviewLeases']['tasks']>
  release(taskIds: string[]): Promise<void>
  /** Takes an answer back that the server has. */
  retract(taskId: string): Promise<RetractPayload>
  /** Who decided last about what a task shows, in words; undefined when nobody did. */
  latestChange(taskId: string): Promise<string | undefined>
}

const KINDS: Record<string, string> = {
  MERGE: 'merged identities',
  SPLIT: 'split an identity',
  MOVE: 'moved images',
  CONFIRM: 'confirmed an identity',
  EXCLUDE: 'excluded images',
  RENAME: 'renamed an identity',
  LOCK: 'locked an identity',
  REVERT: 'undid a decision',
}

/** A past decision in a few words: who did what, when. */
export function describeDecision({
  kind,
  decidedAt,
  actor,
}: {
  kind: string
  decidedAt: string
  actor: { displayName: string } | null
}): string {
  const time = new Date(decidedAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  return `${actor?.displayName ?? 'Somebody'} ${KINDS[kind] ?? 'changed something'} at ${time}`
}

/** The real server, for one project. */
export function queueApiOf(projectId: string): QueueApi {
  return {
    claim: async (count) =>
      (await send(ClaimTasks, { input: { projectId, count, idempotencyKey: newKey() } })).claimReviewTasks,
    submit: async ({ idempotencyKey, answers, claimNext }, options) =>
      (await send(SubmitAnswers, { input: { idempotencyKey, answers: [...answers], claimNext } }, options))
        .submitReviewAnswers,
    renew: async (taskIds) => (await send(RenewLeases, { input: { taskIds } })).renewReviewLeases.tasks,
    release: async (taskIds) => void (await send(ReleaseTasks, { input: { taskIds } }, { keepalive: true })),
    retract: async (taskId) =>
      (await send(RetractAnswer, { input: { taskId, idempotencyKey: newKey() } })).retractReviewAnswer,
    latestChange: async (taskId) => {
      const { node } = await send(LatestOfTask, { taskId })
      const decisions =
        node && 'panels' in node
          ? node.panels.flatMap(({ identity }) => identity?.history.edges.map((edge) => edge.node) ?? [])
          : []
      const [latest] = decisions.sort((a, b) => b.decidedAt.localeCompare(a.decidedAt))
      return latest && describeDecision(latest)
    },
  }
}
