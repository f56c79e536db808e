import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { ZipFile } from 'yazl'
import type { ImportConflict } from '../../src/generated/prisma/client.ts'
import type { JobHandler } from '../../src/jobs/implement-job.ts'
import { importItems } from '../../src/jobs/import-items.ts'
import { runJob } from '../../src/jobs/run-job.ts'
import type { Viewer } from '../../src/services/access.ts'
import { startImport } from '../../src/services/imports.ts'
import { createProject } from '../../src/services/projects.ts'
import { key, type TestApp } from './app.ts'

const never = new AbortController().signal

/** A viewer who may import, and a fresh project for each import. */
export function importer(t: TestApp) {
  const { app } = t
  let viewer: Promise<Viewer> | undefined
  const getViewer = () => {
    viewer ??= app.prisma.user
      .findFirstOrThrow({ where: { displayName: 'Ada' } })
      .then((user) => ({ userId: user.id, requestId: 'test', roles: new Map() }))
    return viewer
  }

  async function makeProject(dimension: number): Promise<string> {
    const input = { name: 'imports', embeddingDimension: dimension, idempotencyKey: key() }
    return (await createProject(app, await getViewer(), input)).id
  }

  async function begin(projectId: string, manifestUrl: string, onExisting: ImportConflict = 'REJECT') {
    const input = { projectId, manifestUrl, onExisting, idempotencyKey: key() }
    return startImport(app, await getViewer(), input)
  }

  const run = (projectId: string, jobId: string, handler: JobHandler = importItems) =>
    runJob(app, new Map([[handler.name, handler]]), { projectId, jobId }, never)

  async function failedRows(fileKey: string | null): Promise<{ row: number; externalKey?: string; problem: string }[]> {
    if (!fileKey) return []
    let text = ''
    for await (const chunk of await app.files.open(fileKey)) text += chunk
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  /** What an import left behind. */
  async function outcome(projectId: string, jobId: string) {
    const job = await app.prisma.job.findUniqueOrThrow({ where: { projectId_id: { projectId, id: jobId } } })
    const items = await app.prisma.$queryRaw<
      {
        key: string
        label: string | null
        vector: number[] | null
        imageKey: string | null
        box: object | null
        metadata: object | null
        width: number
      }[]
    >`
      SELECT i."externalKey" AS key, d."name" AS label, e."vector"::real[] AS vector, i."imageKey", i."box", i."metadata", i."width"
      FROM "Item" i
      LEFT JOIN "Embedding" e ON e."projectId" = i."projectId" AND e."itemId" = i."id"
      LEFT JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id" AND m."source" = 'HUMAN'
      LEFT JOIN "Identity" d ON d."projectId" = m."projectId" AND d."id" = m."identityId" AND d."state" = 'CONFIRMED'
      WHERE i."projectId" = ${projectId}::uuid ORDER BY i."externalKey" COLLATE "C"`
    return { projectId, job, items, failed: await failedRows(job.failedRowsFileKey) }
  }

  /** Imports into a new project, or the one given. */
  async function importFrom(
    manifestUrl: string,
    {
      dimension = 2,
      onExisting,
      projectId,
    }: { dimension?: number; onExisting?: ImportConflict; projectId?: string } = {},
  ) {
    const into = projectId ?? (await makeProject(dimension))
    const job = await begin(into, manifestUrl, onExisting)
    await run(into, job.id)
    return outcome(into, job.id)
  }

  /** Writes a file into the folder that imports may read. */
  function place(name: string, content: string | Uint8Array): string {
    const file = path.join(t.folder, name)
    writeFileSync(file, content)
    return pathToFileURL(file).href
  }

  return { makeProject, begin, run, outcome, importFrom, place, getViewer }
}

/** An .npy file as NumPy writes it: header of version 1 padded to 64 bytes. */
export function npy(descr: string, shape: readonly number[], data: Uint8Array, order = 'False'): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dictionary = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }`
  const padded = `${dictionary.padEnd(64 * Math.ceil((dictionary.length + 11) / 64) - 11, ' ')}\n`
  const head = Buffer.alloc(10)
  head.write('\u0093NUMPY', 'latin1')
  head[6] = 1
  head.writeUInt16LE(padded.length, 8)
  return Buffer.concat([head, Buffer.from(padded, 'latin1'), data])
}

export const bytesOf = (values: Float32Array | Float64Array | Uint16Array | Int32Array | BigInt64Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength)

export const picture = (background: string, width = 16, height = 12): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer()

/** A zip archive of these files. */
export async function zipOf(files: Record<string, string | Uint8Array>, compress = true): Promise<Buffer> {
  const zip = new ZipFile()
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), name, { compress })
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream as unknown as Readable) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
