import type { ModelVersion, Project } from '../generated/prisma/client.ts'
import * as models from '../services/import-model.ts'
import * as embedders from '../services/project-embedder.ts'
import type { Context } from './context.ts'
import { decodeId, decodeRoot } from './global-id.ts'
import { payload } from './payload.ts'

export const projectEmbedder = (project: Project) => embedders.describeEmbedder(project)

export const hasEmbedder = ({ embedderId }: Project) => embedderId !== null

export const model = ({ projectId, modelVersionId }: embedders.ProjectEmbedder, _args: unknown, { load }: Context) =>
  modelVersionId ? (load.modelVersion.load({ projectId, id: modelVersionId }) as Promise<ModelVersion>) : null

interface SetInput {
  projectId: string
  kind?: embedders.EmbedderKind | null
  modelVersionId?: string | null
  trustStoredVectors: boolean
  idempotencyKey: string
}

export const setEmbedder = payload(async ({ input }: { input: SetInput }, { app, viewer }) =>
  embedders.setEmbedder(app, viewer, {
    ...input,
    projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
    modelVersionId:
      input.modelVersionId && decodeId('ModelVersion', input.modelVersionId, 'input', 'modelVersionId').id,
  }),
)

export const importModel = payload(async ({ input }: { input: models.ImportModel }, { app, viewer }) =>
  models.importModel(app, viewer, {
    ...input,
    projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
  }),
)
