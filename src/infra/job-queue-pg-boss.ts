import type { Pool } from 'pg'
import PgBoss from 'pg-boss'
import type { Logger } from 'pino'
import type { Tx } from '../services/app.ts'
import type { JobMessage, JobQueue } from '../services/job-queue-port.ts'

const QUEUE = 'tributary'
/** Longer than any job: lost ones are found by their heartbeat, long before. */
const EXPIRE_HOURS = 23

/** pg-boss passes undefined and objects, which parameters can not be. */
const asParameter = (value: unknown): unknown => {
  if (value === undefined) return null
  return value !== null && typeof value === 'object' && !(value instanceof Date) && !Array.isArray(value)
    ? JSON.stringify(value)
    : value
}

/** The queue in the same database as everything else, so that a job and its row commit together. */
export async function openPgBossQueue(pool: Pool, log: Logger): Promise<JobQueue> {
  const boss = new PgBoss({
    db: { executeSql: (text, values) => pool.query(text, values) },
    schedule: false,
    maintenanceIntervalSeconds: 300,
  })
  boss.on('error', (error) => log.error({ err: error }, 'the job queue has a problem'))
  await boss.start()
  await boss.createQueue(QUEUE)

  return {
    async send(tx: Tx, message: JobMessage, { delaySeconds = 0 } = {}) {
      const db = {
        executeSql: async (text: string, values: unknown[]) => ({
          rows: await tx.$queryRawUnsafe<unknown[]>(text, ...values.map(asParameter)),
        }),
      }
      await boss.send(QUEUE, message, { db, startAfter: delaySeconds, retryLimit: 0, expireInHours: EXPIRE_HOURS })
    },
    async take(handle) {
      // Not `boss.work`: it waits neither for its last fetch when it stops nor for what it writes about a job.
      const [job] = await boss.fetch<JobMessage>(QUEUE)
      if (!job) return false
      try {
        await handle(job.data)
      } catch (error) {
        await boss.fail(QUEUE, job.id)
        throw error
      }
      await boss.complete(QUEUE, job.id)
      return true
    },
    async stop() {
      await boss.stop({ graceful: false, close: false })
    },
  }
}
