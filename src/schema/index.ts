import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { GraphQLInputObjectType, type GraphQLSchema } from 'graphql'
import nexus from 'nexus'
import { auditEventTypes } from './audit-event.ts'
import { calibrationTypes } from './calibration.ts'
import { clusterRunTypes } from './cluster-run.ts'
import { commonTypes } from './common.ts'
import { describeCommon } from './common-descriptions.ts'
import { datasetVersionTypes } from './dataset-version.ts'
import { decisionTypes } from './decision.ts'
import { embedderTypes } from './embedder.ts'
import { embeddingSpaceTypes } from './embedding-space.ts'
import { eraseItemsTypes } from './erase-items.ts'
import { identityTypes } from './identity.ts'
import { itemTypes } from './item.ts'
import { jobTypes } from './job.ts'
import { nodeTypes } from './node.ts'
import { projectTypes } from './project.ts'
import { retractAnswerTypes } from './retract-answer.ts'
import { reviewTaskTypes } from './review-task.ts'
import { rootTypes } from './root.ts'
import { trainingRunTypes } from './training-run.ts'
import { userErrorTypes } from './user-error.ts'
import { webhookTypes } from './webhook.ts'

const here = path.dirname(fileURLToPath(import.meta.url))

/** Where the committed artefacts stand. */
export const SDL_PATH = path.join(here, '../../schema.graphql')
const TYPEGEN_PATH = path.join(here, 'generated/nexus-typegen.ts')

/** Inputs of which exactly one field must be given: Nexus can not say it, so it is set on the built schema. */
const ONE_OF = ['SimilaritySearchInput', 'DecisionChange']

const config: nexus.core.SchemaConfig = {
  types: [
    rootTypes,
    commonTypes,
    nodeTypes,
    projectTypes,
    auditEventTypes,
    webhookTypes,
    eraseItemsTypes,
    itemTypes,
    jobTypes,
    clusterRunTypes,
    identityTypes,
    decisionTypes,
    reviewTaskTypes,
    retractAnswerTypes,
    calibrationTypes,
    trainingRunTypes,
    datasetVersionTypes,
    embedderTypes,
    embeddingSpaceTypes,
    userErrorTypes,
  ],
  outputs: { schema: SDL_PATH, typegen: TYPEGEN_PATH },
  shouldGenerateArtifacts: false,
  contextType: { module: path.join(here, '../resolvers/context.ts'), export: 'Context' },
  features: { abstractTypeStrategies: { resolveType: true } },
  nonNullDefaults: { input: false, output: false },
}

function markOneOf(schema: GraphQLSchema): GraphQLSchema {
  for (const name of ONE_OF) {
    const type = schema.getType(name)
    if (type instanceof GraphQLInputObjectType) type.isOneOf = true
  }
  return schema
}

/** The executable schema. */
export const buildSchema = (): GraphQLSchema => describeCommon(markOneOf(nexus.makeSchema(config) as GraphQLSchema))

/** Nexus's generated types, as text with relative imports. */
export async function generateTypes(): Promise<{ path: string; text: string }> {
  const { tsTypes } = await nexus.core.generateSchema.withArtifacts(
    { ...config, shouldGenerateArtifacts: true } as never,
    TYPEGEN_PATH,
  )
  return { path: TYPEGEN_PATH, text: tsTypes }
}
