import * as resolve from '../resolvers/review-task.ts'
import {
  enumType,
  extendType,
  idArg,
  inputArg,
  inputObjectType,
  nonNull,
  objectType,
  payloadType,
  prismaRow,
  sourceIn,
} from './nexus.ts'

const ReviewTaskKind = enumType({
  name: 'ReviewTaskKind',
  description: 'What a task asks.',
  members: [
    { name: 'EDGE', description: 'Is this tree edge right? (split candidate)' },
    { name: 'MERGE', description: 'Are these two identities the same? (merge candidate)' },
    { name: 'OUTLIERS', description: 'Which of these items do not belong? (grid)' },
    { name: 'ASSIGN', description: 'Where does this free item go?' },
  ],
})

const ReviewTaskState = enumType({
  name: 'ReviewTaskState',
  description: 'Life of a task.',
  members: [
    { name: 'PENDING', description: 'Waiting.' },
    { name: 'LEASED', description: 'Held by somebody until leaseExpiresAt.' },
    { name: 'ANSWERED', description: 'Answered, waiting for further answers or adjudication.' },
    { name: 'DISPUTED', description: 'Answers disagree.' },
    { name: 'APPLIED', description: 'Its decision is in the ledger.' },
    { name: 'OBSOLETE', description: 'Made needless by another decision or run.' },
  ],
})

const ReviewVerdict = enumType({
  name: 'ReviewVerdict',
  description: "A person's answer.",
  members: [
    { name: 'SAME', description: 'Same.' },
    { name: 'DIFFERENT', description: 'Different.' },
    { name: 'UNSURE', description: 'Cannot tell; goes to somebody else.' },
    { name: 'INVALID_SUBJECT', description: 'Not a valid subject (blur, no face); excluded from training.' },
  ],
})

const ReviewSkipReason = enumType({
  name: 'ReviewSkipReason',
  description: 'Why somebody would rather not answer.',
  members: [
    { name: 'UNCLEAR_IMAGE', description: 'The pictures do not show enough.' },
    { name: 'NEEDS_EXPERT', description: 'Somebody who knows these subjects should look.' },
    { name: 'BAD_QUESTION', description: 'The question makes no sense as it is asked.' },
    { name: 'OTHER', description: 'Anything else: say it in the comment.' },
  ],
})

const ReviewTask = objectType({
  name: 'ReviewTask',
  description: 'A question for one person.',
  sourceType: prismaRow('ReviewTask'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.field('kind', { type: 'ReviewTaskKind', description: 'Kind.' })
    t.nonNull.field('state', { type: 'ReviewTaskState', description: 'State.' })
    t.nonNull.float('priority', { description: 'Expected wrong pairs that a right answer removes: the queue order.' })
    t.nonNull.list.nonNull.field('panels', {
      type: 'ReviewPanel',
      description:
        'Items to show. EDGE and MERGE: left then right. OUTLIERS: one grid, its first item the most typical. ASSIGN: the free item, then each suggested identity.',
      resolve: resolve.panels,
    })
    t.field('edge', {
      type: 'GraphEdge',
      description: 'The edge in question, for EDGE and MERGE.',
      resolve: resolve.edge,
    })
    t.field('assignee', { type: 'User', description: 'Holder.', resolve: resolve.assignee })
    t.field('leaseExpiresAt', { type: 'DateTime', description: 'When the hold ends.' })
    t.nonNull.list.nonNull.field('answers', {
      type: 'ReviewAnswer',
      description:
        'Answers so far; empty for an annotator until the task is settled, so that opinions stay independent.',
      resolve: resolve.answers,
    })
    t.nonNull.int('revision', { description: 'Grows by one with each change.' })
  },
})

