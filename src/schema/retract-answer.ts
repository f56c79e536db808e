import * as resolve from '../resolvers/retract-answer.ts'
import { extendType, inputArg, inputObjectType, payloadType } from './nexus.ts'

export const retractAnswerTypes = [
  inputObjectType({
    name: 'RetractReviewAnswerInput',
    description: 'Take an answer back.',
    definition(t) {
      t.nonNull.id('taskId', { description: 'Task that the caller has answered.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('RetractReviewAnswerPayload', 'Taken back.', (t) => {
    t.field('task', {
      type: 'ReviewTask',
      description: 'The task, held by the caller again; null when later decisions stand on the answer.',
    })
    t.nonNull.list.nonNull.field('blockedBy', {
      type: 'Decision',
      description: 'Later decisions that must be undone first.',
    })
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('retractReviewAnswer', {
        type: 'RetractReviewAnswerPayload',
        description:
          "Take back the caller's own answer: what it led to is undone, and the task is theirs to answer again.",
        args: inputArg('RetractReviewAnswerInput'),
        resolve: resolve.retractReviewAnswer,
      })
    },
  }),
]
