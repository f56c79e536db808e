import { z } from 'zod'
import { enqueueSpaceIndex } from '../services/embedding-index.ts'
import { enqueueSpaceUpdates, getImportSpace } from '../services/embedding-spaces.ts'
import { DomainError } from '../services/errors.ts'
import { storeBatch } from '../services/import-batch.ts'
import { readAll } from '../services/media.ts'
import { itemsOf, problemOf } from '../services/prepare-rows.ts'
import { embedItemsJob, findProjectEmbedder, listUnembedded } from '../services/project-embedder.ts'
import { refreshStatistics } from '../services/statistics.ts'
import { implementJob } from './implement-job.ts'

/** Pictures that are in memory together, and items in one transaction. */
const PAGE = 16
const FIRST = '00000000-0000-0000-0000-000000000000'

const checkpointSchema = z.object({ after: z.string().default(FIRST), done: z.number().default(0) })

/**
 * Embeds items that have a picture and no vector, page by page; each page commits with its checkpoint. Further faces of a
 * picture become further items, as in an import.
 */
export const embedItems = implementJob(embedItemsJob, async (context) => {
  const { app, job, payload, signal, progress, failRow, checkpoint } = context
  const { projectId, total } = job
  const embedder = await findProjectEmbedder(app, projectId)
  if (embedder?.id !== payload.embedderId) {
    throw new DomainError(
      'INVALID_STATE',
      `the project's embedder is no longer ${payload.embedderId}: got ${embedder?.id ?? 'none'}`,
    )
  }
  const space = await getImportSpace(app, projectId)
  let { after, done } = checkpointSchema.parse(job.checkpoint ?? {})
  progress('embed', done, total ?? undefined)
  for (;;) {
    signal.throwIfAborted()
    const page = await listUnembedded(app, { projectId, spaceId: space.id, after, first: PAGE })
    if (page.length === 0) break
    const pictures = await Promise.all(
      page.map(async ({ imageKey, box }) => ({ bytes: await readAll(app, imageKey), ...(box && { box }) })),
    )
    const found = await embedder.embed(pictures, signal)
    const ready = page.flatMap((item, i) => {
      const row = done + i + 1
      const { externalKey, imageKey, width, height, box } = item
      const outcome = found[i] as (typeof found)[number]
      const asked = { row, externalKey, ...(item.isLabelled && { label: 'of its identity' }), ...(box && { box }) }
      const problem = 'problem' in outcome ? outcome.problem : problemOf(asked, outcome, embedder)
      if (problem || 'problem' in outcome) {
        failRow({ row, externalKey, problem: problem as string })
        return []
      }
      return itemsOf({ row, externalKey, imageKey, width, height, ...(box && { box }) }, outcome)
    })
    done += page.length
    after = (page.at(-1) as { id: string }).id
    await app.prisma.$transaction(
      async (tx) => {
        const { refused } = await storeBatch(app, tx, { projectId, space, onExisting: 'REPLACE' }, ready)
        for (const row of refused) failRow(row)
        await checkpoint(tx, { after, done })
      },
      { timeout: 60_000 },
    )
    progress('embed', done, total ?? undefined)
  }
  await refreshStatistics(app, 'Item', 'Embedding')
  await enqueueSpaceIndex(app, space, job.createdById ?? undefined)
  await enqueueSpaceUpdates(app, space, job.createdById)
})
