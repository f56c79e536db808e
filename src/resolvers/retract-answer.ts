import * as service from '../services/retract-answer.ts'
import { decodeId } from './global-id.ts'
import { payload } from './payload.ts'

export const retractReviewAnswer = payload(
  async ({ input }: { input: { taskId: string; idempotencyKey: string } }, { app, viewer }) => {
    const { projectId, id: taskId } = decodeId('ReviewTask', input.taskId, 'input', 'taskId')
    return service.retractReviewAnswer(app, viewer, { projectId, taskId, idempotencyKey: input.idempotencyKey })
  },
  { task: null, blockedBy: [] },
)
