import {
  type ClusteringModel,
  type ClusterParameters,
  decodeModel,
  evaluateClustering,
  type PlacementResult,
} from '../engine/index.ts'
import type { ClusterRun, Prisma } from '../generated/prisma/client.ts'
import type { App } from '../services/app.ts'
import { clusterRunJob } from '../services/cluster-runs.ts'
import { readEmbeddings } from '../services/embedding-matrix.ts'
import type { EngineControl } from '../services/engine-port.ts'
import { DomainError } from '../services/errors.ts'
import { readKnownLabels } from '../services/known-labels.ts'
import { readAll } from '../services/media.ts'
import { findReviewSettings } from '../services/review-settings.ts'
import { readRunBase } from '../services/run-base.ts'
import { compileConstraints, readLedger } from '../services/run-constraints.ts'
import { clearRunResult, histogramOf, writeRunResult } from '../services/run-result.ts'
import { addSameImageLinks } from '../services/same-image.ts'
import { refreshStatistics } from '../services/statistics.ts'
import { implementJob } from './implement-job.ts'

/** Fewer compared items say nothing about quality. */
const MIN_COMPARED = 20

/** A proposal that shows people links more likely wrong than right wastes their time: such tree edges are cut. */
const MIN_PROBABILITY = 0.5

async function readModel(app: App, run: ClusterRun): Promise<ClusteringModel | undefined> {
  if (!run.modelVersionId) return undefined
  const { projectId, modelVersionId: id } = run
  const model = await app.prisma.modelVersion.findUniqueOrThrow({ where: { projectId_id: { projectId, id } } })
  return decodeModel(await readAll(app, model.weightsKey))
}

/** The run that an incremental one goes on from, by the rows of today. */
async function readParent(app: App, { projectId, parentId: id }: ClusterRun, itemIds: readonly string[]) {
  const parent = await app.prisma.clusterRun.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: id as string } },
  })
  const parameters = (parent.chosen as { parameters?: object } | null)?.parameters ?? {}
  return { parameters, ...(await readRunBase(app, parent, itemIds)) }
}

/** Beyond this share of new items, what there was says too little: everything is computed. */
const MOST_NEW = 0.3

/**
 * Clusters every embedded item of the project under the decisions in force, and stores the proposal. A second run of
 * the same job starts over: nothing of a run is visible before it is READY. An incremental run goes on from its parent.
 */
export const clusterItems = implementJob(
  clusterRunJob,
  async ({ app, job, payload, signal, progress }) => {
    const where = { projectId_id: { projectId: job.projectId, id: payload.runId } }
    const run = await app.prisma.clusterRun.update({ where, data: { state: 'RUNNING', failure: null } })
    const { projectId } = run
    const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
      where: { projectId_id: { projectId, id: run.spaceId } },
    })
    progress('load')
    const ledger = await readLedger(app, projectId)
    const { itemIds, matrix } = await readEmbeddings(app, space, undefined, (read, total) => {
      signal.throwIfAborted()
      progress('load', read, total)
    })
    if (itemIds.length < 2) {
      throw new DomainError(
        'INVALID_STATE',
        `clustering needs at least 2 items with an embedding: got ${itemIds.length}`,
      )
    }
    const labels = await readKnownLabels(app, projectId, itemIds)
    const human = compileConstraints(ledger.constraints, itemIds)
    const { isSameImageApart } = await findReviewSettings(app, projectId)
    const constraints = isSameImageApart ? await addSameImageLinks(app, projectId, itemIds, human) : human
    const control: EngineControl = {
      signal,
      onProgress: ({ phase, completed, total }) => progress(phase, completed, total),
    }
    const parent = run.incremental ? await readParent(app, run, itemIds) : undefined
    const isPlaced = parent !== undefined && parent.newCount <= MOST_NEW * itemIds.length
    const result: PlacementResult = isPlaced
      ? await app.engine.place({ features: matrix, base: parent.base, constraints, seed: run.seed }, control)
      : await app.engine.cluster(
          {
            features: matrix,
            method: run.method,
            model: await readModel(app, run),
            embedderId: space.embedderId,
            parameters: { minProbability: MIN_PROBABILITY, ...(run.parameters as ClusterParameters) },
            constraints,
            labels,
            seed: run.seed,
          },
          control,
        )
    const chosen = isPlaced
      ? { parameters: parent.parameters, explanation: result.explanation }
      : {
          parameters: result.parametersChosen,
          explanation: parent
            ? `Everything was computed: ${parent.newCount} of ${itemIds.length} items are new. ${result.explanation}`
            : result.explanation,
        }
    const scores = evaluateClustering(result.labels, labels)
    signal.throwIfAborted()
    progress('store', 0, itemIds.length)
    await app.prisma.$transaction(
      async (tx) => {
        await clearRunResult(tx, run)
        await writeRunResult(tx, run, itemIds, result, (written, total) => progress('store', written, total))
        await refreshStatistics({ prisma: tx }, 'Vertex', 'Cluster', 'MergeEdge', 'Constraint')
        await tx.clusterRun.update({
          where,
          data: {
            state: 'READY',
            ledgerRevision: ledger.ledgerRevision,
            vertexCount: itemIds.length,
            clusterCount: result.clusterSizes.length,
            constraintsHonoured: (human.mustLinks.length + human.cannotLinks.length) / 2 + human.excluded.length,
            incremental: isPlaced,
            chosen: chosen as Prisma.InputJsonObject,
            backend: result.backend.name,
            phases: result.phases.map((phase) => ({ peakRssBytes: 0, ...phase })),
            confidenceHistogram: histogramOf(result.confidence),
            ...(scores.n >= MIN_COMPARED && {
              quality: {
                pairwise: { ...scores.pairwise },
                bcubed: { ...scores.bcubed },
                nmi: scores.nmi,
                itemCount: scores.n,
              },
            }),
          },
        })
      },
      { timeout: 600_000, maxWait: 30_000 },
    )
  },
  async (tx, { projectId, payload }, { state, failure }) => {
    await tx.clusterRun.updateMany({
      where: { projectId, id: payload.runId, state: { in: ['QUEUED', 'RUNNING'] } },
      data: { state, failure },
    })
  },
)
