import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { openDatabase } from '../../src/infra/database.ts'
import { syntheticItems } from '../support/live-items.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at, not typed
type Answer = { data: any }

let folder: string
let child: ChildProcess | undefined
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'shutdown-'))
})
afterAll(() => {
  child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Starts the real server, and waits until it has said where it answers and who the first user is. */
async function start(): Promise<{ url: string; token: string; ended: Promise<number | null> }> {
  const env = {
    ...process.env,
    // As it runs for real: some libraries install no signal handlers where NODE_ENV is test.
    NODE_ENV: 'production',
    TRIBUTARY_DATA_DIR: folder,
    IMPORT_ROOTS: folder,
    PORT: '0',
    LOG_LEVEL: 'info',
    DATABASE_URL: '',
  }
  const started = spawn(process.execPath, ['--import', 'tsx', 'src/server.ts'], { env })
  child = started
  let output = ''
  const ended = new Promise<number | null>((resolve) => started.once('close', (code) => resolve(code)))
  return new Promise((resolve, reject) => {
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk
        const url = /"url":"([^"]+)"/.exec(output)?.[1]
        const token = /trp\.\S+/.exec(output)?.[0]
        if (url && token) resolve({ url, token, ended })
      })
    }
    void ended.then((code) => reject(new Error(`the server ended with ${code}: ${output}`)))
  })
}

it('asked to stop, it takes nothing more, finishes the request under way, gives its job back and ends well', async () => {
  const { url: printed, token, ended } = await start()
  const { port } = new URL(printed)
  const url = port === '0' ? printed : `http://127.0.0.1:${port}/graphql`
  const ask = async (query: string, variables: object = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables }),
    })
    return ((await response.json()) as Answer).data
  }
  const { createProject } = await ask(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
    { input: { name: 'Stop', embeddingDimension: 64, idempotencyKey: 'shutdown-project' } },
  )
  const manifest = path.join(folder, 'manifest.jsonl')
  writeFileSync(manifest, syntheticItems(40_000, 64))
  const { startImport } = await ask(
    'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message } } }',
    {
      input: {
        projectId: createProject.project.id,
        manifestUrl: pathToFileURL(manifest).href,
        idempotencyKey: 'shutdown-import',
      },
    },
  )
  for (;;) {
    const { job } = await ask('query($id: ID!) { job(id: $id) { state completed } }', { id: startImport.job.id })
    if (job.state === 'RUNNING') break
    expect(job.state).toBe('QUEUED')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }

  // A request of which the server has seen the beginning only.
  const body = JSON.stringify({ query: '{ viewer { displayName } }' })
  const answer = new Promise<{ status?: number; text: string }>((resolve, reject) => {
    const slow = http.request(
      url,
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': body.length,
          expect: '100-continue',
          authorization: `Bearer ${token}`,
        },
      },
      (res) => {
        let text = ''
        res.on('data', (chunk) => {
          text += chunk
        })
        res.on('end', () => resolve({ status: res.statusCode, text }))
      },
    )
    slow.once('error', reject)
    // Sent once the server has read the head of the request: from then on it is under way.
    slow.once('continue', async () => {
      slow.write(body.slice(0, 10))
      child?.kill('SIGTERM')
      for (;;) {
        const isOpen = await fetch(url).then(
          () => true,
          () => false,
        )
        if (!isOpen) break
        await new Promise((again) => setTimeout(again, 20))
      }
      slow.end(body.slice(10))
    })
    slow.flushHeaders()
  })
  expect(await answer).toEqual({ status: 200, text: '{"data":{"viewer":{"displayName":"Administrator"}}}\n' })
  expect(await ended).toBe(0)

  const database = await openDatabase(loadConfig({ TRIBUTARY_DATA_DIR: folder }))
  const job = await database.prisma.job.findFirstOrThrow({ where: { kind: 'import' } })
  expect([job.state, job.heartbeatAt, job.attempts]).toEqual(['QUEUED', null, 1])
  await database.close()
}, 180_000)
