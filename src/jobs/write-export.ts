import { z } from 'zod'
import type { App } from '../services/app.ts'
import { readManifestRows } from '../services/dataset-manifest.ts'
import { readEmbeddings } from '../services/embedding-matrix.ts'
import { DomainError } from '../services/errors.ts'
import type { ExportRow } from '../services/export-format.ts'
import { EXPORT_WRITERS } from '../services/export-formats.ts'
import { exportJob } from '../services/exports.ts'
import { implementJob } from './implement-job.ts'

/** Rows whose vectors are fetched together. */
const PAGE = 1_000

const checkpointSchema = z.object({
  /** Parts whose files are in the store. */
  parts: z.number().default(0),
  files: z
    .array(z.object({ name: z.string(), fileKey: z.string(), sha256: z.string(), byteSize: z.number() }))
    .default([]),
})

/** Items that were erased for privacy after the version was frozen: they leave with no file. */
async function findErased(app: App, projectId: string, itemIds: readonly string[]): Promise<Set<string>> {
  const rows = await app.prisma.item.findMany({
    where: { projectId, id: { in: [...itemIds] }, erasedAt: { not: null } },
    select: { id: true },
  })
  return new Set(rows.map(({ id }) => id))
}

/**
 * Writes the files of an export part by part. A part whose files are in the store is a checkpoint: a restarted export goes
 * on after it. The files are shown together once all are there.
 */
export const writeExport = implementJob(exportJob, async ({ app, job, payload, signal, progress, checkpoint }) => {
  const { projectId } = job
  const { exportId } = payload
  const made = await app.prisma.export.findUniqueOrThrow({ where: { projectId_id: { projectId, id: exportId } } })
  const version = await app.prisma.datasetVersion.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: made.datasetVersionId } },
  })
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: version.spaceId } },
  })
  const writer = EXPORT_WRITERS[made.format]
  const includeEmbeddings = (made.includeEmbeddings && !writer.needsPictures) || writer.needsEmbeddings === true
  const { itemCount } = version
  const partCount = Math.max(1, Math.ceil(itemCount / writer.rowsPerPart))
  const { parts: done, files } = checkpointSchema.parse(job.checkpoint ?? {})

  async function* pages(from: number, to: number): AsyncGenerator<ExportRow[]> {
    let page: ExportRow[] = []
    for await (const row of readManifestRows(app, version, from, to)) {
      signal.throwIfAborted()
      page.push(row)
      if (page.length < PAGE) continue
      yield page
      page = []
    }
    if (page.length > 0) yield page
  }

  async function* rows(from: number, to: number): AsyncGenerator<ExportRow> {
    let read = from
    for await (const page of pages(from, to)) {
      const ids = page.map(({ itemId }) => itemId)
      const erased = await findErased(app, projectId, ids)
      const kept = page.filter(({ itemId }) => !erased.has(itemId))
      if (includeEmbeddings) {
        const { itemIds, matrix } = await readEmbeddings(app, space, ids)
        const indexOf = new Map(itemIds.map((id, index) => [id, index]))
        for (const row of kept) {
          const index = indexOf.get(row.itemId)
          if (index === undefined) yield row
          else yield { ...row, embedding: matrix.data.slice(index * matrix.cols, (index + 1) * matrix.cols) }
        }
      } else yield* kept
      read += page.length
      progress('write', Math.min(read, itemCount), itemCount)
    }
  }

  if (writer.needsPictures && done === 0) {
    let hasPicture = false
    for await (const { imageKey } of rows(0, itemCount)) {
      hasPicture = imageKey !== null
      if (hasPicture) break
    }
    if (!hasPicture) {
      throw new DomainError(
        'INVALID_STATE',
        `${made.format} needs pictures: no item of version ${version.tag} has one; take JSONL, CSV, PARQUET or LEARN_TO_CLUSTER`,
      )
    }
  }
  for (let part = done; part < partCount; part++) {
    signal.throwIfAborted()
    const from = part * writer.rowsPerPart
    const to = Math.min(itemCount, from + writer.rowsPerPart)
    const stem = partCount === 1 ? version.tag : `${version.tag}-${String(part + 1).padStart(4, '0')}`
    const input = { app, version, includeEmbeddings, stem, firstRow: from, rows: () => rows(from, to), signal }
    for await (const { name, content } of writer.write(input)) {
      const { key, sha256, byteSize } = await app.files.put(content)
      files.push({ name, fileKey: key, sha256, byteSize })
    }
    await app.prisma.$transaction((tx) => checkpoint(tx, { parts: part + 1, files }))
  }
  await app.prisma.$transaction(async (tx) => {
    await tx.exportFile.deleteMany({ where: { projectId, exportId } })
    await tx.exportFile.createMany({
      data: files.map((file, part) => ({ projectId, exportId, part, ...file, byteSize: BigInt(file.byteSize) })),
    })
  })
})
