import { randomUUID } from 'node:crypto'
import http from 'node:http'
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server'
import { ApolloServerPluginCacheControlDisabled } from '@apollo/server/plugin/disabled'
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer'
import { expressMiddleware } from '@as-integrations/express5'
import express, { type ErrorRequestHandler, type Request } from 'express'
import { createHandler as createSseHandler } from 'graphql-sse/lib/use/express'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { clientAddress } from './client-address.ts'
import { asGraphQLError, formatError, refusalResponse } from './graphql-errors.ts'
import { mediaRoutes } from './infra/media-route.ts'
import { PAGE_DOCUMENTS, reviewPageRoutes } from './infra/review-page-route.ts'
import { liveOperations } from './live-operations.ts'
import { monitorRoutes } from './monitor-routes.ts'
import { labelsOf } from './operation-labels.ts'
import { checkQuery, MAX_TOKENS } from './query-limits.ts'
import { type Context, createContext } from './resolvers/context.ts'
import { buildSchema } from './schema/index.ts'
import type { App } from './services/app.ts'
import { DomainError } from './services/errors.ts'
import { signIn } from './services/sign-in.ts'
import { authorizationOf, sessionRoutes } from './session-routes.ts'
import {
  anyDocuments,
  loadTrustedDocuments,
  openTrustedDocuments,
  persistedQueryCache,
  requireTrusted,
  type TrustedDocuments,
} from './trusted-documents.ts'

/** Largest GraphQL request. */
const MAX_BODY = '1mb'
/** Longer than load balancers and clients keep idle connections, so that none of them writes on one that is being closed. */
const KEEP_ALIVE_MS = 75_000

export interface HttpApp {
  readonly express: express.Express
  readonly server: http.Server
  close(): Promise<void>
}

const requestIdOf = (req: Request): string => {
  const given = req.get('x-request-id')
  return given && /^[\w-]{8,64}$/.test(given) ? given : randomUUID()
}

/** Counts each operation, names its span after it, and writes one line about it. */
function watchPlugin(app: App): ApolloServerPlugin<Context> {
  return {
    async requestDidStart({ contextValue }) {
      const startedAt = performance.now()
      let labels = labelsOf(undefined)
      return {
        async didResolveOperation({ operation, operationName }) {
          labels = labelsOf(operation)
          app.tracing.describe(`${labels.type} ${labels.field}`, {
            'graphql.operation.type': labels.type,
            'graphql.operation.name': operationName ?? '',
            'tributary.request_id': contextValue.viewer.requestId,
          })
        },
        async willSendResponse({ response, operationName }) {
          const [error] = response.body.kind === 'single' ? (response.body.singleResult.errors ?? []) : []
          const outcome = error ? String(error.extensions?.code ?? 'ERROR') : 'ok'
          const seconds = (performance.now() - startedAt) / 1_000
          app.metrics.countOperation({ ...labels, outcome, seconds })
          const { requestId, userId } = contextValue.viewer
          app.log.info({ requestId, userId, ...labels, operationName, outcome, seconds }, 'operation')
        },
      }
    },
  }
}

