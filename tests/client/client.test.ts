import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient, RefusedError, TributaryError } from '../../client/client.ts'
import { CreateProjectDocument, JobsDocument, ProjectsDocument } from '../../client/generated.ts'
import { importAndCluster } from '../../examples/typescript/import-and-cluster.ts'
import { answerQuestions, clusterAndPublish, exportSnapshot } from '../../examples/typescript/review-and-export.ts'
import { loadConfig } from '../../src/config.ts'
import { type RunningServer, startServer } from '../../src/server.ts'
import { createUserWithToken } from '../../src/services/users.ts'
import { syntheticItems } from '../support/live-items.ts'
import { syntheticItems as clearItems } from '../support/synthetic.ts'

let folder: string
let manifest: string
let server: RunningServer
let url: string
let token: string
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'client-'))
  manifest = path.join(folder, 'manifest.jsonl')
  writeFileSync(manifest, `${syntheticItems(5, 8).trimEnd()}\n{"externalKey":"bad","embedding":[1]}\n`)
  // Uploads are put on the public address, which must therefore be known before the server listens.
  const port = String(20_000 + (process.pid % 10_000))
  server = await startServer(
    loadConfig({ TRIBUTARY_DATA_DIR: path.join(folder, 'data'), PORT: port, LOG_LEVEL: 'silent' }),
  )
  url = server.url
  token = (await createUserWithToken(server.opened.app, 'Client')).secret
})
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('the typed client', () => {
  it('imports, clusters and reads page after page, as the example shows', async () => {
    const { externalKeys, failedRowCount } = await importAndCluster(url, token, manifest, 8)
    expect(new Set(externalKeys).size).toBe(5)
    expect(failedRowCount).toBe(1)
  })

  it('clusters, publishes, answers, freezes and exports, as the second example shows', async () => {
    const client = createClient({ url, token })
    const items = clearItems({ classes: 12, perClass: 5, noise: 0.45 })
    const truthOf = new Map(items.map(({ externalKey, truth }) => [externalKey, truth]))
    const labelled = path.join(folder, 'labelled.jsonl')
    const lines = items.map(({ externalKey, truth, embedding }, i) =>
      JSON.stringify({ externalKey, embedding, ...(i % 5 < 2 && i < 30 && { label: truth }) }),
    )
    writeFileSync(labelled, lines.join('\n'))
    const { projectId } = await importAndCluster(url, token, labelled, 16)
    const run = await clusterAndPublish(client, projectId, 'THRESHOLD')
    expect(run).toMatchObject({ state: 'PUBLISHED', chosenMethod: 'THRESHOLD', vertexCount: 60 })
    // The questions are made by a job of their own.
    for await (const job of client.pages(
      JobsDocument,
      { projectId, first: 20, states: ['QUEUED', 'RUNNING'] },
      ({ project }) => project?.jobs,
    )) {
      await client.waitForJob(job.id, { everyMs: 50 })
    }
    const { answered, decisions } = await answerQuestions(
      client,
      projectId,
      ({ panels }) => {
        const [a, b] = panels.map(({ items }) => truthOf.get(items[0]?.externalKey as string))
        return a === b ? 'SAME' : 'DIFFERENT'
      },
      15,
    )
    expect(answered).toBeGreaterThan(0)
    expect(answered).toBeLessThanOrEqual(15)
    expect(decisions).toBeGreaterThan(0)
    const [file, ...more] = await exportSnapshot(client, projectId, 'JSONL')
    expect(more).toEqual([])
    const rows = (file?.bytes.toString() ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    // The six classes with labels are confirmed, with all that the run and the answers placed in them.
    expect(new Set(rows.map(({ identityName }) => identityName)).size).toBeGreaterThanOrEqual(6)
    const nameOf = new Map(rows.map(({ externalKey, identityName }) => [externalKey, identityName]))
    for (const [i, { externalKey, truth }] of items.entries()) {
      if (i % 5 < 2 && i < 30) expect(nameOf.get(externalKey)).toBe(truth)
    }
  })

  it('throws refusals with their field, and failures with code, status and request id', async () => {
    const client = createClient({ url, token })
    const refused = client.mutate(CreateProjectDocument, {
      input: { name: ' ', embeddingDimension: 8, idempotencyKey: 'refused-0001' },
    })
    await expect(refused).rejects.toBeInstanceOf(RefusedError)
    await expect(refused).rejects.toMatchObject({ refusals: [{ code: 'INVALID', path: ['input', 'name'] }] })
    const stranger = createClient({ url, token: 'wrong' }).request(ProjectsDocument, {})
    await expect(stranger).rejects.toBeInstanceOf(TributaryError)
    await expect(stranger).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      status: 401,
      requestId: expect.any(String),
    })
  })
})

const hasPython = spawnSync('python3', ['--version']).status === 0

describe.skipIf(!hasPython)('the Python example', () => {
  const run = (as: string) =>
    new Promise<{ code: number | null; output: string }>((resolve) => {
      const child = spawn('python3', ['examples/python/import_and_cluster.py', manifest, '8', url], {
        env: { ...process.env, TRIBUTARY_TOKEN: as },
      })
      let output = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
      child.once('close', (code) => resolve({ code, output }))
    })

  it('does the same with the standard library alone', async () => {
    expect(await run(token)).toEqual({ code: 0, output: '5 items, 1 rows left out\n' })
  })

  it('says what the server says when it is refused', async () => {
    const { code, output } = await run('wrong')
    expect(code).toBe(1)
    expect(output).toMatch(/^UNAUTHENTICATED: this is no key of this server/)
  })
})
