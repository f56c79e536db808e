import { randomUUID } from 'node:crypto'
import http from 'node:http'
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server'
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer'
import { expressMiddleware } from '@as-integrations/express5'
import express, { type ErrorRequestHandler, type Request } from 'express'
import { execute, GraphQLError, type GraphQLSchema, parse, validate } from 'graphql'
import { createHandler as createSseHandler } from 'graphql-sse/lib/use/express'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { formatError } from './graphql-errors.ts'
import { mediaRoutes } from './infra/media-route.ts'
import { PAGE_DOCUMENTS, reviewPageRoutes } from './infra/review-page-route.ts'
import { createSubscribe } from './live-subscribe.ts'
import { checkQuery } from './query-limits.ts'
import { type Context, createContext } from './resolvers/context.ts'
import { buildSchema } from './schema/index.ts'
import type { App } from './services/app.ts'
import { authenticate } from './services/authenticate.ts'
import { DomainError } from './services/errors.ts'
import { describeHealth } from './services/health.ts'
import { authorizationOf, sessionRoutes } from './session-routes.ts'
import { openTrustedDocuments, persistedQueryCache } from './trusted-documents.ts'

/** Largest GraphQL request. */
const MAX_BODY = '1mb'

export interface HttpApp {
  readonly express: express.Express
  readonly server: http.Server
  close(): Promise<void>
}

const requestIdOf = (req: Request): string => {
  const given = req.get('x-request-id')
  return given && /^[\w-]{8,64}$/.test(given) ? given : randomUUID()
}

/** A refusal of the sign-in, in GraphQL's own shape. */
function asGraphQLError(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error
  const status = error.code === 'UNAUTHENTICATED' ? 401 : 400
  return new GraphQLError(error.message, { extensions: { code: error.code, http: { status } } })
}

function limitsPlugin(app: App): ApolloServerPlugin<Context> {
  return {
    async requestDidStart({ contextValue }) {
      return {
        async didResolveOperation({ schema, document, request, operationName }) {
          checkQuery(schema, document, request.variables ?? {}, app.config.queryLimits, operationName)
        },
        async willSendResponse({ response }) {
          if (response.body.kind !== 'single') return
          const { requestId } = contextValue.viewer
          for (const error of response.body.singleResult.errors ?? []) {
            Object.assign((error as { extensions: object }).extensions, { requestId })
          }
        },
      }
    },
  }
}

/** Signs in a live connection and checks its operation like any other: Apollo's plugins do not see these. */
function liveOperations(app: App, schema: GraphQLSchema) {
  const contexts = async (authorization: unknown): Promise<Context> =>
    createContext(
      app,
      await authenticate(app, typeof authorization === 'string' ? authorization : undefined, randomUUID()),
    )
  const prepare = async (
    authorization: unknown,
    request: { query: string; variables?: Record<string, unknown> | null; operationName?: string | null },
  ) => {
    const document = parse(request.query)
    const errors = validate(schema, document)
    if (errors.length > 0) return errors
    const variables = request.variables ?? {}
    try {
      checkQuery(schema, document, variables, app.config.queryLimits, request.operationName)
      const contextValue = await contexts(authorization)
      return { schema, document, variableValues: variables, operationName: request.operationName, contextValue }
    } catch (error) {
      const shown = asGraphQLError(error)
      if (shown instanceof GraphQLError) return [shown]
      throw error
    }
  }
  return { contexts, prepare }
}

/** The whole HTTP surface: GraphQL over POST, WebSocket and SSE; signed media; the review page; health. */
export async function createHttpApp(app: App): Promise<HttpApp> {
  const schema = buildSchema()
  const web = express()
  const server = http.createServer(web)
  const live = liveOperations(app, schema)
  const subscribeLive = createSubscribe(app.log)

  const sockets = new WebSocketServer({ server, path: '/graphql', maxPayload: 1024 * 1024 })
  const wsCleanup = useServer<{ authorization?: string }>(
    {
      schema,
      execute,
      subscribe: subscribeLive as never,
      onConnect: async ({ connectionParams }) => {
        // Throwing here would close with the message of a bug; false closes with 4403 Forbidden.
        try {
          await live.contexts(connectionParams?.authorization)
        } catch (error) {
          if (error instanceof DomainError) return false
          throw error
        }
      },
      onSubscribe: ({ connectionParams }, _id, payload) =>
        live.prepare(connectionParams?.authorization, payload) as never,
      onError: (_ctx, _id, _payload, errors) => errors.map((error) => formatError(app.log, error.toJSON(), error)),
    },
    sockets,
  )

  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    hideSchemaDetailsFromClientErrors: false,
    includeStacktraceInErrorResponses: false,
    persistedQueries: { cache: persistedQueryCache(openTrustedDocuments(PAGE_DOCUMENTS)) },
    formatError: (formatted, error) => formatError(app.log, formatted, error),
    plugins: [
      ApolloServerPluginDrainHttpServer({ httpServer: server }),
      limitsPlugin(app),
      { serverWillStart: async () => ({ drainServer: async () => void (await wsCleanup.dispose()) }) },
    ],
  })
  await apollo.start()

  web.disable('x-powered-by')
  web.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' })
  })
  web.get('/readyz', async (_req, res) => {
    const health = await describeHealth(app)
    res.status(health.status === 'ok' ? 200 : 503).json(health)
  })
  web.use(mediaRoutes(app))
  web.use(sessionRoutes(app))
  web.use(reviewPageRoutes())
  const sse = createSseHandler({
    schema,
    subscribe: subscribeLive as never,
    authenticate: async (req) => {
      const authorization = authorizationOf(app, req.raw)
      try {
        await live.contexts(authorization)
        return randomUUID()
      } catch (error) {
        if (!(error instanceof DomainError)) throw error
        return [
          JSON.stringify({ errors: [{ message: error.message, extensions: { code: error.code } }] }),
          { status: 401, statusText: 'Unauthorized', headers: { 'content-type': 'application/json' } },
        ]
      }
    },
    onSubscribe: (req, params) => live.prepare(authorizationOf(app, req.raw), params as never) as never,
  })
  web.use('/graphql/stream', sse)
  web.use(
    '/graphql',
    express.json({ limit: MAX_BODY }),
    expressMiddleware(apollo, {
      context: async ({ req, res }) => {
        const requestId = requestIdOf(req)
        res.setHeader('x-request-id', requestId)
        try {
          return createContext(app, await authenticate(app, authorizationOf(app, req), requestId))
        } catch (error) {
          throw asGraphQLError(error)
        }
      },
    }),
  )
  web.use((req, res) => {
    res.status(404).json({
      errors: [
        {
          message: `nothing is served at ${req.path}: GraphQL is at /graphql, the review page at /review`,
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    })
  })
  web.use(jsonErrors(app))

  return {
    express: web,
    server,
    close: async () => {
      await apollo.stop()
      sockets.close()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A broken body is answered in JSON, like everything else. */
const jsonErrors =
  (app: App): ErrorRequestHandler =>
  (error, _req, res, next) => {
    if (res.headersSent) return next(error)
    const status = typeof error.status === 'number' && error.status < 500 ? error.status : 500
    const message =
      error.type === 'entity.too.large'
        ? `the request body is larger than ${MAX_BODY}: put large lists in a file and import it`
        : status === 500
          ? 'something went wrong on our side'
          : `the request body is no JSON: ${error.message}`
    if (status === 500) app.log.error({ err: error }, 'unexpected error in the HTTP layer')
    res
      .status(status)
      .json({ errors: [{ message, extensions: { code: status === 500 ? 'INTERNAL' : 'BAD_REQUEST' } }] })
  }
