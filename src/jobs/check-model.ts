import { checkFits, decodeModel, encodeModel } from '../engine/index.ts'
import type { ModelVersion, Prisma } from '../generated/prisma/client.ts'
import { measureClusteringModel, readLabelledVersion, withCompany } from '../services/clustering-gate.ts'
import { importModelJob, keepModelFacts } from '../services/import-model.ts'
import { readAll } from '../services/media.ts'
import { readModelBundle } from '../services/model-bundle.ts'
import { passGate } from '../services/model-versions.ts'
import { importedFileName } from '../services/project-embedder.ts'
import { getActiveSpace } from '../services/similarity.ts'
import { implementJob, type JobContext } from './implement-job.ts'

/** What `tributary train` writes where nobody says what made the embeddings. */
const UNKNOWN_EMBEDDER = 'unknown'

/**
 * Looks at a model that was brought in. One that embeds is run on test pictures: its vectors must have the project's dimension, be
 * the same twice, and differ between pictures. One that clusters is measured. A model that fails is REJECTED, and the
 * failure of the job says why.
 */
export const checkModel = implementJob(
  importModelJob,
  async (context) => {
    const { app, job, payload, progress } = context
    const ref = { projectId: job.projectId, id: payload.modelVersionId }
    const model = await app.prisma.modelVersion.findUniqueOrThrow({ where: { projectId_id: ref } })
    progress('load')
    if (model.target === 'CLUSTERING') return checkClusteringModel(context, model)
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

/**
 * Measures a clustering model that was trained elsewhere as those trained here are: on the frozen hold-out of the newest dataset
 * version, against what runs use now. Without a version it stays a CANDIDATE.
 */
async function checkClusteringModel({ app, signal, progress }: JobContext<unknown>, row: ModelVersion): Promise<void> {
  const { projectId, id } = row
  // An attempt before this one has measured it.
  if (row.state !== 'CANDIDATE') return
  const space = await getActiveSpace(app, projectId)
  const brought = decodeModel(await readAll(app, row.weightsKey))
  // Whoever brings it in says that it has learnt from such vectors; one that names others contradicts them.
  const model = brought.embedderId === UNKNOWN_EMBEDDER ? { ...brought, embedderId: space.embedderId } : brought
  checkFits(model, space.dimension, space.embedderId)
  const version = await app.prisma.datasetVersion.findFirst({
    where: { projectId, spaceId: space.id, manifestKey: { not: null } },
    orderBy: { id: 'desc' },
  })
  let measured: Parameters<typeof passGate>[0] = { holdout: null, activeHoldout: null }
  if (version) {
    const labelled = await readLabelledVersion(app, version, space, (read, total) => progress('load', read, total))
    progress('evaluate')
    measured = await measureClusteringModel(app, space, labelled, await withCompany(app, space, labelled), model, {
      signal,
      onProgress: ({ phase, completed, total }) => progress(phase, completed, total),
    })
  }
  const { key: weightsKey } = await app.files.put(encodeModel(model))
  const summary = { ...(row.summary as Prisma.JsonObject), ...(version && { measuredOn: version.tag }) }
  await app.prisma.modelVersion.update({
    where: { projectId_id: { projectId, id } },
    data: { weightsKey, embedderId: space.embedderId, ...passGate(measured, summary) },
  })
}
