import type { Server } from 'node:http'
import express from 'express'
import { loadConfig, readEnvironment } from './config.ts'
import { jobHandlers } from './jobs/index.ts'
import { startWorker } from './jobs/worker.ts'
import { monitorRoutes } from './monitor-routes.ts'
import { openApp } from './open-app.ts'
import { exitWith, stopOnSignal } from './server.ts'
import type { App } from './services/app.ts'

/** Health and metrics of a process that serves nothing else. */
function openMonitor(app: App, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = express().disable('x-powered-by').use(monitorRoutes(app)).listen(port, app.config.host)
    server.once('listening', () => resolve(server))
    server.once('error', reject)
  })
}

try {
  const config = loadConfig(readEnvironment())
  if (!config.databaseUrl) {
    throw new Error(
      'the embedded database belongs to the server process, which works itself: set DATABASE_URL to run workers apart',
    )
  }
  const opened = await openApp(config)
  const worker = await startWorker(opened.app, jobHandlers, { isOnlyWorker: false })
  const monitor = config.workerPort > 0 ? await openMonitor(opened.app, config.workerPort) : undefined
  stopOnSignal(async () => {
    await worker.stop()
    monitor?.close()
    await opened.close()
  })
  opened.app.log.info('worker takes jobs')
} catch (error) {
  exitWith(error)
}
