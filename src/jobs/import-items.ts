import { z } from 'zod'
import type { App } from '../services/app.ts'
import { enqueueSpaceIndex } from '../services/embedding-index.ts'
import { enqueueSpaceUpdates, getImportSpace } from '../services/embedding-spaces.ts'
import { DomainError } from '../services/errors.ts'
import { storeBatch } from '../services/import-batch.ts'
import { openImportContent } from '../services/import-content.ts'
import { type FetchedManifest, fetchManifest } from '../services/import-from-web.ts'
import { confirmLabels } from '../services/import-labels.ts'
import { isWebAddress, locateImport } from '../services/import-source.ts'
import { importJob } from '../services/imports.ts'
import { isBroken, type ManifestRow } from '../services/manifest.ts'
import { type PrepareContext, type PreparedRows, prepareRows } from '../services/prepare-rows.ts'
import { findProjectEmbedder } from '../services/project-embedder.ts'
import { takeReplacedLabels } from '../services/replaced-labels.ts'
import { refreshStatistics } from '../services/statistics.ts'
import { withTemporaryFiles } from '../services/temporary-files.ts'
import { implementJob, type JobContext } from './implement-job.ts'

/** Work in one transaction: large enough to be fast, small enough to lose little and to hear a cancel. */
const BATCH = 4_096
/** A row with a picture is as much work as this many vectors. */
const PICTURE_COST = 16

type ImportPayload = z.infer<typeof importJob.payload>

const checkpointSchema = z.object({
  /** Rows up to this one are stored, or noted as failed. */
  row: z.number().default(0),
  /** Of a web address: the file as it was fetched. */
  fetched: z.object({ fileName: z.string(), fileKey: z.string(), byteSize: z.number() }).optional(),
})

/** A manifest on the web is fetched once, whatever happens afterwards: its server may answer differently the next time. */
async function ensureFetched(
  { payload, signal, progress, checkpoint, app }: JobContext<ImportPayload>,
  temporary: App,
  fetched: FetchedManifest | undefined,
): Promise<FetchedManifest | undefined> {
  if (fetched || !isWebAddress(payload.manifestUrl)) return fetched
  progress('fetch')
  const now = await fetchManifest(temporary, payload.manifestUrl, signal)
  await app.prisma.$transaction((tx) => checkpoint(tx, { row: 0, fetched: now }))
  return now
}

/**
 * Reads rows batch by batch: each batch commits with its checkpoint, so that a restarted import goes on after the last one,
 * and a row is never stored twice. While a batch is written, those after it are read.
 */
export const importItems = implementJob(importJob, async (context) => {
  const { app, job, payload, signal, progress, failRow } = context
  const { projectId } = job
  const begun = checkpointSchema.parse(job.checkpoint ?? {})
  // What is fetched and unpacked on the way to the rows is not kept; their pictures are.
  const temporary = withTemporaryFiles(app, { projectId, jobId: job.id })
  const fetched = await ensureFetched(context, temporary, begun.fetched)
  const space = await getImportSpace(app, projectId)
  const located = await locateImport(temporary, projectId, payload.manifestUrl, { fetched })
  const content = await openImportContent(temporary, located, space.dimension)
  const { source, total } = content
  const { onExisting } = payload
  const actor = { projectId, userId: job.createdById as string, requestId: payload.requestId }
  const embedder = await findProjectEmbedder(app, projectId)
  const preparing: PrepareContext = { app, projectId, source, dimension: space.dimension, onExisting, embedder, signal }

  async function store({ ready, failed }: PreparedRows, lastRow: number): Promise<void> {
    for (const row of failed) failRow(row)
    await app.prisma.$transaction(
      async (tx) => {
        // Nobody waits for the disk between batches: rows and checkpoint are lost together or not at all, and the end of the
        // job, which is waited for, comes after them all.
        await tx.$executeRaw`SET LOCAL synchronous_commit = off`
        const { created, replaced, refused } = await storeBatch(app, tx, { projectId, space, onExisting }, ready)
        const labelled = created.flatMap(({ itemId, row }) => (row.label ? [{ itemId, label: row.label }] : []))
        const again = await takeReplacedLabels(tx, projectId, replaced)
        await confirmLabels(app, tx, actor, [...labelled, ...again.labelled])
        for (const row of [...refused, ...again.failed]) failRow(row)
        await context.checkpoint(tx, { row: lastRow, ...(fetched && { fetched }) })
      },
      { timeout: 120_000 },
    )
    progress('items', lastRow, total)
  }

  // One batch is written, another waits, a third is read: the thread that reads them is never idle for want of one.
  let writing: Promise<void> = Promise.resolve()
  let storing: Promise<void> = Promise.resolve()
  async function flush(batch: readonly ManifestRow[], lastRow: number): Promise<void> {
    const prepared = await prepareRows(preparing, batch)
    await writing
    writing = storing
    storing = storing.then(() => store(prepared, lastRow))
    // Its failure is thrown where it is waited for.
    storing.catch(() => {})
  }

  try {
    progress('items', begun.row, total)
    let batch: ManifestRow[] = []
    let work = 0
    let lastRow = begun.row
    for await (const row of content.read(begun.row)) {
      signal.throwIfAborted()
      lastRow = row.row
      if (isBroken(row)) failRow(row)
      else batch.push(row)
      work += isBroken(row) || !(row.image || row.imageBytes) ? 1 : PICTURE_COST
      if (work < BATCH) continue
      await flush(batch, lastRow)
      batch = []
      work = 0
    }
    if (lastRow === 0) throw new DomainError('INVALID', `${source.name} holds no rows: there is nothing to import`)
    await flush(batch, lastRow)
    await storing
  } finally {
    await storing.catch(() => {})
    await content.close()
  }
  await Promise.all([
    refreshStatistics(app, 'Embedding'),
    refreshStatistics(app, 'Item', 'Identity', 'IdentityMember', 'MembershipEvent', 'Constraint', 'DecisionIdentity'),
  ])
  await enqueueSpaceIndex(app, space, job.createdById ?? undefined)
  await enqueueSpaceUpdates(app, space, job.createdById)
})
