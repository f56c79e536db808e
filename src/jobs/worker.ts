import { setTimeout as pause } from 'node:timers/promises'
import type { App } from '../services/app.ts'
import { tidyUp } from '../services/housekeeping.ts'
import { definedJobs } from '../services/job-definition.ts'
import { sendDueDeliveries } from '../services/webhook-delivery.ts'
import type { JobHandler } from './implement-job.ts'
import { repeat } from './repeat.ts'
import { LOST_AFTER_MS, recoverLostJobs, runJob } from './run-job.ts'

const TAKE_EVERY_MS = 500
/** A job that does not let go is left behind: another worker finds it by its heartbeat. */
const STOP_WITHIN_MS = 30_000
const SWEEP_EVERY_MS = 15_000
const DELIVER_EVERY_MS = 1_000
const TIDY_EVERY_MS = 3_600_000

export interface Worker {
  stop(): Promise<void>
}

/** Each declared job has exactly one handler; anything else is a mistake worth not starting for. */
export function indexHandlers(handlers: readonly JobHandler[]): ReadonlyMap<string, JobHandler> {
  const byName = new Map<string, JobHandler>()
  for (const handler of handlers) {
    if (byName.has(handler.name)) throw new Error(`the job ${handler.name} has two handlers`)
    byName.set(handler.name, handler)
  }
  const missing = definedJobs().filter((name) => !byName.has(name))
  if (missing.length > 0) throw new Error(`no handler for the jobs ${missing.join(', ')}`)
  return byName
}

/** Takes jobs until it is stopped. `isOnlyWorker`: no other process can hold a job, so that running ones are lost ones. */
export async function startWorker(
  app: App,
  handlers: readonly JobHandler[],
  { isOnlyWorker }: { isOnlyWorker: boolean },
): Promise<Worker> {
  const byName = indexHandlers(handlers)
  const shutdown = new AbortController()
  const inHand = new Set<string>()
  await recoverLostJobs(app, byName, inHand, isOnlyWorker ? 0 : LOST_AFTER_MS)
  const sweep = setInterval(() => {
    recoverLostJobs(app, byName, inHand).catch((error) => app.log.error({ err: error }, 'could not look for lost jobs'))
  }, SWEEP_EVERY_MS)
  const takeJob = () =>
    app.queue.take(async (message) => {
      inHand.add(message.jobId)
      try {
        await runJob(app, byName, message, shutdown.signal)
      } finally {
        inHand.delete(message.jobId)
      }
    })
  const takers = Array.from({ length: app.config.workerConcurrency }, () =>
    repeat(app.log, 'take a job', TAKE_EVERY_MS, takeJob),
  )
  const chores = [
    repeat(app.log, 'deliver webhooks', DELIVER_EVERY_MS, async () => (await sendDueDeliveries(app)) > 0),
    repeat(app.log, 'tidy up', TIDY_EVERY_MS, async () => {
      await tidyUp(app)
      return false
    }),
  ]
  return {
    async stop() {
      clearInterval(sweep)
      await Promise.all(chores.map((chore) => chore.stop()))
      shutdown.abort()
      await Promise.race([
        Promise.all(takers.map((taker) => taker.stop())),
        pause(STOP_WITHIN_MS, undefined, { ref: false }),
      ])
    },
  }
}
