import { randomUUID } from 'node:crypto'
import { unwrapResolverError } from '@apollo/server/errors'
import { GraphQLError, type GraphQLFormattedError } from 'graphql'
import type { Logger } from 'pino'
import { DomainError } from './services/errors.ts'

/** Errors of GraphQL itself: syntax, validation, variables, limits. Their messages are written for clients. */
function isRequestError(error: unknown): boolean {
  return error instanceof GraphQLError && error.originalError == null
}

/**
 * What a client sees of a top-level error: a refusal keeps its message and code; anything unexpected is masked behind an
 * incident id, and stands whole in the log.
 */
export function formatError(log: Logger, formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  const cause = unwrapResolverError(error)
  if (cause instanceof DomainError) {
    const { path } = cause.detail
    return { ...formatted, message: cause.message, extensions: { code: cause.code, ...(path && { inputPath: path }) } }
  }
  // A GraphQLError thrown on purpose by a scalar or a limit keeps its message too.
  if (isRequestError(error) || (cause instanceof GraphQLError && cause.extensions.code !== undefined)) {
    const { stacktrace: _hidden, ...extensions } = formatted.extensions ?? {}
    return { ...formatted, extensions }
  }
  const incidentId = randomUUID()
  log.error({ err: cause, incidentId, path: formatted.path }, 'unexpected error in a resolver')
  return {
    message: `something went wrong on our side: quote incident ${incidentId} when you report it`,
    path: formatted.path,
    locations: formatted.locations,
    extensions: { code: 'INTERNAL', incidentId },
  }
}

/** Of refusals that are not of the operation itself: the sign-in, and limits. */
export const STATUS_OF_REFUSALS: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  UNKNOWN_DOCUMENT: 403,
  RATE_LIMITED: 429,
}

/** Refusals as the answer to a request that would open a stream. */
export const refusalResponse = (errors: readonly GraphQLFormattedError[]): [string, ResponseInit] => [
  JSON.stringify({ errors }),
  {
    status: STATUS_OF_REFUSALS[String(errors[0]?.extensions?.code)] ?? 400,
    statusText: 'Refused',
    headers: { 'content-type': 'application/json' },
  },
]

/** A refusal of a service, in GraphQL's own shape; anything else as it is. */
export function asGraphQLError(error: unknown, requestId?: string): unknown {
  if (!(error instanceof DomainError)) return error
  const status = STATUS_OF_REFUSALS[error.code] ?? 400
  return new GraphQLError(error.message, { extensions: { code: error.code, requestId, http: { status } } })
}