function limitsPlugin(app: App, trusted: TrustedDocuments | undefined): ApolloServerPlugin<Context> {
  return {
    async requestDidStart({ contextValue }) {
      return {
        async didResolveOperation({ schema, document, request, operationName, source }) {
          if (trusted) requireTrusted(trusted, source)
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

/** The whole HTTP surface: GraphQL over POST, WebSocket and SSE; signed media; the review page; health. */
export async function createHttpApp(app: App): Promise<HttpApp> {
  const schema = buildSchema()
  const web = express()
  const server = http.createServer(web)
  server.keepAliveTimeout = KEEP_ALIVE_MS
  const { trustedDocuments, proxyHops } = app.config
  const known = openTrustedDocuments(PAGE_DOCUMENTS)
  const documents = trustedDocuments ? anyDocuments(loadTrustedDocuments(trustedDocuments), known) : known
  const required = trustedDocuments ? documents : undefined
  const live = liveOperations(app, schema, { known: documents, required })

  const sockets = new WebSocketServer({ server, path: '/graphql', maxPayload: 1024 * 1024 })
  const wsCleanup = useServer<{ authorization?: string }, { request: http.IncomingMessage }>(
    {
      schema,
      execute: live.execute as never,
      subscribe: live.subscribe as never,
      onConnect: async ({ connectionParams, extra }) => {
        // Throwing here would close with the message of a bug; false closes with 4403 Forbidden.
        try {
          const address = clientAddress(extra.request, proxyHops)
          await live.contexts({ authorization: connectionParams?.authorization, address })
        } catch (error) {
          if (error instanceof DomainError) return false
          throw error
        }
      },
      onSubscribe: ({ connectionParams, extra }, _id, payload) =>
        live.prepare(
          { authorization: connectionParams?.authorization, address: clientAddress(extra.request, proxyHops) },
          payload,
        ) as never,
      onError: (_ctx, _id, _payload, errors) => errors.map((error) => formatError(app.log, error.toJSON(), error)),
    },
    sockets,
  )

  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    parseOptions: { maxTokens: MAX_TOKENS },
    // Our own handler stops everything in its order; Apollo's would send the signal again when it has stopped, and end the process.
    stopOnTerminationSignals: false,
    hideSchemaDetailsFromClientErrors: false,
    includeStacktraceInErrorResponses: false,
    persistedQueries: { cache: persistedQueryCache(documents) },
    formatError: (formatted, error) => formatError(app.log, formatted, error),
    plugins: [
      // Nothing of a schema without cache hints may be cached, and to find that out costs a call a field.
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginDrainHttpServer({ httpServer: server }),
      limitsPlugin(app, required),
      watchPlugin(app),
      { serverWillStart: async () => ({ drainServer: async () => void (await wsCleanup.dispose()) }) },
    ],
  })
  await apollo.start()

  web.disable('x-powered-by')
  web.use(monitorRoutes(app))
  web.use(mediaRoutes(app))
  web.use(sessionRoutes(app))
  web.use(reviewPageRoutes())
  const callerOf = (req: Request) => ({
    authorization: authorizationOf(app, req),
    address: clientAddress(req, proxyHops),
  })
  const sse = createSseHandler({
    schema,
    execute: live.execute as never,
    subscribe: live.subscribe as never,
    authenticate: async (req) => {
      const caller = callerOf(req.raw)
      try {
        await live.contexts(caller)
        return randomUUID()
      } catch (error) {
        if (!(error instanceof DomainError)) throw error
        return refusalResponse([{ message: error.message, extensions: { code: error.code } }]) as never
      }
    },
    // An array would be taken for an answer: body and status.
    onSubscribe: async (req, params) => {
      const prepared = await live.prepare(callerOf(req.raw), params as never)
      return (Array.isArray(prepared) ? refusalResponse(prepared) : prepared) as never
    },
  })
  web.use('/graphql/stream', sse)
  web.use('/graphql', (req, res, next) => {
    void app.tracing.span(
      `${req.method} /graphql`,
      { 'http.request.method': req.method, 'url.path': '/graphql' },
      () =>
        new Promise<void>((resolve) => {
          res.once('close', resolve)
          next()
        }),
      req.headers,
    )
  })
  web.use(
    '/graphql',
    express.json({ limit: MAX_BODY }),
    expressMiddleware(apollo, {
      context: async ({ req, res }) => {
        const requestId = requestIdOf(req)
        res.setHeader('x-request-id', requestId)
        try {
          return createContext(app, await signIn(app, { ...callerOf(req), requestId }))
        } catch (error) {
          const retryAfter = error instanceof DomainError && error.detail.retryAfterSeconds
          if (retryAfter) res.setHeader('retry-after', retryAfter)
          throw asGraphQLError(error, requestId)
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
  (error, req, res, next) => {
    if (res.headersSent) return next(error)
    const status = typeof error.status === 'number' && error.status < 500 ? error.status : 500
    const message =
      error.type === 'entity.too.large'
        ? `the request body is larger than ${MAX_BODY}: put large lists in a file and import it`
        : error.type === 'entity.parse.failed'
          ? `the request body is no JSON: ${error.message}`
          : status === 500
            ? 'something went wrong on our side'
            : `the request can not be read: ${error.message}`
    const requestId = requestIdOf(req)
    if (status === 500) app.log.error({ err: error, requestId }, 'unexpected error in the HTTP layer')
    res
      .status(status)
      .set('x-request-id', requestId)
      .json({ errors: [{ message, extensions: { code: status === 500 ? 'INTERNAL' : 'BAD_REQUEST', requestId } }] })
  }
