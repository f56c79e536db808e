/**
 * Does the whole loop on a data folder: every call has a fixed idempotency key, so that a new process goes on where the
 * last one was. Prints one JSON line at the end. Where a kind of job is named, the process kills itself (SIGKILL) in the
 * middle of that kind, when the job says for the nth time how far it is, or as soon as it has run where it says less.
 * Usage: tsx tests/support/crash-child.ts DATA_FOLDER MANIFEST [KIND NTH]
 */
import { pathToFileURL } from 'node:url'
import { loadConfig } from '../../src/config.ts'
import type { JobHandler } from '../../src/jobs/implement-job.ts'
import { jobHandlers } from '../../src/jobs/index.ts'
import { startWorker } from '../../src/jobs/worker.ts'
import { openApp } from '../../src/open-app.ts'
import type { Viewer } from '../../src/services/access.ts'
import type { App } from '../../src/services/app.ts'
import { startClusterRun } from '../../src/services/cluster-runs.ts'
import { createDatasetVersion } from '../../src/services/dataset-versions.ts'
import { createExport } from '../../src/services/exports.ts'
import { startImport } from '../../src/services/imports.ts'
import { createProject } from '../../src/services/projects.ts'
import { publishClusterRun } from '../../src/services/publish-cluster-run.ts'
import { startTrainingRun } from '../../src/services/training-runs.ts'
import { createUserWithToken } from '../../src/services/users.ts'

const [dataDir = '', manifest = '', kindToDieIn = '', nth = '1'] = process.argv.slice(2)

/** No clean-up of any kind runs: as by the kernel when memory is short. */
const die = () => process.kill(process.pid, 'SIGKILL')

function deadly(handler: JobHandler): JobHandler {
  if (handler.name !== kindToDieIn) return handler
  let said = 0
  return {
    ...handler,
    run: async (context) => {
      await handler.run({
        ...context,
        progress: (...args) => {
          context.progress(...args)
          if (++said >= Number(nth)) die()
        },
      })
      // The job has done its work, and nobody has been told yet.
      die()
    },
  }
}

const config = loadConfig({ TRIBUTARY_DATA_DIR: dataDir, IMPORT_ROOTS: dataDir, LOG_LEVEL: 'silent' })
const { app: opened, close } = await openApp(config)
/** A training of a second: what it learns is not in question here. */
const SMALL = { folds: 1, hidden: 16, connectivity: false, contenders: ['THRESHOLD'], gcnV: { epochs: 3 } }
const app: App = {
  ...opened,
  engine: {
    ...opened.engine,
    train: (input, control) => opened.engine.train({ ...input, parameters: SMALL }, control),
  },
}
const worker = await startWorker(app, jobHandlers.map(deadly), { isOnlyWorker: true })
const user =
  (await app.prisma.user.findFirst({ orderBy: { id: 'asc' } })) ?? (await createUserWithToken(app, 'Survivor')).user
const viewer: Viewer = { userId: user.id, requestId: 'crash', roles: new Map() }

async function settled(projectId: string, id: string): Promise<void> {
  for (;;) {
    const { state, kind, failure } = await app.prisma.job.findUniqueOrThrow({
      where: { projectId_id: { projectId, id } },
    })
    if (state === 'SUCCEEDED') break
    if (state === 'FAILED' || state === 'CANCELED') throw new Error(`${kind} ${state}: ${failure}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const { id: projectId } = await createProject(app, viewer, {
  name: 'crash',
  embeddingDimension: 16,
  idempotencyKey: 'crash-project',
})
const imported = await startImport(app, viewer, {
  projectId,
  manifestUrl: pathToFileURL(manifest).href,
  onExisting: 'REJECT',
  idempotencyKey: 'crash-import',
})
await settled(projectId, imported.id)
const version = await createDatasetVersion(app, viewer, {
  projectId,
  identityStates: ['CONFIRMED'],
  idempotencyKey: 'crash-version',
})
await settled(projectId, version.job.id)
const training = await startTrainingRun(app, viewer, {
  projectId,
  datasetVersionId: version.datasetVersion.id,
  target: 'CLUSTERING',
  idempotencyKey: 'crash-training',
})
await settled(projectId, training.jobId)
const run = await startClusterRun(app, viewer, {
  projectId,
  incremental: false,
  method: 'THRESHOLD',
  idempotencyKey: 'crash-run-1',
})
await settled(projectId, run.jobId)
const { ledgerRevision } = await app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
await publishClusterRun(app, viewer, {
  projectId,
  clusterRunId: run.id,
  expectedLedgerRevision: ledgerRevision,
  idempotencyKey: 'crash-publish',
})
const queue = await app.prisma.job.findFirstOrThrow({ where: { projectId, kind: 'review_queue' } })
await settled(projectId, queue.id)
const written = await createExport(app, viewer, {
  projectId,
  datasetVersionId: version.datasetVersion.id,
  format: 'JSONL',
  includeEmbeddings: true,
  idempotencyKey: 'crash-export',
})
await settled(projectId, written.jobId)

const jobs = await app.prisma.job.findMany({ where: { projectId }, orderBy: { id: 'asc' } })
console.log(
  JSON.stringify({
    items: await app.prisma.item.count({ where: { projectId } }),
    embeddings: await app.prisma.embedding.count({ where: { projectId } }),
    members: await app.prisma.identityMember.count({ where: { projectId, source: 'HUMAN' } }),
    vertices: await app.prisma.vertex.count({ where: { projectId, runId: run.id } }),
    models: await app.prisma.modelVersion.count({ where: { projectId } }),
    exportFiles: await app.prisma.exportFile.count({ where: { projectId } }),
    tasks: await app.prisma.reviewTask.count({ where: { projectId } }),
    questions: (await app.prisma.reviewTask.groupBy({ by: ['questionKey'], where: { projectId } })).length,
    failedRows: jobs.reduce((sum, job) => sum + job.failedRowCount, 0),
    jobs: jobs.map(({ kind, state, attempts }) => `${kind} ${state} ${attempts}`),
  }),
)
await worker.stop()
await close()
process.exit(0)
