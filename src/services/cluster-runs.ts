import { z } from 'zod'
import type { ClusterMethod, ClusterRun, ModelVersion, Prisma, Project } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { cutPage, newestFirst, type Page, type PageResult } from './page.ts'

/** Computes one run: its vertices, clusters and merge candidates. */
export const clusterRunJob = defineJob({
  name: 'cluster_run',
  payload: z.object({ runId: z.uuid() }),
  maxAttempts: 5,
})

export interface ClusterParameters {
  k?: number | null
  probes?: number | null
  tau?: number | null
  rho?: number | null
  maxConnections?: number | null
  clusterCount?: number | null
  seed?: number | null
}

export interface StartClusterRun {
  projectId: string
  incremental: boolean
  method?: ClusterMethod | null
  parameters?: ClusterParameters | null
  modelVersionId?: string | null
  idempotencyKey: string
}

const NEEDS_MODEL: readonly ClusterMethod[] = ['GCN_V', 'GCN_VE', 'L_GCN', 'LTC', 'CDP_VOTED', 'STRUCTURE']
const DEFAULT_SEED = 42

/** Bounds of the knobs: [least, most]. */
const BOUNDS: Record<keyof ClusterParameters, readonly [number, number]> = {
  k: [1, 512],
  probes: [1, 16_384],
  tau: [-1, 1],
  rho: [0, 1],
  maxConnections: [1, 8],
  clusterCount: [1, 10_000_000],
  seed: [0, 2 ** 31 - 1],
}

function checkParameters(parameters: ClusterParameters): Record<string, number> {
  const checked: Record<string, number> = {}
  for (const [name, [least, most]] of Object.entries(BOUNDS) as [
    keyof ClusterParameters,
    readonly [number, number],
  ][]) {
    const value = parameters[name]
    if (value == null) continue
    if (value < least || value > most) {
      throw invalid(`${name} must be ${least} to ${most}: got ${value}`, 'input', 'parameters', name)
    }
    checked[name] = value
  }
  return checked
}

/** The model a run uses: the one named, else the active one, else none. */
async function chooseModel(tx: Tx, project: Project, wanted: string | null | undefined): Promise<ModelVersion | null> {
  const id = wanted ?? project.activeModelId
  if (!id) return null
  const model = await tx.modelVersion.findUnique({ where: { projectId_id: { projectId: project.id, id } } })
  if (!model) throw notFound('model version', id)
  if (model.target !== 'CLUSTERING')
    throw invalid(`modelVersionId must be a clustering model: got ${model.target}`, 'input', 'modelVersionId')
  if (model.state === 'REJECTED' && !wanted) return null
  return model
}

/**
 * Begins a run: returns as soon as it is queued. ENGINEER and above. Without a method, the one that has done best on
 * labelled identities, or the map equation where there are too few of them.
 *
 * An incremental run goes on from the published one: only new items are placed, and what they or later decisions touch
 * is examined again. Where method, parameters, model or embedding differ from it, or nothing is published, everything is
 * computed instead.
 */
export async function startClusterRun(app: App, viewer: Viewer, input: StartClusterRun): Promise<ClusterRun> {
  const { projectId } = input
  await requireAccess(app, viewer, projectId, 'run.start')
  const { seed = DEFAULT_SEED, ...parameters } = checkParameters(input.parameters ?? {})
  const { runId } = await onceOnly(app, viewer, 'startClusterRun', input, async (tx) => {
    const project = await tx.project.findUniqueOrThrow({ where: { id: projectId } })
    const model = await chooseModel(tx, project, input.modelVersionId)
    const before = project.publishedRunId
      ? await tx.clusterRun.findUnique({ where: { projectId_id: { projectId, id: project.publishedRunId } } })
      : null
    const method = input.method ?? (input.incremental && before ? before.method : 'AUTO')
    if (NEEDS_MODEL.includes(method) && !model) {
      throw new DomainError(
        'INVALID_STATE',
        `${method} needs a trained model and this project has none: train one, or use a method that needs no labels such as INFOMAP`,
        { path: ['input', 'method'] },
      )
    }
    // Other methods take the thresholds a model has learnt, when they are told which.
    const usesModel = method === 'AUTO' || NEEDS_MODEL.includes(method) || input.modelVersionId
    const modelVersionId = usesModel ? (model?.id ?? null) : null
    // What was published can be gone on from only where the same would be computed anew.
    const goesOn =
      before !== null &&
      before.method === method &&
      before.modelVersionId === modelVersionId &&
      before.spaceId === project.activeSpaceId &&
      Object.entries(parameters).every(
        ([name, value]) => (before.parameters as Record<string, unknown>)[name] === value,
      )
    const id = newId()
    const job = await enqueueJob(tx, app, clusterRunJob, {
      projectId,
      payload: { runId: id },
      createdById: viewer.userId,
    })
    await tx.clusterRun.create({
      data: {
        projectId,
        id,
        jobId: job.id,
        method,
        parameters: input.incremental && goesOn ? (before.parameters as Prisma.InputJsonObject) : parameters,
        seed,
        incremental: input.incremental && goesOn,
        parentId: project.publishedRunId,
        modelVersionId,
        spaceId: project.activeSpaceId,
        ledgerRevision: project.ledgerRevision,
        createdById: viewer.userId,
      },
    })
    await recordAudit(tx, viewer, { projectId, action: 'run.started', target: ['ClusterRun', id], detail: { method } })
    return { runId: id }
  })
  return app.prisma.clusterRun.findUniqueOrThrow({ where: { projectId_id: { projectId, id: runId } } })
}

export async function getClusterRun(app: App, viewer: Viewer, { projectId, id }: Ref): Promise<ClusterRun> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const run = await app.prisma.clusterRun.findUnique({ where: { projectId_id: { projectId, id } } })
  if (!run) throw notFound('cluster run', id)
  return run
}

/** Runs, newest first. */
export async function listClusterRuns(
  app: App,
  viewer: Viewer,
  projectId: string,
  page: Page,
): Promise<PageResult<ClusterRun>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return cutPage(await app.prisma.clusterRun.findMany(newestFirst(projectId, page)), page.first)
}
