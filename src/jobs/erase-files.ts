import { eraseFilesJob } from '../services/erase-items.ts'
import { eraseImage, redactVersion } from '../services/erased-files.ts'
import { implementJob } from './implement-job.ts'

/** Deletes what erased items have left in files; a second run finds nothing more to delete. */
export const eraseFiles = implementJob(eraseFilesJob, async ({ app, job, payload, signal, progress }) => {
  const { projectId } = job
  const { images } = payload
  for (const [i, image] of images.entries()) {
    signal.throwIfAborted()
    await eraseImage(app, image)
    progress('images', i + 1, images.length)
  }
  const versions = await app.prisma.datasetVersion.findMany({ where: { projectId, manifestKey: { not: null } } })
  const itemIds = new Set(payload.itemIds)
  for (const [i, version] of versions.entries()) {
    signal.throwIfAborted()
    await redactVersion(app, version, itemIds)
    progress('datasets', i + 1, versions.length)
  }
})
