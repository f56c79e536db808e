import { chooseThreshold, fitProbabilityMap, NO_CHANGE, type ProbabilityMap } from '../engine/index.ts'
import type { CalibrationReport, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { type AuditLabel, readAuditRows, sampleOf } from './audit-sample.ts'
import { DomainError, invalid } from './errors.ts'
import { newId } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { readLinkProbabilities } from './link-population.ts'
import { enqueueQueueBuild } from './review-queue-build.ts'

export interface CalibrateThreshold {
  projectId: string
  targetPrecision: number
  delta: number
  idempotencyKey: string
}

/** What answers say of the model's probabilities, by kind of question. */
export interface ProbabilityMaps {
  readonly link: ProbabilityMap
  readonly merge: ProbabilityMap
}

/** Bounds of what can be asked for. */
const LEAST_PRECISION = 0.5
const MOST_PRECISION = 0.9999

/**
 * Chooses the threshold at which links need no person, from audit answers on the published run, and brings the
 * probabilities of open questions in line with them. ENGINEER and above. The report says how many labels are missing
 * where nothing can be guaranteed.
 */
export async function calibrateThreshold(
  app: App,
  viewer: Viewer,
  input: CalibrateThreshold,
): Promise<CalibrationReport> {
  const { projectId, targetPrecision, delta } = input
  await requireAccess(app, viewer, projectId, 'threshold.calibrate')
  if (!(targetPrecision >= LEAST_PRECISION && targetPrecision <= MOST_PRECISION)) {
    throw invalid(
      `targetPrecision must be ${LEAST_PRECISION} to ${MOST_PRECISION}: got ${targetPrecision}`,
      'input',
      'targetPrecision',
    )
  }
  if (!(delta >= 0.0001 && delta <= 0.5)) throw invalid(`delta must be 0.0001 to 0.5: got ${delta}`, 'input', 'delta')
  const { publishedRunId: runId } = (await app.prisma.project.findUnique({ where: { id: projectId } })) ?? {}
  if (!runId) {
    throw new DomainError('INVALID_STATE', 'no run is published: a threshold is about the links of the published run')
  }
  const rows = await readAuditRows(app, projectId)
  const labels = sampleOf(rows.filter((row) => row.runId === runId && row.stratum === 'LINK'))
  const population = await readLinkProbabilities(app, projectId, runId)
  // Who could not be asked yet counts as wrong: the guarantee must not rest on them.
  const sample = labels.map(({ probability, isSame }) => ({ probability, isSame: isSame === true }))
  const choice = chooseThreshold(sample, population, targetPrecision, delta)
  const probabilities: ProbabilityMaps = {
    link: fitProbabilityMap(known(rows.filter(({ stratum }) => stratum === 'LINK'))),
    merge: fitProbabilityMap(known(rows.filter(({ stratum }) => stratum === 'ACROSS'))),
  }
  const { reportId } = await onceOnly(app, viewer, 'calibrateThreshold', input, async (tx) => {
    const id = newId()
    const { acceptedShare: autoAcceptedShare, ...found } = choice
    await tx.calibrationReport.create({
      data: {
        projectId,
        id,
        runId,
        targetPrecision,
        delta,
        autoAcceptedShare,
        ...found,
        probabilities: probabilities as unknown as Prisma.InputJsonObject,
        createdById: viewer.userId,
      },
    })
    await enqueueQueueBuild(tx, app, { projectId, runId, createdById: viewer.userId })
    await recordAudit(tx, viewer, {
      projectId,
      action: 'threshold.calibrated',
      target: ['CalibrationReport', id],
      detail: { targetPrecision, delta, threshold: choice.threshold },
    })
    return { reportId: id }
  })
  return app.prisma.calibrationReport.findUniqueOrThrow({ where: { projectId_id: { projectId, id: reportId } } })
}

/** Labels of every run: what a probability is worth outlives the run it came from. */
function known(rows: Parameters<typeof sampleOf>[0]): { probability: number; isSame: boolean }[] {
  const byRun = new Map<string, (typeof rows)[number][]>()
  for (const row of rows) byRun.set(row.runId, [...(byRun.get(row.runId) ?? []), row])
  return [...byRun.values()]
    .flatMap(sampleOf)
    .filter((label): label is AuditLabel & { isSame: boolean } => label.isSame !== undefined)
    .map(({ probability, isSame }) => ({ probability, isSame }))
}

/** The latest report; null before the first. Whoever sees the project. */
export async function findCalibration(app: App, viewer: Viewer, projectId: string): Promise<CalibrationReport | null> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return latestCalibration(app, projectId)
}

export function latestCalibration(
  { prisma }: { prisma: App['prisma'] | Tx },
  projectId: string,
): Promise<CalibrationReport | null> {
  return prisma.calibrationReport.findFirst({ where: { projectId }, orderBy: { id: 'desc' } })
}

/** What the latest report says of probabilities; no change before the first. */
export function probabilityMaps(report: Pick<CalibrationReport, 'probabilities'> | null): ProbabilityMaps {
  return (report?.probabilities as unknown as ProbabilityMaps | null) ?? { link: NO_CHANGE, merge: NO_CHANGE }
}
