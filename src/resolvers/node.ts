import { findRole, hasPermission, type Permission } from '../services/access.ts'
import { DomainError } from '../services/errors.ts'
import { getProject } from '../services/projects.ts'
import type { Context } from './context.ts'
import { type NodeRef, parseId } from './global-id.ts'
import type { Loaders } from './loaders.ts'

const LOADER = {
  Membership: 'membership',
  ApiKey: 'apiKey',
  AuditEvent: 'auditEvent',
  WebhookEndpoint: 'webhookEndpoint',
  WebhookDelivery: 'webhookDelivery',
  Item: 'item',
  Identity: 'identity',
  ClusterRun: 'clusterRun',
  Cluster: 'cluster',
  Vertex: 'vertex',
  ReviewTask: 'reviewTask',
  CalibrationReport: 'calibrationReport',
  Decision: 'decision',
  Constraint: 'constraint',
  ModelVersion: 'modelVersion',
  TrainingRun: 'trainingRun',
  DatasetVersion: 'datasetVersion',
  EmbeddingSpace: 'embeddingSpace',
  Export: 'export',
  Job: 'job',
} as const satisfies Partial<Record<NodeRef['type'], keyof Loaders>>

/** What not every member may see. */
const NEEDS: Partial<Record<NodeRef['type'], Permission>> = {
  ApiKey: 'project.admin',
  AuditEvent: 'audit.read',
  WebhookEndpoint: 'project.admin',
  WebhookDelivery: 'project.admin',
}

export const MAX_NODES = 100

/** Null for what is not there or may not be seen. */
async function visible<Row>(found: Promise<Row>): Promise<Row | null> {
  try {
    return await found
  } catch (error) {
    if (error instanceof DomainError) return null
    throw error
  }
}

/** Any row by global id, or null when it does not exist or may not be seen. */
export async function findNode(globalId: string, { app, viewer, load }: Context) {
  const ref = parseId(globalId)
  if (!ref) return null
  if (ref.type === 'User') {
    // People are visible to those who can name them: ids are random, and a name is all there is to see.
    const user = await load.user.load(ref.id)
    return user && { ...user, __typename: ref.type }
  }
  if (ref.type === 'Project') {
    const project = await visible(getProject(app, viewer, ref.id))
    return project && { ...project, __typename: ref.type }
  }
  const role = await findRole(app, viewer, (ref as { projectId: string }).projectId)
  if (!hasPermission(role, NEEDS[ref.type] ?? 'project.read')) return null
  const loader = LOADER[ref.type as keyof typeof LOADER]
  if (!loader) return null
  const row = await (load[loader] as { load(ref: unknown): Promise<object | null> }).load(ref)
  return row && { ...row, __typename: ref.type }
}

export const node = (_root: unknown, { id }: { id: string }, context: Context) => findNode(id, context)

export function nodes(_root: unknown, { ids }: { ids: string[] }, context: Context) {
  if (ids.length > MAX_NODES) {
    throw new DomainError('INVALID', `ids must be at most ${MAX_NODES}: got ${ids.length}`, { path: ['ids'] })
  }
  return Promise.all(ids.map((id) => findNode(id, context)))
}
