import { setTimeout as pause } from 'node:timers/promises'
import type { Pool } from 'pg'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../../src/infra/database.ts'
import { openPgBossQueue } from '../../src/infra/job-queue-pg-boss.ts'
import { repeat } from '../../src/jobs/repeat.ts'
import type { JobMessage, JobQueue } from '../../src/services/job-queue-port.ts'
import { openTestDatabase } from '../support/database.ts'

const log = pino({ level: 'silent' })
const message: JobMessage = { projectId: 'p', jobId: 'j' }

let database: Database
/** Statements that name this wait for a moment before they are sent. */
let slow: string | undefined
let queue: JobQueue
beforeAll(async () => {
  database = await openTestDatabase()
  const pool = {
    query: async (text: string, values: unknown[]) => {
      if (slow && text.includes(slow)) await pause(300)
      return database.pool.query(text, values)
    },
  }
  queue = await openPgBossQueue(pool as unknown as Pool, log)
}, 60_000)
afterAll(async () => {
  await queue.stop()
  await database.close()
})

const send = () => database.prisma.$transaction((tx) => queue.send(tx, message))
const states = async () =>
  (
    await database.prisma.$queryRaw<{ state: string }[]>`
      SELECT state::text FROM pgboss.job WHERE name = 'tributary' ORDER BY created_on`
  ).map(({ state }) => state)

it('hands out a job once, and says whether there was one', async () => {
  const taken: JobMessage[] = []
  const take = () => queue.take(async (job) => void taken.push(job))
  expect(await take()).toBe(false)
  await send()
  expect(await take()).toBe(true)
  expect(await take()).toBe(false)
  expect(taken).toEqual([message])
  expect(await states()).toEqual(['completed'])
})

it('throws what the job throws, when it has been written down', async () => {
  await send()
  const failing = queue.take(async () => {
    throw new Error('lost the database')
  })
  await expect(failing).rejects.toThrow('lost the database')
  expect(await states()).toEqual(['completed', 'failed'])
})

it.each(['FOR UPDATE', "state = 'completed'"])('a stop waits for a statement under way: %s', async (statement) => {
  await send()
  slow = statement
  let ended = 0
  const taker = repeat(log, 'take a job', 10, () => queue.take(async () => void ended++))
  await pause(100)
  await taker.stop()
  slow = undefined
  expect(ended).toBe(1)
  // Nothing is left in hand that a closed database would lose.
  expect((await states()).filter((state) => state === 'active')).toEqual([])
})
