import type { Ref, RunRef } from './id.ts'

/**
 * Opaque global ids: base64url of one tag byte, the project's 16 bytes and the row's own bytes, so that a lookup can be
 * routed to the project's shard without a search.
 */
const TAGS = {
  User: 1,
  Project: 2,
  Membership: 3,
  ApiKey: 4,
  AuditEvent: 5,
  Item: 6,
  Identity: 7,
  ClusterRun: 8,
  Cluster: 9,
  Vertex: 10,
  ReviewTask: 11,
  Decision: 12,
  Constraint: 13,
  ModelVersion: 14,
  TrainingRun: 15,
  DatasetVersion: 16,
  Export: 17,
  Job: 18,
  CalibrationReport: 19,
  WebhookEndpoint: 20,
  WebhookDelivery: 21,
  EmbeddingSpace: 22,
} as const

export type NodeType = keyof typeof TAGS
export type RunNodeType = 'Cluster' | 'Vertex'
export type RootNodeType = 'User' | 'Project'
export type ProjectNodeType = Exclude<NodeType, RunNodeType | RootNodeType>

export type NodeRef =
  | { type: RootNodeType; id: string }
  | ({ type: ProjectNodeType } & Ref)
  | ({ type: RunNodeType } & RunRef)

const NAMES = new Map<number, NodeType>(Object.entries(TAGS).map(([name, tag]) => [tag, name as NodeType]))

const bytesOf = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex')

function uuidOf(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

export function encodeRoot(type: RootNodeType, id: string): string {
  return Buffer.concat([Buffer.of(TAGS[type]), bytesOf(id)]).toString('base64url')
}

export function encodeId(type: ProjectNodeType, { projectId, id }: Ref): string {
  return Buffer.concat([Buffer.of(TAGS[type]), bytesOf(projectId), bytesOf(id)]).toString('base64url')
}

export function encodeRunNode(type: RunNodeType, { projectId, runId, index }: RunRef): string {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(index)
  return Buffer.concat([Buffer.of(TAGS[type]), bytesOf(projectId), bytesOf(runId), number]).toString('base64url')
}

/** The row a global id names, or undefined when it is none of ours. */
export function parseId(globalId: string): NodeRef | undefined {
  const bytes = Buffer.from(globalId, 'base64url')
  // Only the canonical spelling counts: one object has one id.
  if (bytes.toString('base64url') !== globalId) return undefined
  const type = NAMES.get(bytes[0] ?? 0)
  if (!type) return undefined
  const project = () => uuidOf(bytes.subarray(1, 17))
  if (type === 'User' || type === 'Project') return bytes.length === 17 ? { type, id: project() } : undefined
  if (type === 'Cluster' || type === 'Vertex') {
    if (bytes.length !== 37) return undefined
    return { type, projectId: project(), runId: uuidOf(bytes.subarray(17, 33)), index: bytes.readUInt32BE(33) }
  }
  return bytes.length === 33 ? { type, projectId: project(), id: uuidOf(bytes.subarray(17)) } : undefined
}
