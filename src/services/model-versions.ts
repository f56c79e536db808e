import { createHash } from 'node:crypto'
import type { EvaluationOutput } from '../engine/index.ts'
import type { ModelVersion, Prisma, TrainingRun } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'
import { newId } from './id.ts'
import { lockProject } from './project-lock.ts'

/** One identity in this many is kept away from every training, for ever: the frozen hold-out. */
const HELD_OUT_ONE_IN = 5

/** Whether an identity belongs to the frozen hold-out: decided by its id alone, so that it never changes. */
export function isHeldOut(identityId: string): boolean {
  return (createHash('sha256').update(identityId).digest()[0] as number) % HELD_OUT_ONE_IN === 0
}

export interface MeasuredModel {
  readonly weightsKey: string
  readonly embeddingDimension: number
  readonly embedderId: string
  readonly holdout: Pick<EvaluationOutput, 'pairwiseF' | 'bcubedF'> | null
  /** Of what runs use now, the active model or none, on the same hold-out; null when there is no hold-out. */
  readonly activeHoldout: Pick<EvaluationOutput, 'pairwiseF' | 'bcubedF'> | null
  readonly summary: Prisma.InputJsonObject
}

/** How runs did then on the same hold-out: with the model that was active, or without one. */
export const activeHoldoutOf = ({ summary }: ModelVersion) =>
  (summary as { activeHoldout?: MeasuredModel['holdout'] } | null)?.activeHoldout ?? null

const bothF = ({ pairwiseF, bcubedF }: NonNullable<MeasuredModel['holdout']>) => ({
  pairwiseF: { ...pairwiseF },
  bcubedF: { ...bcubedF },
})

const meanF = ({ pairwiseF, bcubedF }: Pick<EvaluationOutput, 'pairwiseF' | 'bcubedF'>) =>
  (pairwiseF.value + bcubedF.value) / 2

/** Stores a trained model. The gate: worse on the frozen hold-out than what runs use now is REJECTED. */
export async function createModelVersion(
  tx: Tx,
  training: TrainingRun,
  measured: MeasuredModel,
): Promise<ModelVersion> {
  const { projectId } = training
  const { holdout, activeHoldout, summary, ...stored } = measured
  return tx.modelVersion.create({
    data: {
      projectId,
      id: newId(),
      number: await nextNumber(tx, projectId),
      target: training.target,
      trainingRunId: training.id,
      ...stored,
      ...passGate({ holdout, activeHoldout }, summary),
    },
  })
}

/** What the gate of clustering models says: worse on the frozen hold-out than what runs use now is REJECTED. */
export function passGate(
  { holdout, activeHoldout }: Pick<MeasuredModel, 'holdout' | 'activeHoldout'>,
  summary: Prisma.InputJsonObject,
) {
  const isWorse = holdout !== null && activeHoldout !== null && meanF(holdout) < meanF(activeHoldout)
  return {
    state: holdout === null ? ('CANDIDATE' as const) : isWorse ? ('REJECTED' as const) : ('EVALUATED' as const),
    ...(holdout && { holdout: bothF(holdout) }),
    summary: { ...summary, ...(activeHoldout && { activeHoldout: bothF(activeHoldout) }) },
  }
}

/** How well identities of the hold-out are told apart by their embeddings. */
export interface IdentificationScore {
  readonly nearest: number
  readonly tarAtFar: Readonly<Record<string, number>>
}

export interface MeasuredEmbedding {
  readonly weightsKey: string
  readonly embeddingDimension: number
  readonly score: IdentificationScore | null
  /** Of the active space on the same items; null when it can not be compared. */
  readonly activeScore: IdentificationScore | null
  readonly summary: Prisma.InputJsonObject
}

/** Mean of what is asked of an embedding: the nearest one is right, and pairs are accepted at few false ones. */
const meanIdentification = ({ nearest, tarAtFar }: IdentificationScore) => (nearest + (tarAtFar['0.01'] as number)) / 2

/** Stores a trained embedding model. The gate: worse than the active space on the frozen hold-out is REJECTED. */
export async function createEmbeddingModel(
  tx: Tx,
  training: TrainingRun,
  { score, activeScore, summary, ...stored }: MeasuredEmbedding,
): Promise<ModelVersion> {
  const { projectId } = training
  const id = newId()
  const isWorse = score !== null && activeScore !== null && meanIdentification(score) < meanIdentification(activeScore)
  return tx.modelVersion.create({
    data: {
      projectId,
      id,
      number: await nextNumber(tx, projectId),
      target: training.target,
      trainingRunId: training.id,
      state: score === null ? 'CANDIDATE' : isWorse ? 'REJECTED' : 'EVALUATED',
      embedderId: `model:${id}`,
      ...stored,
      summary,
    },
  })
}

async function nextNumber(tx: Tx, projectId: string): Promise<number> {
  await lockProject(tx, projectId)
  const last = await tx.modelVersion.findFirst({ where: { projectId }, orderBy: { number: 'desc' } })
  return (last?.number ?? 0) + 1
}
