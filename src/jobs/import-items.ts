import { z } from 'zod'
import { enqueueSpaceIndex } from '../services/embedding-index.ts'
import { DomainError } from '../services/errors.ts'
import { checkEmbedding, type ReadyRow, storeBatch } from '../services/import-batch.ts'
import { confirmLabels } from '../services/import-labels.ts'
import { type ImportSource, locateManifest } from '../services/import-source.ts'
import { importJob } from '../services/imports.ts'
import { isBroken, type ManifestRow, readManifest } from '../services/manifest.ts'
import { getActiveSpace } from '../services/similarity.ts'
import { refreshStatistics } from '../services/statistics.ts'
import { type FailedRow, implementJob, type JobContext } from './implement-job.ts'

/** Rows in one transaction: large enough to be fast, small enough to lose little and to hear a cancel. */
const BATCH = 4_096
/** A row with a picture counts as this many: its file is read, decoded and stored. */
const PICTURE_WEIGHT = 16

/** Failed rows that a restarted import still knows of. */
const KEPT_FAILURES = 10_000

const checkpointSchema = z.object({
  row: z.number(),
  failed: z.array(z.object({ row: z.number(), externalKey: z.string().optional(), problem: z.string() })),
})

/** Stores the picture of a row and looks at its vector; a problem of the row is returned, not thrown. */
async function prepare(
  { app }: Pick<JobContext<unknown>, 'app'>,
  source: ImportSource,
  dimension: number,
  row: ManifestRow,
): Promise<ReadyRow | { problem: string }> {
  if (row.embedding) {
    const problem = checkEmbedding(row.embedding, dimension)
    if (problem) return { problem }
  }
  if (!row.image && !row.embedding) return { problem: 'a row needs an image or an embedding: got neither' }
  if (!row.image) return { ...row, width: 0, height: 0 }
  try {
    const bytes = await source.readImage(row.image)
    const { width, height } = await app.images.inspect(bytes)
    const { key } = await app.files.put(bytes)
    return { ...row, imageKey: key, width, height }
  } catch (error) {
    if (error instanceof DomainError) return { problem: error.message }
    throw error
  }
}

/**
 * Reads a manifest batch by batch: each batch commits with its checkpoint, so that a restarted import goes on after the
 * last one, and a row is never stored twice.
 */
export const importItems = implementJob(importJob, async (context) => {
  const { app, job, payload, signal } = context
  const { projectId } = job
  const source = await locateManifest(app, projectId, payload.manifestUrl)
  const space = await getActiveSpace(app, projectId)
  const { row: done, failed } = checkpointSchema.safeParse(job.checkpoint).data ?? { row: 0, failed: [] }
  for (const row of failed) context.failRow(row)
  const fail = (row: FailedRow) => {
    context.failRow(row)
    if (failed.length < KEPT_FAILURES) failed.push(row)
  }
  const actor = { projectId, userId: job.createdById as string, requestId: payload.requestId }

  async function store(batch: readonly ManifestRow[], lastRow: number): Promise<void> {
    const prepared = await Promise.all(
      batch.map(async (row) => ({ row, ready: await prepare(context, source, space.dimension, row) })),
    )
    const ready: ReadyRow[] = []
    for (const { row, ready: outcome } of prepared) {
      if ('problem' in outcome) fail({ row: row.row, externalKey: row.externalKey, problem: outcome.problem })
      else ready.push(outcome)
    }
    await app.prisma.$transaction(
      async (tx) => {
        const outcome = await storeBatch(app, tx, { projectId, space, onExisting: payload.onExisting }, ready)
        const labelled = outcome.created.flatMap(({ itemId, row }) => (row.label ? [{ itemId, label: row.label }] : []))
        await confirmLabels(app, tx, actor, labelled)
        for (const row of outcome.refused) fail(row)
        // Rows beyond this batch may have been read already: a restart reads them again.
        await context.checkpoint(tx, { row: lastRow, failed: failed.filter(({ row }) => row <= lastRow) })
      },
      { timeout: 60_000 },
    )
    context.progress('items', lastRow)
  }

  // One batch is stored while the next is read.
  let storing: Promise<void> = Promise.resolve()
  let batch: ManifestRow[] = []
  let weight = 0
  let lastRow = done
  async function flush(): Promise<void> {
    await storing
    storing = store(batch, lastRow)
    // Its failure is thrown by the next flush; without a listener it would end the process before that.
    storing.catch(() => {})
    batch = []
    weight = 0
  }

  context.progress('items', done)
  const rows = readManifest(source.fileName, await source.open())
  if (!rows) throw new DomainError('INVALID', `no reader for ${source.fileName}`)
  try {
    for await (const row of rows) {
      signal.throwIfAborted()
      if (row.row <= done) continue
      lastRow = row.row
      if (isBroken(row)) fail(row)
      else {
        batch.push(row)
        weight += row.image ? PICTURE_WEIGHT : 1
      }
      if (weight >= BATCH) await flush()
    }
    await flush()
    await storing
  } finally {
    // Nothing is written any more once the job is settled.
    await storing.catch(() => {})
  }
  await refreshStatistics(
    app,
    'Item',
    'Embedding',
    'Identity',
    'IdentityMember',
    'MembershipEvent',
    'Constraint',
    'DecisionIdentity',
  )
  await enqueueSpaceIndex(app, space, job.createdById ?? undefined)
})