const ReviewAnswer = objectType({
  name: 'ReviewAnswer',
  description: "One person's answer to a task.",
  sourceType: prismaRow('ReviewAnswer'),
  definition(t) {
    t.nonNull.field('actor', { type: 'User', description: 'Who.', resolve: resolve.answerActor })
    t.nonNull.field('verdict', { type: 'ReviewVerdict', description: 'Verdict.' })
    t.nonNull.boolean('contradictsModel', {
      description: 'True when the model had given this verdict a probability under one half.',
    })
    t.nonNull.field('answeredAt', { type: 'DateTime', description: 'When.' })
  },
})

const ReviewPanel = objectType({
  name: 'ReviewPanel',
  description: 'A group of thumbnails in a task.',
  sourceType: sourceIn('resolvers/review-task.ts', 'PanelSource'),
  definition(t) {
    t.field('identity', {
      type: 'Identity',
      description: 'Identity, if the panel shows one.',
      resolve: resolve.panelIdentity,
    })
    t.nonNull.list.nonNull.field('items', {
      type: 'Item',
      description: "Representative items: the edge's own end first, then the medoid, then diverse members.",
      resolve: resolve.panelItems,
    })
    t.nonNull.int('memberCount', { description: 'All members.' })
  },
})

const QueueCount = objectType({
  name: 'QueueCount',
  description: 'Number of tasks of a kind in a state.',
  sourceType: sourceIn('services/review-tasks.ts', 'QueueCount'),
  definition(t) {
    t.nonNull.field('kind', { type: 'ReviewTaskKind', description: 'Kind.' })
    t.nonNull.field('state', { type: 'ReviewTaskState', description: 'State.' })
    t.nonNull.field('count', { type: 'CappedCount', description: 'How many.' })
  },
})

const ReviewAnswerResult = objectType({
  name: 'ReviewAnswerResult',
  description: 'Outcome of one answer.',
  definition(t) {
    t.nonNull.field('task', { type: 'ReviewTask', description: 'Task as it is now.' })
    t.field('decision', { type: 'Decision', description: 'Decision it led to, when it did.' })
    t.nonNull.list.nonNull.field('userErrors', { type: 'UserError', description: 'Refusals of this answer.' })
  },
})

