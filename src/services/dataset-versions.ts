import { z } from 'zod'
import type { DatasetVersion, IdentityState, Job } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { cutPage, newestFirst, type Page, type PageResult } from './page.ts'

/** Freezes the manifest of one dataset version. */
export const datasetVersionJob = defineJob({
  name: 'dataset_version',
  payload: z.object({ datasetVersionId: z.uuid() }),
  maxAttempts: 5,
})

export interface CreateDatasetVersion {
  projectId: string
  identityStates: IdentityState[]
  idempotencyKey: string
}

const LIVE_STATES: readonly IdentityState[] = ['PROPOSED', 'CONFIRMED', 'LOCKED']

/** The next free tag of the day, such as 2026-11-03.2. The project row must be locked. */
async function nextTag(tx: Tx, projectId: string, now: Date): Promise<string> {
  const day = now.toISOString().slice(0, 10)
  const taken = await tx.datasetVersion.count({ where: { projectId, tag: { startsWith: `${day}.` } } })
  return `${day}.${taken + 1}`
}

/**
 * Freezes a snapshot of items and identities at the present ledger revision. ENGINEER and above. The rows are written to
 * an immutable manifest by a job; excluded and erased items are left out.
 */
export async function createDatasetVersion(
  app: App,
  viewer: Viewer,
  input: CreateDatasetVersion,
): Promise<{ datasetVersion: DatasetVersion; job: Job }> {
  const { projectId } = input
  await requireAccess(app, viewer, projectId, 'dataset.create')
  const identityStates = [...new Set(input.identityStates)]
  const dead = identityStates.filter((state) => !LIVE_STATES.includes(state))
  if (identityStates.length === 0 || dead.length > 0) {
    throw invalid(
      `identityStates must be some of ${LIVE_STATES.join(', ')}: got ${identityStates.join(', ') || 'none'}`,
      'input',
      'identityStates',
    )
  }
  const answer = await onceOnly(app, viewer, 'createDatasetVersion', input, async (tx) => {
    const id = newId()
    const [project] = await tx.$queryRaw<{ ledgerRevision: number; activeSpaceId: string }[]>`
      /* createDatasetVersion */ SELECT "ledgerRevision", "activeSpaceId" FROM "Project"
      WHERE "id" = ${projectId}::uuid FOR UPDATE`
    if (!project) throw notFound('project', projectId)
    const job = await enqueueJob(tx, app, datasetVersionJob, {
      projectId,
      payload: { datasetVersionId: id },
      createdById: viewer.userId,
    })
    await tx.datasetVersion.create({
      data: {
        projectId,
        id,
        tag: await nextTag(tx, projectId, app.clock.now()),
        ledgerRevision: project.ledgerRevision,
        spaceId: project.activeSpaceId,
        identityStates,
        jobId: job.id,
        createdById: viewer.userId,
      },
    })
    await recordAudit(tx, viewer, { projectId, action: 'dataset.created', target: ['DatasetVersion', id] })
    return { datasetVersionId: id, jobId: job.id }
  })
  return {
    datasetVersion: await app.prisma.datasetVersion.findUniqueOrThrow({
      where: { projectId_id: { projectId, id: answer.datasetVersionId } },
    }),
    job: await app.prisma.job.findUniqueOrThrow({ where: { projectId_id: { projectId, id: answer.jobId } } }),
  }
}

export async function getDatasetVersion(app: App, viewer: Viewer, { projectId, id }: Ref): Promise<DatasetVersion> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const version = await app.prisma.datasetVersion.findUnique({ where: { projectId_id: { projectId, id } } })
  if (!version) throw notFound('dataset version', id)
  return version
}

/** Snapshots, newest first. */
export async function listDatasetVersions(
  app: App,
  viewer: Viewer,
  projectId: string,
  page: Page,
): Promise<PageResult<DatasetVersion>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return cutPage(await app.prisma.datasetVersion.findMany(newestFirst(projectId, page)), page.first)
}
