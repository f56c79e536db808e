import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import request from 'supertest'
import { type Config, loadConfig } from '../../src/config.ts'
import { createHttpApp } from '../../src/http-app.ts'
import { jobHandlers } from '../../src/jobs/index.ts'
import { startWorker, type Worker } from '../../src/jobs/worker.ts'
import { openApp } from '../../src/open-app.ts'
import type { App } from '../../src/services/app.ts'
import { createUserWithToken } from '../../src/services/users.ts'
import { openTestDatabase } from './database.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at, not typed
export type Answer = { status: number; data: any; errors?: any[] }

export interface TestApp {
  readonly app: App
  readonly http: Awaited<ReturnType<typeof createHttpApp>>
  readonly folder: string
  /** A personal token of a first user. */
  readonly token: string
  /** A token of another user, who is a member of nothing. */
  readonly strangerToken: string
  gql(query: string, variables?: object, token?: string): Promise<Answer>
  /** As `gql`, but any error fails the test. */
  ok(query: string, variables?: object, token?: string): Promise<Answer['data']>
  /** Polls a job until it is settled. */
  waitForJob(jobId: string): Promise<{ state: string; failure: string | null; failedRowCount: number }>
  close(): Promise<void>
}

/** The whole server on a database of its own; jobs run in this process when `works`. */
export async function openTestApp({
  works = true,
  env = {},
}: {
  works?: boolean
  env?: Record<string, string>
} = {}): Promise<TestApp> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tributary-'))
  const config: Config = loadConfig({
    TRIBUTARY_DATA_DIR: folder,
    IMPORT_ROOTS: folder,
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    PUBLIC_URL: 'http://tributary.test',
    ...env,
  })
  const database = await openTestDatabase()
  const opened = await openApp(config, database)
  const http = await createHttpApp(opened.app)
  const worker: Worker | undefined = works
    ? await startWorker(opened.app, jobHandlers, { isOnlyWorker: true })
    : undefined
  const { secret: token } = await createUserWithToken(opened.app, 'Ada')
  const { secret: strangerToken } = await createUserWithToken(opened.app, 'Stranger')

  async function gql(query: string, variables: object = {}, as = token): Promise<Answer> {
    const response = await request(http.express)
      .post('/graphql')
      .set('authorization', `Bearer ${as}`)
      .send({ query, variables })
    return { status: response.status, data: response.body.data, errors: response.body.errors }
  }

  async function ok(query: string, variables?: object, as?: string) {
    const { data, errors } = await gql(query, variables, as)
    if (errors) throw new Error(`unexpected errors: ${JSON.stringify(errors)}`)
    return data
  }

  return {
    app: opened.app,
    http,
    folder,
    token,
    strangerToken,
    gql,
    ok,
    async waitForJob(jobId) {
      for (;;) {
        const { job } = await ok('query($id: ID!) { job(id: $id) { state failure failedRowCount } }', { id: jobId })
        if (['SUCCEEDED', 'FAILED', 'CANCELED'].includes(job.state)) return job
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async close() {
      await worker?.stop()
      await http.close()
      await opened.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A fresh idempotency key. */
export const key = (): string => randomUUID()
