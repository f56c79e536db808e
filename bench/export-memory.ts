// Peak memory and pace of exports, each in a process of its own on the embedded database; "JSONL+" is JSONL with vectors:
//   npm run bench:exports -- [--n 60000] [--dim 256] [--formats PARQUET+,JSONL]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
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
import { EXPORT_WRITERS } from '../src/services/export-formats.ts'
import { createExport } from '../src/services/exports.ts'
import { newId } from '../src/services/id.ts'
import { startImport } from '../src/services/imports.ts'
import { createProject } from '../src/services/projects.ts'
import { createUserWithToken } from '../src/services/users.ts'
import { writeMatrix } from './platform-data.ts'

const ITEMS_OF_A_CLASS = 8
/** Pixels along each side: the crop of a face. */
const PICTURE_SIZE = 112

const { values: options } = parseArgs({
  options: {
    n: { type: 'string', default: '60000' },
    dim: { type: 'string', default: '256' },
    formats: {
      type: 'string',
      default: 'JSONL,JSONL+,CSV,CSV+,PARQUET,PARQUET+,LEARN_TO_CLUSTER,IMAGE_FOLDER,COCO,FIFTYONE',
    },
    /** Of the processes that this one starts. */
    folder: { type: 'string' },
    step: { type: 'string' },
  },
})
const n = Number(options.n)
const dimension = Number(options.dim)

const formats = options.formats.split(',').map((name) => ({
  format: name.replace('+', '') as ExportFormat,
  includeEmbeddings: name.endsWith('+'),
}))

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

/** A picture of its own for each item, as files that exports read. */
async function addPictures(app: App, projectId: string): Promise<void> {
  const items = await app.prisma.item.findMany({ where: { projectId }, select: { id: true } })
  const raw = { width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 } as const
  for (let from = 0; from < items.length; from += 1000) {
    const batch = items.slice(from, from + 1000)
    const storing = batch.map(async (_item, at) => {
      const pixels = Buffer.alloc(3 * PICTURE_SIZE ** 2)
      // Smooth enough to take what photographs take, no two alike.
      for (let i = 0; i < pixels.length; i++) pixels[i] = (i >> 4) * (1 + ((from + at) % 251)) + (from + at)
      pixels.writeUInt32LE(from + at)
      return app.files.put(await sharp(pixels, { raw }).png({ compressionLevel: 1 }).toBuffer())
    })
    const keys = (await Promise.all(storing)).map(({ key }) => key)
    await app.prisma.$executeRaw`
      UPDATE "Item" i SET "imageKey" = p."key", "width" = ${PICTURE_SIZE}, "height" = ${PICTURE_SIZE}
      FROM unnest(${batch.map(({ id }) => id)}::uuid[], ${keys}::text[]) AS p ("id", "key")
      WHERE i."projectId" = ${projectId}::uuid AND i."id" = p."id"`
  }
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
  if (formats.some(({ format }) => EXPORT_WRITERS[format].needsPictures)) await addPictures(app, projectId)
  const frozen = { projectId, identityStates: ['CONFIRMED' as const], idempotencyKey: newId() }
  const { job } = await createDatasetVersion(app, viewer, frozen)
  await run(app, freezeDataset, { projectId, id: job.id })
  await close()
}

async function exportAs(folder: string, { format, includeEmbeddings }: (typeof formats)[number]): Promise<void> {
  const { app, viewer, close } = await openFolder(folder)
  const version = await app.prisma.datasetVersion.findFirstOrThrow()
  const { projectId, id: datasetVersionId } = version
  const input = { projectId, datasetVersionId, format, includeEmbeddings, idempotencyKey: newId() }
  const { id: exportId, jobId } = await createExport(app, viewer, input)
  const [before, cpu, start] = [peakMiB(), process.cpuUsage(), performance.now()]
  await run(app, writeExport, { projectId, id: jobId })
  const { user, system } = process.cpuUsage(cpu)
  const rowsPerSecond = Math.round((1000 * version.itemCount) / (performance.now() - start))
  const files = await app.prisma.exportFile.findMany({ where: { projectId, exportId } })
  const sizeMiB = Math.round(files.reduce((sum, { byteSize }) => sum + Number(byteSize), 0) / 2 ** 20)
  const cpuSeconds = Math.round((user + system) / 1e5) / 10
  const memory = { beforeMiB: before, peakMiB: peakMiB() }
  const rows = version.itemCount
  console.log(JSON.stringify({ format, includeEmbeddings, rows, sizeMiB, ...memory, cpuSeconds, rowsPerSecond }))
  await close()
}

function runApart(folder: string, step: string): void {
  const all = ['--n', options.n, '--dim', options.dim, '--formats', options.formats]
  const own = [...all, '--folder', folder, '--step', step]
  const { status } = spawnSync(process.execPath, [...process.execArgv, import.meta.filename, ...own], {
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error(`${step} failed`)
}

if (options.folder && options.step) {
  const asked = formats[Number(options.step)]
  await (asked ? exportAs(options.folder, asked) : seed(options.folder))
} else {
  const folder = mkdtempSync(path.join(tmpdir(), 'tributary-exports-'))
  try {
    for (const step of ['seed', ...formats.keys()]) runApart(folder, `${step}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
