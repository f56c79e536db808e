import { loadConfig, readEnvironment } from './config.ts'
import { jobHandlers } from './jobs/index.ts'
import { startWorker } from './jobs/worker.ts'
import { openApp } from './open-app.ts'
import { exitWith, stopOnSignal } from './server.ts'

try {
  const config = loadConfig(readEnvironment())
  if (!config.databaseUrl) {
    throw new Error(
      'the embedded database belongs to the server process, which works itself: set DATABASE_URL to run workers apart',
    )
  }
  const opened = await openApp(config)
  const worker = await startWorker(opened.app, jobHandlers, { isOnlyWorker: false })
  stopOnSignal(async () => {
    await worker.stop()
    await opened.close()
  })
  opened.app.log.info('worker takes jobs')
} catch (error) {
  exitWith(error)
}
