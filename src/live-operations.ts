import { randomUUID } from 'node:crypto'
import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  parse,
  subscribe,
  validate,
} from 'graphql'
import { asGraphQLError, formatError } from './graphql-errors.ts'
import { labelsOf } from './operation-labels.ts'
import { checkQuery, MAX_TOKENS } from './query-limits.ts'
import { type Context, createContext } from './resolvers/context.ts'
import type { App } from './services/app.ts'
import { signIn } from './services/sign-in.ts'
import { requireTrusted, type TrustedDocuments } from './trusted-documents.ts'

/** How often somebody who is sent events is signed in anew: a revoked or expired key, or a removed member, sees no more after it. */
const SIGN_IN_EVERY_MS = 10_000

/** Who opens a live connection, as far as the connection tells. */
export interface Caller {
  readonly authorization: unknown
  readonly address: string
}

interface LiveRequest {
  readonly query?: string
  readonly variables?: Record<string, unknown> | null
  readonly operationName?: string | null
  readonly extensions?: unknown
}

export interface LiveDocuments {
  /** Found by the hash that a request sends instead of its text. */
  readonly known: TrustedDocuments
  /** The only ones that run; absent: any within the limits. */
  readonly required?: TrustedDocuments
}

const hashOf = ({ extensions }: LiveRequest): unknown =>
  (extensions as { persistedQuery?: { sha256Hash?: unknown } } | undefined)?.persistedQuery?.sha256Hash

/** A refusal as it is sent: with a code and its request, and without a status, which belongs to answers over HTTP. */
function named(error: GraphQLError, requestId: string, code?: string): GraphQLError {
  const { message, nodes, source, positions, path, originalError } = error
  const { http: _status, ...extensions } = error.extensions
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    path,
    originalError,
    extensions: { code, ...extensions, requestId },
  })
}

const requestOf = ({ contextValue }: ExecutionArgs): string => (contextValue as Context).viewer.requestId

/**
 * Operations over WebSocket and server-sent events, which Apollo and its plugins do not see: they are signed in, limited,
 * held to trusted documents, counted and logged like any other; refusals keep their message, anything unexpected is masked, and
 * an error in the middle is the last event instead of a broken connection.
 */
export function liveOperations(app: App, schema: GraphQLSchema, { known, required }: LiveDocuments, nowMs = Date.now) {
  const renewals = new WeakMap<object, () => Promise<unknown>>()

  async function contexts({ authorization, address }: Caller, requestId: string = randomUUID()): Promise<Context> {
    const given = typeof authorization === 'string' ? authorization : undefined
    return createContext(app, await signIn(app, { authorization: given, address, requestId }))
  }

  /** The text of a request, which may send the hash of a known document instead. */
  function textOf(request: LiveRequest): string {
    const hash = hashOf(request)
    const text = request.query || (typeof hash === 'string' ? known.find(hash) : undefined)
    if (text === undefined || text === '') {
      throw new GraphQLError(
        hash === undefined
          ? 'query must be the text of an operation: got none'
          : 'no document of this hash is known here',
        { extensions: { code: hash === undefined ? 'BAD_REQUEST' : 'PERSISTED_QUERY_NOT_FOUND' } },
      )
    }
    if (required) requireTrusted(required, text)
    return text
  }

  function count(
    document: DocumentNode | undefined,
    request: LiveRequest,
    startedAt: number,
    context?: Context,
    error?: GraphQLError,
  ) {
    const labels = labelsOf(document && getOperationAST(document, request.operationName))
    const outcome = error ? String(error.extensions.code ?? 'ERROR') : 'ok'
    const seconds = (performance.now() - startedAt) / 1_000
    app.metrics.countOperation({ ...labels, outcome, seconds })
    const { requestId, userId } = context?.viewer ?? {}
    app.log.info({ requestId, userId, ...labels, outcome, seconds }, 'live operation begins')
  }

  /** What is executed, or why it is not. */
  async function prepare(caller: Caller, request: LiveRequest): Promise<ExecutionArgs | readonly GraphQLError[]> {
    const startedAt = performance.now()
    const requestId = randomUUID()
    const variables = request.variables ?? {}
    let document: DocumentNode | undefined
    try {
      document = parse(textOf(request), { maxTokens: MAX_TOKENS })
      const errors = validate(schema, document).map((error) => named(error, requestId, 'GRAPHQL_VALIDATION_FAILED'))
      if (errors.length > 0) {
        count(document, request, startedAt, undefined, errors[0])
        return errors
      }
      checkQuery(schema, document, variables, app.config.queryLimits, request.operationName)
      const contextValue = await contexts(caller, requestId)
      renewals.set(contextValue, () => contexts(caller))
      count(document, request, startedAt, contextValue)
      return { schema, document, variableValues: variables, operationName: request.operationName, contextValue }
    } catch (error) {
      const cause = asGraphQLError(error)
      if (!(cause instanceof GraphQLError)) throw error
      const shown = named(cause, requestId, document ? undefined : 'GRAPHQL_PARSE_FAILED')
      count(document, request, startedAt, undefined, shown)
      return [shown]
    }
  }

  const masked = (result: ExecutionResult, requestId: string): ExecutionResult =>
    result.errors ? { ...result, errors: result.errors.map((error) => mask(error, requestId)) } : result

  function mask(error: unknown, requestId: string): GraphQLError {
    // A refusal in the middle of a stream is of no field.
    const shown = asGraphQLError(error)
    const wrapped =
      shown instanceof GraphQLError ? shown : new GraphQLError('unexpected', { originalError: error as Error })
    const { message, extensions, path } = formatError(app.log, wrapped.toJSON(), wrapped)
    return named(new GraphQLError(message, { path, extensions }), requestId)
  }

  async function* watched(
    events: AsyncIterable<ExecutionResult>,
    requestId: string,
    signInAgain: () => Promise<unknown>,
  ): AsyncGenerator<ExecutionResult> {
    let signedInAt = nowMs()
    try {
      for await (const event of events) {
        if (nowMs() - signedInAt > SIGN_IN_EVERY_MS) {
          await signInAgain()
          signedInAt = nowMs()
        }
        yield masked(event, requestId)
      }
    } catch (error) {
      yield { errors: [mask(error, requestId)] }
    }
  }

  return {
    contexts,
    prepare,
    /** Queries and mutations, which a live connection may send too. */
    execute: async (args: ExecutionArgs): Promise<ExecutionResult> => masked(await execute(args), requestOf(args)),
    async subscribe(args: ExecutionArgs): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
      const result = await subscribe(args)
      if (!(Symbol.asyncIterator in result)) return masked(result, requestOf(args))
      return watched(result, requestOf(args), renewals.get(args.contextValue as object) ?? (async () => {}))
    },
  }
}
