import type { Job, JobState, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import type { JobDefinition } from './job-definition.ts'
import { cutPage, newestFirst, type Page, type PageResult } from './page.ts'

export const SETTLED: readonly JobState[] = ['SUCCEEDED', 'FAILED', 'CANCELED']

export const isSettled = ({ state }: Pick<Job, 'state'>): boolean => SETTLED.includes(state)

interface JobWish<Payload> {
  projectId: string
  payload: Payload
  createdById?: string
  total?: number
}

/** A Job row that is about to be written; its payload is checked. */
export const newJob = <Payload extends Prisma.InputJsonObject>(
  definition: JobDefinition<Payload>,
  { projectId, payload, createdById, total }: JobWish<Payload>,
) => ({
  projectId,
  id: newId(),
  kind: definition.name,
  payload: definition.payload.parse(payload) as Prisma.InputJsonObject,
  createdById,
  total,
})

/** Writes a Job row and queues it, in the caller's transaction: the job exists if and only if what it is about does. */
export async function enqueueJob<Payload extends Prisma.InputJsonObject>(
  tx: Tx,
  app: App,
  definition: JobDefinition<Payload>,
  wish: JobWish<Payload>,
): Promise<Job> {
  const job = await tx.job.create({ data: newJob(definition, wish) })
  await app.queue.send(tx, { projectId: wish.projectId, jobId: job.id })
  return job
}

export async function getJob(app: App, viewer: Viewer, { projectId, id }: Ref): Promise<Job> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const job = await app.prisma.job.findUnique({ where: { projectId_id: { projectId, id } } })
  if (!job) throw notFound('job', id)
  return job
}

/** Jobs of a project, newest first. */
export async function listJobs(
  app: App,
  viewer: Viewer,
  projectId: string,
  page: Page,
  { states, kind }: { states?: readonly JobState[] | null; kind?: string | null } = {},
): Promise<PageResult<Job>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const { where, ...order } = newestFirst(projectId, page)
  const only = { ...(states && { state: { in: [...states] } }), ...(kind != null && { kind }) }
  return cutPage(await app.prisma.job.findMany({ where: { ...where, ...only }, ...order }), page.first)
}

/** Asks a job to stop: one that waits is stopped at once, one that runs within a second. A settled job stays as it is. */
export async function cancelJob(app: App, viewer: Viewer, { projectId, id }: Ref): Promise<Job> {
  await requireAccess(app, viewer, projectId, 'job.cancel')
  return app.prisma.$transaction(async (tx) => {
    const [job] = await tx.$queryRaw<Job[]>`
      /* cancelJob */ SELECT * FROM "Job" WHERE "projectId" = ${projectId}::uuid AND "id" = ${id}::uuid FOR UPDATE`
    if (!job) throw notFound('job', id)
    if (isSettled(job) || job.state === 'CANCELING') return job
    await recordAudit(tx, viewer, { projectId, action: 'job.cancel_asked', target: ['Job', id] })
    // A waiting job is settled by its worker too, so that what it was about is settled with it.
    return tx.job.update({ where: { projectId_id: { projectId, id } }, data: { state: 'CANCELING' } })
  })
}

const WATCH_EVERY_MS = 250

const changed = (a: Job | undefined, b: Job): boolean =>
  !a ||
  a.state !== b.state ||
  a.phase !== b.phase ||
  a.completed !== b.completed ||
  a.failedRowCount !== b.failedRowCount

/** The job whenever it changes, at most four times a second; ends with the job. Works across processes. */
export async function watchJob(app: App, viewer: Viewer, ref: Ref): Promise<AsyncGenerator<Job>> {
  // Looked at before anything is opened, so that a refusal is an answer and not a broken stream.
  return changesOf(app, viewer, ref, await getJob(app, viewer, ref))
}

async function* changesOf(app: App, viewer: Viewer, ref: Ref, first: Job): AsyncGenerator<Job> {
  let last: Job | undefined
  let job = first
  for (;;) {
    if (changed(last, job)) yield job
    if (isSettled(job)) return
    last = job
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS))
    job = await getJob(app, viewer, ref)
  }
}

/** When the present phase will end at its present rate; null while nothing can be said. */
export function estimateEnd({ state, completed, total, phaseStartedAt, heartbeatAt }: Job): Date | null {
  if (state !== 'RUNNING' || !total || completed <= 0 || !phaseStartedAt || !heartbeatAt) return null
  const elapsedMs = heartbeatAt.getTime() - phaseStartedAt.getTime()
  if (elapsedMs <= 0) return null
  return new Date(heartbeatAt.getTime() + (elapsedMs * (total - completed)) / completed)
}
