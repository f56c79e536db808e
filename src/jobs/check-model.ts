import { importModelJob, keepModelFacts } from '../services/import-model.ts'
import { readModelBundle } from '../services/model-bundle.ts'
import { importedFileName } from '../services/project-embedder.ts'
import { implementJob } from './implement-job.ts'

/**
 * Loads a model that was brought in and runs it on test pictures: its vectors must have the project's dimension, be the
 * same twice, and differ between pictures. A model that fails is REJECTED, and the failure of the job says why.
 */
export const checkModel = implementJob(
  importModelJob,
  async ({ app, job, payload, progress }) => {
    const ref = { projectId: job.projectId, id: payload.modelVersionId }
    const model = await app.prisma.modelVersion.findUniqueOrThrow({ where: { projectId_id: ref } })
    progress('load')
    const bundle = await readModelBundle(app, model.weightsKey, importedFileName(model) as string)
    progress('check')
    await keepModelFacts(app, ref, await app.embedders.inspect(bundle))
  },
  async (tx, { projectId, payload }) => {
    await tx.modelVersion.update({
      where: { projectId_id: { projectId, id: payload.modelVersionId } },
      data: { state: 'REJECTED' },
    })
  },
)
