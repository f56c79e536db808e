import { encodeModel, type Labels, type Matrix } from '../engine/index.ts'
import {
  findClusteringModel,
  measureClusteringModel,
  readLabelledVersion,
  withCompany,
} from '../services/clustering-gate.ts'
import { DomainError } from '../services/errors.ts'
import { createModelVersion } from '../services/model-versions.ts'
import { trainingRunJob } from '../services/training-runs.ts'
import { implementJob } from './implement-job.ts'
import { trainEmbedding } from './train-embedding.ts'

/** Fewer identities than this can neither train nor hold out. */
const MIN_IDENTITIES = 10
const MAX_CURVE_POINTS = 500

/** Rows of a matrix and their labels, without those whose label is not wanted. */
function select(
  matrix: Matrix,
  labels: Labels,
  isWanted: (label: number) => boolean,
): { features: Matrix; labels: Labels } {
  const kept = [...labels.keys()].filter((row) => isWanted(labels[row] as number))
  const data = new Float32Array(kept.length * matrix.cols)
  kept.forEach((row, i) => {
    data.set(matrix.data.subarray(row * matrix.cols, (row + 1) * matrix.cols), i * matrix.cols)
  })
  return {
    features: { data, rows: kept.length, cols: matrix.cols },
    labels: Int32Array.from(kept, (row) => labels[row] as number),
  }
}

function thin<Point>(points: readonly Point[]): Point[] {
  const step = Math.max(1, Math.ceil(points.length / MAX_CURVE_POINTS))
  return points.filter((_, i) => i % step === 0 || i === points.length - 1)
}

/**
 * Trains GCN-V and GCN-E on the identities of a frozen dataset version, chooses among methods in the company of the project's other
 * items but the hold-out's, and measures the model and what runs use now, the active model or none, on the same identities that no
 * training ever sees. The active model stays active whatever happens here.
 */
export const trainModel = implementJob(trainingRunJob, async (context) => {
  const { app, job, payload, signal, progress } = context
  const { projectId } = job
  const where = { projectId_id: { projectId, id: payload.trainingRunId } }
  const training = await app.prisma.trainingRun.findUniqueOrThrow({ where })
  if (training.modelVersionId) return
  if (training.target === 'EMBEDDING') return trainEmbedding(context, training)
  const versionWhere = { projectId_id: { projectId, id: training.datasetVersionId } }
  const version = await app.prisma.datasetVersion.findUniqueOrThrow({ where: versionWhere })
  const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: version.spaceId } },
  })

  progress('load')
  const labelled = await readLabelledVersion(app, version, space, (read, total) => progress('load', read, total))
  const { identityCount, heldOut } = labelled
  if (identityCount - heldOut.size < MIN_IDENTITIES) {
    throw new DomainError(
      'INVALID_STATE',
      `training needs at least ${MIN_IDENTITIES} identities with embeddings beside the frozen hold-out: dataset version ${version.tag} has ${identityCount - heldOut.size} (and ${heldOut.size} held out); confirm more identities and freeze a new version`,
    )
  }

  const control = {
    signal,
    onProgress: ({ phase, completed, total }: { phase: string; completed: number; total?: number }) =>
      progress(phase, completed, total),
  }
  const all = await withCompany(app, space, labelled)
  const { model, lossCurve, report } = await app.engine.train(
    {
      ...select(all.features, all.labels, (label) => !heldOut.has(label)),
      inCompany: true,
      embedderId: space.embedderId,
      seed: training.seed,
      fromModel: await findClusteringModel(app, projectId, training.fromModelVersionId),
    },
    control,
  )
  progress('evaluate')
  const { holdout, activeHoldout } = await measureClusteringModel(app, space, labelled, all, model, control)
  const { key: weightsKey } = await app.files.put(encodeModel(model))
  await app.prisma.$transaction(async (tx) => {
    const { id } = await createModelVersion(tx, training, {
      weightsKey,
      embeddingDimension: space.dimension,
      embedderId: space.embedderId,
      holdout,
      activeHoldout,
      summary: { identities: identityCount, heldOutIdentities: heldOut.size, explanation: report.explanation },
    })
    await tx.trainingRun.update({
      where,
      data: {
        modelVersionId: id,
        lossCurve: thin(lossCurve).map((point) => ({ ...point })),
        report: JSON.parse(JSON.stringify(report)),
      },
    })
  })
})
