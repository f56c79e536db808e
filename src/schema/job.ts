import * as resolve from '../resolvers/job.ts'
import {
  arg,
  connectionTypes,
  enumType,
  extendType,
  idArg,
  idArgument,
  inputArg,
  inputObjectType,
  intArg,
  list,
  nonNull,
  objectType,
  pageArgs,
  payloadType,
  prismaRow,
  stringArg,
  subscriptionType,
} from './nexus.ts'

const JobState = enumType({
  name: 'JobState',
  description: 'State of a job.',
  members: [
    { name: 'QUEUED', description: 'Waiting.' },
    { name: 'RUNNING', description: 'Running.' },
    { name: 'SUCCEEDED', description: 'Done.' },
    { name: 'FAILED', description: 'Stopped by an error after all attempts.' },
    { name: 'CANCELING', description: 'Stop asked for.' },
    { name: 'CANCELED', description: 'Stopped by a person.' },
  ],
})

const Job = objectType({
  name: 'Job',
  description: 'Anything long: import, index, run, train, snapshot, export.',
  sourceType: prismaRow('Job'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.string('kind', { description: 'Kind such as cluster_run or export.' })
    t.nonNull.field('state', { type: 'JobState', description: 'State.' })
    t.string('phase', { description: 'Step such as knn, gcn_v, gcn_e, constraints, match.' })
    t.nonNull.float('completed', { description: 'Steps done.' })
    t.float('total', { description: 'Steps in all; null while unknown.' })
    t.field('estimatedEndAt', { type: 'DateTime', description: 'Estimated end.', resolve: resolve.estimatedEndAt })
    t.nonNull.int('failedRowCount', { description: 'Row-level failures: how many.' })
    t.field('failedRowsUrl', {
      type: 'URL',
      description: 'Row-level failures: a JSONL file.',
      resolve: resolve.failedRowsUrl,
    })
    t.nonNull.list.nonNull.field('failedRows', {
      type: 'FailedRow',
      description: 'The first rows that failed, by row number, while it runs and afterwards; all are in failedRowsUrl.',
      args: { first: nonNull(intArg({ default: 50, description: 'How many, at most 250.' })) },
      resolve: resolve.failedRows,
    })
    t.string('failure', { description: 'Why it failed.' })
    t.field('heartbeatAt', { type: 'DateTime', description: 'Last sign of life.' })
    t.nonNull.field('createdAt', { type: 'DateTime', description: 'When it was asked for.' })
    t.field('finishedAt', { type: 'DateTime', description: 'When it was settled; null before.' })
  },
})

const FailedRow = objectType({
  name: 'FailedRow',
  description: 'A row that a job left out.',
  definition(t) {
    t.nonNull.int('row', { description: 'Row number in the file, counting from 1.' })
    t.string('externalKey', { description: 'Key of the item, where the row had one.' })
    t.nonNull.string('problem', { description: 'What was wrong with it.' })
  },
})

export const jobTypes = [
  JobState,
  Job,
  FailedRow,
  ...connectionTypes({ node: 'Job', page: 'Page of jobs.', edge: 'Job with its cursor.', nodeDescription: 'Job.' }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.field('jobs', {
        type: 'JobConnection',
        description: 'Jobs, newest first.',
        args: {
          ...pageArgs(20),
          states: list(nonNull(arg({ type: 'JobState', description: 'Only in these states.' }))),
          kind: stringArg({ description: 'Only of this kind, such as import.' }),
        },
        resolve: resolve.projectJobs,
      })
    },
  }),
  inputObjectType({
    name: 'CancelJobInput',
    description: 'Cancel.',
    definition(t) {
      t.nonNull.id('jobId', { description: 'Job.' })
    },
  }),
  payloadType('CancelJobPayload', 'Cancel asked.', (t) => {
    t.field('job', { type: 'Job', description: 'Job.' })
  }),
  extendType({
    type: 'Query',
    definition(t) {
      t.field('job', { type: 'Job', description: 'A job.', args: idArgument(), resolve: resolve.job })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('cancelJob', {
        type: 'CancelJobPayload',
        description: 'Ask a job to stop.',
        args: inputArg('CancelJobInput'),
        resolve: resolve.cancelJob,
      })
    },
  }),
  subscriptionType({
    definition(t) {
      t.nonNull.field('jobUpdated', {
        type: 'Job',
        description: 'Progress of one job, at most four a second, ends with the job.',
        args: { jobId: nonNull(idArg({ description: 'Job.' })) },
        subscribe: resolve.watchJob,
        resolve: resolve.event as never,
      })
    },
  }),
]
