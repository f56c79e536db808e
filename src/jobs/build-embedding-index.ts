import { buildSpaceIndex, embeddingIndexJob } from '../services/embedding-index.ts'
import { chooseSearchWidth } from '../services/search-width.ts'
import { implementJob } from './implement-job.ts'

/** Until it is done searches are exact, which takes longer and finds the same. */
export const buildEmbeddingIndex = implementJob(embeddingIndexJob, async ({ app, job, payload, signal, progress }) => {
  const { projectId } = job
  const where = { projectId_id: { projectId, id: payload.spaceId } }
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({ where })
  if (space.indexedAt) return
  progress('index')
  await buildSpaceIndex(app, space, {
    signal,
    onProgress: (completed, total) => progress('index', completed, total),
  })
  const width = await chooseSearchWidth(app, space, {
    signal,
    onProgress: (completed, total) => progress('measure searches', completed, total),
  })
  await app.prisma.embeddingSpace.update({ where, data: { ...width, indexedAt: app.clock.now() } })
})
