import { type Config, ConfigError, loadConfig, readEnvironment } from './config.ts'
import type { HttpApp } from './http-app.ts'
import { openDatabase } from './infra/database.ts'
import { DatabaseError } from './infra/database-error.ts'
import type { Worker } from './jobs/worker.ts'
import type { OpenApp } from './open-app.ts'
import { createFirstUser } from './services/users.ts'

/** A server that answers, and works too when it is the only process. */
export interface RunningServer {
  readonly opened: OpenApp
  readonly url: string
  stop(): Promise<void>
}

function listen(http: HttpApp, { host, port }: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    http.server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${port} on ${host} is in use: stop what listens there, or set PORT to another one`)
          : error,
      )
    })
    http.server.listen(port, host, () => resolve((http.server.address() as { port: number }).port))
  })
}

/**
 * Opens the application while its modules load: the embedded database starts in a thread of its own, which takes about as
 * long as reading them.
 */
async function openWhileLoading(config: Config) {
  const opening = openDatabase(config)
  // Its failure is thrown where it is waited for.
  opening.catch(() => {})
  try {
    const [{ openApp }, { createHttpApp }] = await Promise.all([import('./open-app.ts'), import('./http-app.ts')])
    return { opened: await openApp(config, await opening), createHttpApp }
  } catch (error) {
    await opening.then((database) => database.close()).catch(() => {})
    throw error
  }
}

/** Opens the database, starts answering, and starts working when no other process does. */
export async function startServer(config: Config): Promise<RunningServer> {
  const { opened, createHttpApp } = await openWhileLoading(config)
  let worker: Worker | undefined
  let http: HttpApp | undefined
  // Nothing more is taken; requests under way are finished while jobs are given back; the database goes last.
  const stop = async () => {
    const results = await Promise.allSettled([http?.close(), worker?.stop()])
    await opened.close()
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }
  try {
    http = await createHttpApp(opened.app)
    const port = await listen(http, config)
    if (config.worksInProcess) {
      // Loaded last: those who ask need not wait for the code of jobs.
      const [{ jobHandlers }, { startWorker }] = await Promise.all([
        import('./jobs/index.ts'),
        import('./jobs/worker.ts'),
      ])
      worker = await startWorker(opened.app, jobHandlers, { isOnlyWorker: opened.database.kind === 'embedded' })
    }
    return { opened, url: `http://${config.host}:${port}/graphql`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Runs `stop` at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function stopOnSignal(stop: () => Promise<void>): void {
  let isStopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isStopping) process.exit(1)
      isStopping = true
      stop().then(
        () => process.exit(0),
        (error) => {
          console.error(error)
          process.exit(1)
        },
      )
    })
  }
}

/** Prints what a person can mend as one line, and anything else whole. */
export function exitWith(error: unknown): never {
  const isPlain =
    error instanceof ConfigError || error instanceof DatabaseError || (error as Error)?.message?.startsWith('port ')
  console.error(isPlain ? (error as Error).message : error)
  process.exit(1)
}

if (import.meta.filename === process.argv[1]) {
  try {
    const server = await startServer(loadConfig(readEnvironment()))
    stopOnSignal(server.stop)
    const secret = await createFirstUser(server.opened.app)
    if (secret) {
      console.log(`The first user is Administrator, with this token (it is not shown again):\n\n  ${secret}\n`)
    }
    server.opened.app.log.info({ url: server.url, database: server.opened.database.kind }, 'Tributary answers')
  } catch (error) {
    exitWith(error)
  }
}
