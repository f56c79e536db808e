import type { Job, JobState, Project } from '../generated/prisma/client.ts'
import { listFailedRows } from '../services/failed-rows.ts'
import * as jobs from '../services/jobs.ts'
import { downloadUrl } from '../services/media.ts'
import { byId, type PageArgs, pageOf } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, encodeId } from './global-id.ts'
import { payload } from './payload.ts'

export const id = (job: Job) => encodeId('Job', job)

export const job = (_root: unknown, { id }: { id: string }, { app, viewer }: Context) =>
  jobs.getJob(app, viewer, decodeId('Job', id, 'id'))

interface ListArgs extends PageArgs {
  states?: readonly JobState[] | null
  kind?: string | null
}

export async function projectJobs({ id }: Project, { states, kind, ...args }: ListArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  return byId(page, await jobs.listJobs(app, viewer, id, page, { states, kind }))
}

export const estimatedEndAt = (job: Job) => jobs.estimateEnd(job)

export const failedRowsUrl = ({ failedRowsFileKey, kind }: Job, _args: unknown, { app }: Context) =>
  failedRowsFileKey ? downloadUrl(app, failedRowsFileKey, `${kind}-failed-rows.jsonl`) : null

export const failedRows = (job: Job, { first }: { first: number }, { app, viewer }: Context) =>
  listFailedRows(app, viewer, job, first)

export const cancelJob = payload(async ({ input }: { input: { jobId: string } }, { app, viewer }) => ({
  job: await jobs.cancelJob(app, viewer, decodeId('Job', input.jobId, 'input', 'jobId')),
}))

export const watchJob = (_root: unknown, { jobId }: { jobId: string }, { app, viewer }: Context) =>
  jobs.watchJob(app, viewer, decodeId('Job', jobId, 'jobId'))

/** Each event is the row itself. */
export const event = (job: Job) => job
