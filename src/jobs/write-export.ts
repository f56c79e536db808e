import { readManifestRows } from '../services/dataset-manifest.ts'
import { readEmbeddings } from '../services/embedding-matrix.ts'
import { EXPORT_WRITERS, type ExportRow, NEEDS_EMBEDDINGS } from '../services/export-formats.ts'
import { exportJob } from '../services/exports.ts'
import { implementJob } from './implement-job.ts'

/** Rows whose vectors are fetched together. */
const PAGE = 1_000

/** Writes the files of an export; parts are content-addressed and recorded together at the end, so that a rerun is safe. */
export const writeExport = implementJob(exportJob, async ({ app, job, payload, signal, progress }) => {
  const { projectId } = job
  const { exportId } = payload
  const made = await app.prisma.export.findUniqueOrThrow({ where: { projectId_id: { projectId, id: exportId } } })
  const version = await app.prisma.datasetVersion.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: made.datasetVersionId } },
  })
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: version.spaceId } },
  })
  const includeEmbeddings = made.includeEmbeddings || NEEDS_EMBEDDINGS.includes(made.format)
  const write = EXPORT_WRITERS[made.format]
  if (!write) throw new Error(`no writer for ${made.format}`)

  async function* pages(): AsyncGenerator<ExportRow[]> {
    let page: ExportRow[] = []
    for await (const row of readManifestRows(app, version)) {
      signal.throwIfAborted()
      page.push(row)
      if (page.length < PAGE) continue
      yield page
      page = []
    }
    if (page.length > 0) yield page
  }

  async function* rows(): AsyncGenerator<ExportRow> {
    let done = 0
    for await (const page of pages()) {
      if (includeEmbeddings) {
        const { itemIds, matrix } = await readEmbeddings(
          app,
          space,
          page.map(({ itemId }) => itemId),
        )
        const indexOf = new Map(itemIds.map((id, index) => [id, index]))
        for (const row of page) {
          const index = indexOf.get(row.itemId)
          if (index === undefined) yield row
          else yield { ...row, embedding: matrix.data.slice(index * matrix.cols, (index + 1) * matrix.cols) }
        }
      } else yield* page
      done += page.length
      progress('write', done, version.itemCount)
    }
  }

  const files: { name: string; fileKey: string; sha256: string; byteSize: bigint }[] = []
  for await (const { name, content } of write({ app, version, includeEmbeddings, rows })) {
    const { key, sha256, byteSize } = await app.files.put(content)
    files.push({ name, fileKey: key, sha256, byteSize: BigInt(byteSize) })
  }
  await app.prisma.$transaction(async (tx) => {
    await tx.exportFile.deleteMany({ where: { projectId, exportId } })
    await tx.exportFile.createMany({ data: files.map((file, part) => ({ projectId, exportId, part, ...file })) })
  })
})
