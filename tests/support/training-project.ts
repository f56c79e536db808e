import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import { jobHandlers } from '../../src/jobs/index.ts'
import { runJob } from '../../src/jobs/run-job.ts'
import type { Viewer } from '../../src/services/access.ts'
import type { App } from '../../src/services/app.ts'
import { createDatasetVersion } from '../../src/services/dataset-versions.ts'
import { startImport } from '../../src/services/imports.ts'
import { createProject } from '../../src/services/projects.ts'
import { startTrainingRun } from '../../src/services/training-runs.ts'
import { key, type TestApp } from './app.ts'

export const handlers = new Map(jobHandlers.map((handler) => [handler.name, handler]))
const never = new AbortController().signal

/** One line of an import; those with a label are members of a confirmed identity. */
export interface TrainingLine {
  externalKey: string
  label?: string
  embedding?: number[]
  image?: string
}

/** A project with a frozen snapshot of its labelled lines. Jobs run here, when they are told to. */
export async function openTrainingProject(
  t: TestApp,
  app: App,
  lines: readonly TrainingLine[],
  embeddingDimension: number,
) {
  const user = await app.prisma.user.findFirstOrThrow({ where: { displayName: 'Ada' } })
  const viewer: Viewer = { userId: user.id, requestId: 'test', roles: new Map() }
  const { id: projectId, activeSpaceId } = await createProject(app, viewer, {
    name: 'train',
    embeddingDimension,
    idempotencyKey: key(),
  })
  const manifest = path.join(t.folder, 'lines.jsonl')
  writeFileSync(manifest, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
  const run = (jobId: string, by: App = app, shutdown = never) => runJob(by, handlers, { projectId, jobId }, shutdown)
  const job = (id: string) => app.prisma.job.findUniqueOrThrow({ where: { projectId_id: { projectId, id } } })
  const imported = await startImport(app, viewer, {
    projectId,
    manifestUrl: pathToFileURL(manifest).href,
    onExisting: 'REJECT',
    idempotencyKey: key(),
  })
  await run(imported.id)
  expect(await job(imported.id)).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 0 })
  const version = await createDatasetVersion(app, viewer, {
    projectId,
    identityStates: ['CONFIRMED'],
    idempotencyKey: key(),
  })
  await run(version.job.id)
  /** Queues a training on the snapshot. */
  const start = (target: 'CLUSTERING' | 'EMBEDDING', embedding?: Parameters<typeof startTrainingRun>[2]['embedding']) =>
    startTrainingRun(app, viewer, {
      projectId,
      datasetVersionId: version.datasetVersion.id,
      target,
      embedding,
      idempotencyKey: key(),
    })
  const models = () => app.prisma.modelVersion.findMany({ where: { projectId }, orderBy: { number: 'asc' } })
  const spaces = () => app.prisma.embeddingSpace.findMany({ where: { projectId }, orderBy: { number: 'asc' } })
  const project = () => app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
  return { app, viewer, projectId, activeSpaceId, run, job, start, models, spaces, project }
}
