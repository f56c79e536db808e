// Peak memory of exports with vectors, each in a process of its own on the embedded database:
//   npm run bench:exports -- [--n 60000] [--dim 256] [--formats PARQUET,JSONL]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config.ts'
import { createRng } from '../src/engine/rng.ts'
import type { ExportFormat } from '../src/generated/prisma/client.ts'
import { freezeDataset } from '../src/jobs/freeze-dataset.ts'
import type { JobHandler } from '../src/jobs/implement-job.ts'
import { importItems } from '../src/jobs/import-items.ts'
import { runJob } from '../src/jobs/run-job.ts'
import { writeExport } from '../src/jobs/write-export.ts'
import { openApp } from '../src/open-app.ts'
import type { App } from '../src/services/app.ts'
import { createDatasetVersion } from '../src/services/dataset-versions.ts'
import { createExport } from '../src/services/exports.ts'
import { newId } from '../src/services/id.ts'
import { startImport } from '../src/services/imports.ts'
import { createProject } from '../src/services/projects.ts'
import { createUserWithToken } from '../src/services/users.ts'
import { writeMatrix } from './platform-data.ts'

const ITEMS_OF_A_CLASS = 8

const { values: options } = parseArgs({
  options: {
    n: { type: 'string', default: '60000' },
    dim: { type: 'string', default: '256' },
    formats: { type: 'string', default: 'PARQUET,JSONL,CSV,LEARN_TO_CLUSTER' },
    /** Of the processes that this one starts. */
    folder: { type: 'string' },
    step: { type: 'string' },
  },
})
const n = Number(options.n)
const dimension = Number(options.dim)

const peakMiB = () => Math.round(process.resourceUsage().maxRSS / 1024)

async function run(app: App, handler: JobHandler, job: { projectId: string; id: string }): Promise<void> {
  const message = { projectId: job.projectId, jobId: job.id }
  await runJob(app, new Map([[handler.name, handler]]), message, new AbortController().signal)
  const { state, failure } = await app.prisma.job.findUniqueOrThrow({ where: { projectId_id: job } })
  if (state !== 'SUCCEEDED') throw new Error(`${handler.name}: ${failure}`)
}

async function openFolder(folder: string) {
  const opened = await openApp(loadConfig({ TRIBUTARY_DATA_DIR: folder, IMPORT_ROOTS: folder, LOG_LEVEL: 'warn' }))
  const user = await opened.app.prisma.user.findFirst()
  const userId = user?.id ?? (await createUserWithToken(opened.app, 'Bench')).user.id
  return { ...opened, viewer: { userId, requestId: 'bench', roles: new Map() } }
}

/** Labelled items with vectors, frozen. */
async function seed(folder: string): Promise<void> {
  const rng = createRng(1)
  const data = Float32Array.from({ length: n * dimension }, () => rng.next() - 0.5)
  await writeMatrix(path.join(folder, 'x.npy'), { data, rows: n, cols: dimension })
  const labels = Array.from({ length: n }, (_, row) => `class ${Math.floor(row / ITEMS_OF_A_CLASS)}\n`)
  writeFileSync(path.join(folder, 'x.labels.txt'), labels.join(''))
  const { app, viewer, close } = await openFolder(folder)
  const project = { name: 'exports', embeddingDimension: dimension, idempotencyKey: newId() }
  const { id: projectId } = await createProject(app, viewer, project)
  const manifestUrl = pathToFileURL(path.join(folder, 'x.npy')).href
  const asked = { projectId, manifestUrl, onExisting: 'REJECT', idempotencyKey: newId() } as const
  const { id } = await startImport(app, viewer, asked)
  await run(app, importItems, { projectId, id })
  const frozen = { projectId, identityStates: ['CONFIRMED' as const], idempotencyKey: newId() }
  const { job } = await createDatasetVersion(app, viewer, frozen)
  await run(app, freezeDataset, { projectId, id: job.id })
  await close()
}

async function exportAs(folder: string, format: ExportFormat): Promise<void> {
  const { app, viewer, close } = await openFolder(folder)
  const version = await app.prisma.datasetVersion.findFirstOrThrow()
  const { projectId, id: datasetVersionId } = version
  const input = { projectId, datasetVersionId, format, includeEmbeddings: true, idempotencyKey: newId() }
  const { id: exportId, jobId } = await createExport(app, viewer, input)
  const [before, cpu] = [peakMiB(), process.cpuUsage()]
  await run(app, writeExport, { projectId, id: jobId })
  const { user, system } = process.cpuUsage(cpu)
  const files = await app.prisma.exportFile.findMany({ where: { projectId, exportId } })
  const sizeMiB = Math.round(files.reduce((sum, { byteSize }) => sum + Number(byteSize), 0) / 2 ** 20)
  const cpuSeconds = Math.round((user + system) / 1e5) / 10
  console.log(
    JSON.stringify({ format, rows: version.itemCount, sizeMiB, beforeMiB: before, peakMiB: peakMiB(), cpuSeconds }),
  )
  await close()
}

function runApart(folder: string, step: string): void {
  const own = ['--n', options.n, '--dim', options.dim, '--folder', folder, '--step', step]
  const { status } = spawnSync(process.execPath, [...process.execArgv, import.meta.filename, ...own], {
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error(`${step} failed`)
}

if (options.folder && options.step) {
  await (options.step === 'seed' ? seed(options.folder) : exportAs(options.folder, options.step as ExportFormat))
} else {
  const folder = mkdtempSync(path.join(tmpdir(), 'tributary-exports-'))
  try {
    for (const step of ['seed', ...options.formats.split(',')]) runApart(folder, step)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
