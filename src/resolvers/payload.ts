import type { GraphQLResolveInfo } from 'graphql'
import { DomainError, type DomainErrorDetail } from '../services/errors.ts'
import type { Context } from './context.ts'

/** Source of the interface UserError and its typed subtypes. */
export interface UserErrorSource extends DomainErrorDetail {
  __typename: 'GenericUserError' | 'StaleRevisionError' | 'ConstraintConflictError' | 'LeaseLostError'
  message: string
  code: string
}

const TYPENAMES: Record<string, UserErrorSource['__typename']> = {
  STALE_REVISION: 'StaleRevisionError',
  CONSTRAINT_CONFLICT: 'ConstraintConflictError',
  LEASE_LOST: 'LeaseLostError',
}

/** A remembered refusal of one row, as the client sees it. */
export function toUserErrorSource({
  code,
  message,
  detail,
}: {
  code: string
  message: string
  detail: DomainErrorDetail
}): UserErrorSource {
  return { __typename: TYPENAMES[code] ?? 'GenericUserError', message, code, ...detail }
}

/** A refusal as the client sees it; anything but a DomainError is a bug or outage and is not swallowed. */
export function toUserError(error: unknown): UserErrorSource {
  if (!(error instanceof DomainError) || error.code === 'UNAUTHENTICATED') throw error
  return toUserErrorSource(error)
}

/**
 * Wraps the resolver of a mutation: what it returns becomes the payload with no userErrors; a DomainError becomes
 * `empty` with the refusal in userErrors.
 */
export function payload<Args, Result extends object>(
  resolve: (args: Args, context: Context) => Promise<Result>,
  empty: object = {},
) {
  return async (_root: unknown, args: Args, context: Context, _info: GraphQLResolveInfo) => {
    try {
      return { userErrors: [], ...(await resolve(args, context)) }
    } catch (error) {
      // biome-ignore lint/suspicious/noExplicitAny: the payload's nullable fields are null when it is refused
      return { ...empty, userErrors: [toUserError(error)] } as any
    }
  }
}
