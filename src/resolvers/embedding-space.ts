import type { EmbeddingSpace, ModelVersion, Project } from '../generated/prisma/client.ts'
import * as spaces from '../services/embedding-spaces.ts'
import type { IdentificationScore } from '../services/model-versions.ts'
import type { Context } from './context.ts'
import { decodeId, encodeId } from './global-id.ts'
import { payload } from './payload.ts'

/** What the training of a model has written down; JSON whose shape its writer guarantees. */
interface Summary {
  identification?: Record<'model' | 'active', (IdentificationScore & { probes: number }) | null>
  report?: { sentence?: string }
  explanation?: string
}

const summaryOf = ({ summary }: ModelVersion) => (summary ?? {}) as unknown as Summary

export const id = (space: EmbeddingSpace) => encodeId('EmbeddingSpace', space)
export const embedder = ({ embedderId }: EmbeddingSpace) => embedderId

export const model = ({ projectId, modelVersionId }: EmbeddingSpace, _args: unknown, { load }: Context) =>
  modelVersionId ? load.modelVersion.load({ projectId, id: modelVersionId }) : null

export const source = ({ projectId, sourceSpaceId }: EmbeddingSpace, _args: unknown, { load }: Context) =>
  sourceSpaceId ? load.embeddingSpace.load({ projectId, id: sourceSpaceId }) : null

export const job = ({ projectId, jobId }: EmbeddingSpace, _args: unknown, { load }: Context) =>
  jobId ? load.job.load({ projectId, id: jobId }) : null

export const embeddedCount = (space: EmbeddingSpace, _args: unknown, { load }: Context) =>
  load.embeddedCount.load(space)

export const isActive = async ({ projectId, id: spaceId }: EmbeddingSpace, _args: unknown, { load }: Context) =>
  (await load.activeSpaceId.load(projectId)) === spaceId

export const projectSpaces = ({ id: projectId }: Project, _args: unknown, { app, viewer }: Context) =>
  spaces.listEmbeddingSpaces(app, viewer, projectId)

export const activeSpace = ({ id: projectId, activeSpaceId }: Project, _args: unknown, { load }: Context) =>
  load.embeddingSpace.load({ projectId, id: activeSpaceId }) as Promise<EmbeddingSpace>

/** Of a run or a snapshot. */
export const usedSpace = (
  { projectId, spaceId }: { projectId: string; spaceId: string },
  _args: unknown,
  { load }: Context,
) => load.embeddingSpace.load({ projectId, id: spaceId }) as Promise<EmbeddingSpace>

function scores(found: (IdentificationScore & { probes: number }) | null | undefined) {
  if (!found) return null
  const { nearest, tarAtFar, probes } = found
  return {
    nearest,
    tarAtFar1e2: tarAtFar['0.01'] as number,
    tarAtFar1e3: tarAtFar['0.001'] as number,
    itemCount: probes,
  }
}

export const identification = (version: ModelVersion) => scores(summaryOf(version).identification?.model)
export const activeIdentification = (version: ModelVersion) => scores(summaryOf(version).identification?.active)

export const explanation = (version: ModelVersion) => {
  const { report, explanation: text } = summaryOf(version)
  return text ?? report?.sentence ?? null
}

export const activateEmbeddingSpace = payload(
  async ({ input }: { input: { embeddingSpaceId: string; idempotencyKey: string } }, { app, viewer }) => {
    const ref = decodeId('EmbeddingSpace', input.embeddingSpaceId, 'input', 'embeddingSpaceId')
    return {
      embeddingSpace: await spaces.activateEmbeddingSpace(app, viewer, {
        ...ref,
        idempotencyKey: input.idempotencyKey,
      }),
    }
  },
)