export const reviewTaskTypes = [
  ReviewTaskKind,
  ReviewTaskState,
  ReviewVerdict,
  ReviewSkipReason,
  ReviewTask,
  ReviewAnswer,
  ReviewPanel,
  QueueCount,
  inputObjectType({
    name: 'ClaimReviewTasksInput',
    description: 'Claim.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.int('count', { default: 10, description: 'How many, at most 25.' })
      t.list.nonNull.field('kinds', { type: 'ReviewTaskKind', description: 'Only these kinds.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('ClaimReviewTasksPayload', 'Claimed tasks.', (t) => {
    t.nonNull.list.nonNull.field('tasks', {
      type: 'ReviewTask',
      description: 'Held tasks, best first; fewer than asked when the queue is short.',
    })
  }),
  inputObjectType({
    name: 'ReviewAnswerInput',
    description: 'One answer.',
    definition(t) {
      t.nonNull.id('taskId', { description: 'Task.' })
      t.nonNull.int('expectedRevision', { description: 'Revision the caller saw.' })
      t.nonNull.field('verdict', { type: 'ReviewVerdict', description: 'Verdict.' })
      t.list.nonNull.id('outlierItemIds', { description: 'For OUTLIERS: items that do not belong.' })
      t.id('identityId', { description: 'For ASSIGN: where it goes.' })
      t.nonNull.int('durationMs', { description: 'Milliseconds of looking, as measured by the client.' })
    },
  }),
  inputObjectType({
    name: 'SubmitReviewAnswersInput',
    description: 'Answers.',
    definition(t) {
      t.nonNull.list.nonNull.field('answers', { type: 'ReviewAnswerInput', description: 'Answers, at most 25.' })
      t.nonNull.int('claimNext', { default: 0, description: 'Hold this many new tasks in the same call.' })
      t.list.nonNull.field('kinds', { type: 'ReviewTaskKind', description: 'New tasks of these kinds only.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  ReviewAnswerResult,
  payloadType(
    'SubmitReviewAnswersPayload',
    'Outcomes.',
    (t) => {
      t.nonNull.list.nonNull.field('results', {
        type: 'ReviewAnswerResult',
        description: 'One a given answer, in order.',
      })
      t.nonNull.list.nonNull.field('nextTasks', { type: 'ReviewTask', description: 'Newly held tasks.' })
    },
    'Refusals of the whole call.',
  ),
  inputObjectType({
    name: 'RenewReviewLeasesInput',
    description: 'Renew.',
    definition(t) {
      t.nonNull.list.nonNull.id('taskIds', { description: 'Tasks, at most 25.' })
    },
  }),
  payloadType('RenewReviewLeasesPayload', 'Renewed.', (t) => {
    t.nonNull.list.nonNull.field('tasks', { type: 'ReviewTask', description: 'Tasks still held.' })
  }),
  inputObjectType({
    name: 'ReleaseReviewTasksInput',
    description: 'Release.',
    definition(t) {
      t.nonNull.list.nonNull.id('taskIds', { description: 'Tasks, at most 25.' })
    },
  }),
  payloadType('ReleaseReviewTasksPayload', 'Released.', (t) => {
    t.nonNull.list.nonNull.field('tasks', { type: 'ReviewTask', description: 'Tasks given back.' })
  }),
  inputObjectType({
    name: 'SkipReviewTasksInput',
    description: 'Skip.',
    definition(t) {
      t.nonNull.list.nonNull.id('taskIds', { description: 'Tasks, at most 25.' })
      t.nonNull.field('reason', { type: 'ReviewSkipReason', description: 'Why.' })
      t.string('comment', { description: 'More about it, at most 1,000 characters.' })
    },
  }),
  payloadType('SkipReviewTasksPayload', 'Skipped.', (t) => {
    t.nonNull.list.nonNull.field('tasks', {
      type: 'ReviewTask',
      description: 'Tasks given back, never to be offered to the caller again.',
    })
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.list.nonNull.field('queueSummary', {
        type: 'QueueCount',
        description: 'Queue counters by task kind and state.',
        resolve: resolve.queueSummary,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('claimReviewTasks', {
        type: 'ClaimReviewTasksPayload',
        description: 'Hold the next tasks for the caller, best first.',
        args: inputArg('ClaimReviewTasksInput'),
        resolve: resolve.claimReviewTasks,
      })
      t.nonNull.field('submitReviewAnswers', {
        type: 'SubmitReviewAnswersPayload',
        description: 'Answer held tasks and, in the same call, hold the next.',
        args: inputArg('SubmitReviewAnswersInput'),
        resolve: resolve.submitReviewAnswers,
      })
      t.nonNull.field('renewReviewLeases', {
        type: 'RenewReviewLeasesPayload',
        description: 'Extend holds.',
        args: inputArg('RenewReviewLeasesInput'),
        resolve: resolve.renewReviewLeases,
      })
      t.nonNull.field('releaseReviewTasks', {
        type: 'ReleaseReviewTasksPayload',
        description: 'Give held tasks back.',
        args: inputArg('ReleaseReviewTasksInput'),
        resolve: resolve.releaseReviewTasks,
      })
      t.nonNull.field('skipReviewTasks', {
        type: 'SkipReviewTasksPayload',
        description: 'Give held tasks back with a reason; they are not offered to the caller again.',
        args: inputArg('SkipReviewTasksInput'),
        resolve: resolve.skipReviewTasks,
      })
    },
  }),
  extendType({
    type: 'Subscription',
    definition(t) {
      t.nonNull.field('myTasksChanged', {
        type: 'ReviewTask',
        description: 'Held tasks that changed or lapsed under the caller.',
        args: { projectId: nonNull(idArg({ description: 'Project.' })) },
        subscribe: resolve.watchMyTasks,
        resolve: resolve.event as never,
      })
    },
  }),
]
