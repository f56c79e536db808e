import { type ExecutionArgs, type ExecutionResult, GraphQLError, subscribe } from 'graphql'
import type { Logger } from 'pino'
import { formatError } from './graphql-errors.ts'

/**
 * Subscribing for live connections, which Apollo's error formatting does not see: refusals keep their message, anything
 * unexpected is masked, and an error in the middle is the last event instead of a broken connection.
 */
export function createSubscribe(log: Logger) {
  const masked = (result: ExecutionResult): ExecutionResult =>
    result.errors ? { ...result, errors: result.errors.map((error) => mask(error)) } : result

  function mask(error: unknown): GraphQLError {
    const wrapped =
      error instanceof GraphQLError ? error : new GraphQLError('unexpected', { originalError: error as Error })
    const { message, extensions, path } = formatError(log, wrapped.toJSON(), wrapped)
    return new GraphQLError(message, { path, extensions })
  }

  async function* maskedEvents(events: AsyncIterable<ExecutionResult>): AsyncGenerator<ExecutionResult> {
    try {
      for await (const event of events) yield masked(event)
    } catch (error) {
      yield { errors: [mask(error)] }
    }
  }

  return async (args: ExecutionArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> => {
    const result = await subscribe(args)
    return Symbol.asyncIterator in result ? maskedEvents(result) : masked(result)
  }
}
