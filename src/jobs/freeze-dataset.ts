import { writeManifest } from '../services/dataset-manifest.ts'
import { datasetVersionJob } from '../services/dataset-versions.ts'
import { DomainError } from '../services/errors.ts'
import { implementJob } from './implement-job.ts'

/** Writes the manifest of a dataset version; its bytes are content-addressed, so that doing it twice is harmless. */
export const freezeDataset = implementJob(datasetVersionJob, async ({ app, job, payload, signal, progress }) => {
  const where = { projectId_id: { projectId: job.projectId, id: payload.datasetVersionId } }
  const version = await app.prisma.datasetVersion.findUniqueOrThrow({ where })
  if (version.manifestKey) return
  progress('manifest')
  const frozen = await writeManifest(app, version, (count) => {
    signal.throwIfAborted()
    progress('manifest', count)
  })
  if (frozen.itemCount === 0) {
    throw new DomainError(
      'INVALID_STATE',
      `no item belongs to an identity in the states ${version.identityStates.join(', ')}: confirm some first, or include PROPOSED`,
    )
  }
  await app.prisma.datasetVersion.update({ where, data: frozen })
})
