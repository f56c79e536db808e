/** Stable codes of expected refusals. The first nine are the GraphQL enum UserErrorCode. */
export type DomainErrorCode =
  | 'INVALID'
  | 'NOT_FOUND'
  | 'FORBIDDEN'
  | 'STALE_REVISION'
  | 'LEASE_LOST'
  | 'CONSTRAINT_CONFLICT'
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'INVALID_STATE'
  | 'LIMIT_EXCEEDED'
  | 'UNAUTHENTICATED'
  | 'RATE_LIMITED'

/** Facts that the typed user errors carry beside their message. */
export interface DomainErrorDetail {
  /** Path of the input value that caused it, list indexes included. */
  path?: string[]
  /** STALE_REVISION: the revision now stored, and the decisions since the one the caller saw. */
  currentRevision?: number
  interveningDecisionIds?: string[]
  /** CONSTRAINT_CONFLICT: a minimal set of active constraints that together forbid the change. */
  conflictingConstraintIds?: string[]
  /** LEASE_LOST: the task. */
  taskId?: string
  projectId?: string
  /** NOT_FOUND: what was looked for. */
  rowId?: string
  /** RATE_LIMITED: when to come back. */
  retryAfterSeconds?: number
}

/** A refusal that the caller can act on. Services throw nothing else on purpose. */
export class DomainError extends Error {
  constructor(
    readonly code: DomainErrorCode,
    message: string,
    readonly detail: DomainErrorDetail = {},
  ) {
    super(message)
    this.name = 'DomainError'
  }
}

/**
 * What is not there and what the caller may not see look the same. The row's id is for the log: clients know ids that the
 * API has made of it, and could do nothing with this one.
 */
export function notFound(what: string, id: string): DomainError {
  return new DomainError('NOT_FOUND', `${what} not found: it is not there, or not for you to see`, { rowId: id })
}

export function invalid(message: string, ...path: string[]): DomainError {
  return new DomainError('INVALID', message, { path })
}
