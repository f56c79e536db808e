import { type ClusteringModel, type ClusterParameters, decodeModel, evaluateClustering } from '../engine/index.ts'
import type { ClusterRun, Prisma } from '../generated/prisma/client.ts'
import type { App } from '../services/app.ts'
import { clusterRunJob } from '../services/cluster-runs.ts'
import { readEmbeddings } from '../services/embedding-matrix.ts'
import { DomainError } from '../services/errors.ts'
import { readKnownLabels } from '../services/known-labels.ts'
import { readAll } from '../services/media.ts'
import { compileConstraints, readLedger } from '../services/run-constraints.ts'
import { clearRunResult, histogramOf, writeRunResult } from '../services/run-result.ts'
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

/**
 * Clusters every embedded item of the project under the decisions in force, and stores the proposal. A second run of
 * the same job starts over: nothing of a run is visible before it is READY.
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
    const result = await app.engine.cluster(
      {
        features: matrix,
        method: run.method,
        model: await readModel(app, run),
        embedderId: space.embedderId,
        parameters: { minProbability: MIN_PROBABILITY, ...(run.parameters as ClusterParameters) },
        constraints: compileConstraints(ledger.constraints, itemIds),
        labels,
        seed: run.seed,
      },
      { signal, onProgress: ({ phase, completed, total }) => progress(phase, completed, total) },
    )
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
            constraintsHonoured: result.constraintsHonoured,
            chosen: { parameters: result.parametersChosen, explanation: result.explanation } as Prisma.InputJsonObject,
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
