import { GraphQLError, Kind, type ValueNode } from 'graphql'
import { enumType, interfaceType, objectType, scalarType, sourceIn } from './nexus.ts'

const refuse = (expected: string) => (value: unknown) => {
  throw new GraphQLError(`${expected}: got ${JSON.stringify(value)}`, { extensions: { code: 'BAD_USER_INPUT' } })
}

function parseInstant(value: unknown): Date {
  const instant = typeof value === 'string' ? new Date(value) : undefined
  if (instant && !Number.isNaN(instant.getTime()) && /\dT\d.*(Z|[+-]\d\d:\d\d)$/.test(value as string)) return instant
  return refuse('DateTime must be an RFC 3339 instant such as 2026-11-03T10:00:00Z')(value)
}

function parseUrl(value: unknown): string {
  if (typeof value === 'string' && URL.canParse(value)) return value
  return refuse('URL must be absolute')(value)
}

function parseObject(value: unknown): unknown {
  if (value && typeof value === 'object' && !Array.isArray(value)) return value
  return refuse('JSONObject must be an object')(value)
}

const stringLiteral = (node: ValueNode): unknown => (node.kind === Kind.STRING ? node.value : undefined)

const DateTime = scalarType({
  name: 'DateTime',
  description: 'UTC instant, RFC 3339.',
  sourceType: 'Date',
  serialize: (value) => (value instanceof Date ? value : parseInstant(value)).toISOString(),
  parseValue: parseInstant,
  parseLiteral: (node) => parseInstant(stringLiteral(node)),
})

const URLScalar = scalarType({
  name: 'URL',
  description: 'Absolute http(s) URL; media URLs are short-lived and signed.',
  sourceType: 'string',
  serialize: String,
  parseValue: parseUrl,
  parseLiteral: (node) => parseUrl(stringLiteral(node)),
})

const JSONObject = scalarType({
  name: 'JSONObject',
  description: 'Opaque JSON object, used only for user metadata and job parameters.',
  sourceType: 'unknown',
  serialize: (value) => value,
  parseValue: parseObject,
})

const Node = interfaceType({
  name: 'Node',
  description: 'Anything that can be re-fetched by its global id.',
  // Rows found through `node` carry their type name.
  resolveType: (source) => (source as unknown as { __typename: never }).__typename,
  definition(t) {
    // Every implementing type has its own resolver.
    t.nonNull.id('id', { description: 'Opaque global id (type tag plus UUIDv7, base64url).' } as never)
  },
})

const PageInfo = objectType({
  name: 'PageInfo',
  description: 'Relay page info.',
  definition(t) {
    t.nonNull.boolean('hasNextPage', { description: 'More items exist after endCursor.' })
    t.nonNull.boolean('hasPreviousPage', { description: 'More items exist before startCursor.' })
    t.string('startCursor', { description: 'Cursor of the first edge.' })
    t.string('endCursor', { description: 'Cursor of the last edge.' })
  },
})

const CappedCount = objectType({
  name: 'CappedCount',
  description: 'A count that stops counting at a cap, so that it never scans a large table.',
  definition(t) {
    t.nonNull.int('value', { description: 'Number of rows, or the cap when isExact is false.' })
    t.nonNull.boolean('isExact', { description: 'False when the real number is larger than value.' })
  },
})

const Estimate = objectType({
  name: 'Estimate',
  description: 'A point estimate with its confidence interval.',
  definition(t) {
    t.nonNull.float('value', { description: 'Point estimate.' })
    t.nonNull.float('low', { description: 'Lower end.' })
    t.nonNull.float('high', { description: 'Upper end.' })
    t.nonNull.int('sampleSize', { description: 'Labelled pairs behind it.' })
  },
})

const UserErrorCode = enumType({
  name: 'UserErrorCode',
  description: 'Stable codes for expected refusals.',
  members: [
    { name: 'INVALID', description: 'The input failed validation.' },
    { name: 'NOT_FOUND', description: 'The id does not exist or is not visible to the caller.' },
    { name: 'FORBIDDEN', description: 'The caller lacks the scope.' },
    { name: 'STALE_REVISION', description: 'expectedRevision is older than the stored revision.' },
    { name: 'LEASE_LOST', description: 'The lease expired or belongs to somebody else.' },
    { name: 'CONSTRAINT_CONFLICT', description: 'The decision contradicts active hard constraints.' },
    { name: 'IDEMPOTENCY_KEY_REUSED', description: 'Same idempotency key, different body.' },
    { name: 'INVALID_STATE', description: 'The object is in a state that does not allow this.' },
    { name: 'LIMIT_EXCEEDED', description: 'A quota or size limit was reached.' },
  ],
})

const UserError = interfaceType({
  name: 'UserError',
  description: 'An expected, recoverable refusal that a user or tool can act on.',
  sourceType: sourceIn('resolvers/payload.ts', 'UserErrorSource'),
  resolveType: (source) => source.__typename as never,
  definition(t) {
    t.nonNull.string('message', { description: 'Human-readable, safe to display.' })
    t.nonNull.field('code', {
      type: 'UserErrorCode',
      description: 'Stable machine code; new values may be added.',
    })
    t.list.nonNull.string('path', { description: 'Path of the input value that caused it, list indexes included.' })
  },
})

const GenericUserError = objectType({
  name: 'GenericUserError',
  sourceType: sourceIn('resolvers/payload.ts', 'UserErrorSource'),
  description: 'Validation, not-found, permission, state and limit refusals.',
  definition(t) {
    t.implements('UserError')
  },
})

export const commonTypes = [
  DateTime,
  URLScalar,
  JSONObject,
  Node,
  PageInfo,
  CappedCount,
  Estimate,
  UserErrorCode,
  UserError,
  GenericUserError,
]
