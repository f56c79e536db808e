import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import S3rver from 's3rver'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBucketReader } from '../../src/infra/bucket-reader-s3.ts'
import { importItems } from '../../src/jobs/import-items.ts'
import { decodeId, encodeRoot } from '../../src/resolvers/global-id.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { bytesOf, importer, npy, picture, zipOf } from '../support/imports.ts'

let t: TestApp
let i: ReturnType<typeof importer>
let red: Buffer
let bucketFolder: string
let bucket: S3rver
let web: string
/** What the web server answers, by path; a function is asked each time. */
const pages = new Map<string, string | Buffer | (() => string | Buffer | undefined)>()
const asked: string[] = []

const server = http.createServer((req, res) => {
  asked.push(req.url as string)
  const page = pages.get(req.url as string)
  const body = typeof page === 'function' ? page() : page
  if (body === undefined) res.writeHead(404).end('nothing here')
  else res.end(body)
})

beforeAll(async () => {
  bucketFolder = mkdtempSync(path.join(tmpdir(), 's3-'))
  bucket = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: bucketFolder,
    configureBuckets: [
      { name: 'pictures', configs: [] },
      { name: 'secrets', configs: [] },
    ],
  })
  const { port } = await bucket.run()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  web = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t = await openTestApp({
    works: false,
    env: {
      ALLOW_PRIVATE_NETWORKS: '127.0.0.1/32',
      IMPORT_BUCKETS: 'pictures/open/',
      S3_ENDPOINT: `http://127.0.0.1:${port}`,
      S3_ACCESS_KEY_ID: 'S3RVER',
      S3_SECRET_ACCESS_KEY: 'S3RVER',
    },
  })
  i = importer(t)
  red = await picture('#cc0000')
})
afterAll(async () => {
  await t?.close()
  await bucket?.close()
  server.close()
  rmSync(bucketFolder, { recursive: true, force: true })
})

const two = new Float32Array([1, 0, 0, 1])

describe('over the web', () => {
  it('a manifest with pictures beside it and elsewhere; what is not there is the problem of its row', async () => {
    pages.set('/set/red%20one.png', red)
    const rows = [
      { externalKey: 'a', image: 'red one.png' },
      { externalKey: 'b', image: `${web}/set/red%20one.png`, label: 'anna' },
      { externalKey: 'c', image: 'none.png' },
      { externalKey: 'd', image: 'http://127.0.0.2/inside.png' },
      { externalKey: 'e', image: 'file:///etc/passwd' },
      { externalKey: 'f', image: 's3://secrets/key.png' },
      { externalKey: 'g', image: 'http://127.0.0.1:9/refused.png' },
    ]
    pages.set('/set/list.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))
    const { job, items, failed } = await i.importFrom(`${web}/set/list.jsonl`)
    expect(job.state).toBe('SUCCEEDED')
    expect(items.map(({ key: externalKey, label, width }) => [externalKey, label, width])).toEqual([
      ['a', null, 16],
      ['b', 'anna', 16],
    ])
    expect(failed.map(({ row, problem }) => [row, problem])).toEqual([
      [3, `${web}/set/none.png must answer with 200: got 404`],
      [4, expect.stringContaining('127.0.0.2 is not a public one')],
      [5, expect.stringContaining('must be http or https')],
      [6, expect.stringContaining('in the buckets that IMPORT_BUCKETS allows')],
      [7, expect.stringMatching(/could not be fetched in 3 tries: .*ECONNREFUSED/)],
    ])
  })

  it('a matrix with its keys beside it, and an archive', async () => {
    pages.set('/m/x.npy', npy('<f4', [2, 2], bytesOf(two)))
    pages.set('/m/x.keys.txt', 'a\nb\n')
    expect((await i.importFrom(`${web}/m/x.npy`)).items.map(({ key: externalKey }) => externalKey)).toEqual(['a', 'b'])
    pages.set('/people.zip?v=1', await zipOf({ 'anna/1.png': red }))
    expect((await i.importFrom(`${web}/people.zip?v=1`)).items).toMatchObject([{ key: '1.png', label: null }])
  })

  it('is fetched once, whatever its server says to a second attempt', async () => {
    let answers = 0
    pages.set('/once.jsonl', () => {
      answers++
      return `{"externalKey":"answer-${answers}","embedding":[1,0]}`
    })
    const projectId = await i.makeProject(2)
    const job = await i.begin(projectId, `${web}/once.jsonl`)
    let checkpoints = 0
    await i.run(projectId, job.id, {
      ...importItems,
      run: (context) =>
        importItems.run({
          ...context,
          checkpoint: async (tx, value) => {
            if (++checkpoints === 2) throw new Error('power cut')
            await context.checkpoint(tx, value)
          },
        }),
    })
    await i.run(projectId, job.id)
    // Asked once when the import was begun, to refuse a wrong address at once, and once by the job.
    expect(answers).toBe(2)
    expect((await i.outcome(projectId, job.id)).items).toMatchObject([{ key: 'answer-2' }])
  })

  it('what is private, missing or of another kind is refused before there is a job', async () => {
    const projectId = await i.makeProject(2)
    for (const [url, message] of [
      ['http://127.0.0.2/list.jsonl', /127\.0\.0\.2 is not a public one/],
      ['http://169.254.169.254/latest/meta-data/x.csv', /169\.254\.169\.254 is not a public one/],
      [`${web}/missing.jsonl`, /must answer with 200: got 404/],
      [`${web}/set/list.txt`, /must end in .*got list\.txt/],
      ['http://127.0.0.1:9/list.jsonl', /can not be fetched: .*ECONNREFUSED/],
      ['ftp://example.org/list.jsonl', /must be a stagedUrl of createUpload, or a file:, http\(s\): or s3: address/],
    ] as const) {
      await expect(i.begin(projectId, url)).rejects.toMatchObject({
        code: 'INVALID',
        message: expect.stringMatching(message),
      })
    }
    expect(await t.app.prisma.job.count({ where: { projectId } })).toBe(0)
  })
})

describe('from a bucket', () => {
  async function put(Bucket: string, Key: string, Body: string | Buffer): Promise<void> {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3')
    const { createS3Client } = await import('../../src/infra/bucket-reader-s3.ts')
    await createS3Client(t.app.config.s3Access).send(new PutObjectCommand({ Bucket, Key, Body }))
  }

  it('a prefix with pictures in folders, a manifest, a matrix and an archive', async () => {
    await put('pictures', 'open/people/anna/1.png', red)
    await put('pictures', 'open/people/bert/2.png', red)
    const people = await i.importFrom('s3://pictures/open/people/')
    expect(people.items.map(({ key: externalKey, label }) => [externalKey, label])).toEqual([
      ['anna/1.png', 'anna'],
      ['bert/2.png', 'bert'],
    ])
    const rows = [
      { externalKey: 'a', image: 'people/anna/1.png' },
      { externalKey: 'b', image: 's3://pictures/open/people/bert/2.png' },
      { externalKey: 'c', image: 's3://pictures/closed/3.png' },
    ]
    await put('pictures', 'open/list.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))
    const listed = await i.importFrom('s3://pictures/open/list.jsonl')
    expect(listed.items.map(({ key: externalKey }) => externalKey)).toEqual(['a', 'b'])
    expect(listed.failed).toMatchObject([{ row: 3, problem: expect.stringContaining('IMPORT_BUCKETS') }])
    await put('pictures', 'open/x.bin', bytesOf(two))
    await put('pictures', 'open/x.meta', '0\n1\n')
    expect((await i.importFrom('s3://pictures/open/x.bin')).items.map(({ label }) => label)).toEqual(['x/0', 'x/1'])
    await put('pictures', 'open/people.zip', await zipOf({ 'a/1.png': red, 'b/1.png': red }))
    expect((await i.importFrom('s3://pictures/open/people.zip')).items.map(({ label }) => label)).toEqual(['a', 'b'])
  })

  it('only from those that are allowed, with the same words for what is not there', async () => {
    const projectId = await i.makeProject(2)
    await put('secrets', 'list.jsonl', '{}')
    await put('pictures', 'closed/list.jsonl', '{}')
    for (const url of ['s3://secrets/list.jsonl', 's3://pictures/closed/list.jsonl', 's3://pictures/open/none.jsonl']) {
      await expect(i.begin(projectId, url)).rejects.toThrow(/no object .*in the buckets that IMPORT_BUCKETS allows/)
    }
    for (const url of ['s3://pictures/open/../closed/list.jsonl', 's3://pictures/open/%2e%2e/closed/list.jsonl']) {
      await expect(i.begin(projectId, url)).rejects.toThrow(/must have no part \. or \.\./)
    }
    await expect(i.begin(projectId, 's3://pictures')).rejects.toThrow(/must be s3:\/\/bucket\/key/)
  })

  it('lists more than one page', async () => {
    for (let n = 0; n < 5; n++) await put('pictures', `open/many/${n}.txt`, 'x')
    const reader = openBucketReader(t.app.config.s3Access)
    const keys: string[] = []
    for await (const { key: name } of reader.list('pictures', 'open/many/')) keys.push(name)
    expect(keys).toHaveLength(5)
    await expect(reader.list('nowhere', '')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'INVALID' })
  })
})

describe('from a folder of the server', () => {
  it('no path and no link leads out of what IMPORT_ROOTS allows', async () => {
    const outside = mkdtempSync(path.join(tmpdir(), 'outside-'))
    writeFileSync(path.join(outside, 'secret.png'), red)
    const folder = path.join(t.folder, 'linked')
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'own.png'), red)
    symlinkSync(outside, path.join(folder, 'out'))
    symlinkSync(path.join(outside, 'secret.png'), path.join(folder, 'link.png'))
    const { items } = await i.importFrom(pathToFileURL(folder).href)
    expect(items.map(({ key: externalKey }) => externalKey)).toEqual(['own.png'])
    const projectId = await i.makeProject(2)
    for (const file of [outside, path.join(outside, 'secret.png'), path.join(t.folder, 'none.jsonl')]) {
      await expect(i.begin(projectId, pathToFileURL(file).href)).rejects.toThrow(
        /no manifest or folder at .* below the folders that IMPORT_ROOTS allows/,
      )
    }
    rmSync(outside, { recursive: true })
  })
})

describe('from uploads, over HTTP', () => {
  const UPLOAD =
    'mutation($input: CreateUploadInput!) { createUpload(input: $input) { uploadUrl stagedUrl userErrors { message } } }'

  async function upload(projectId: string, fileName: string, content: Buffer): Promise<string> {
    const input = { projectId: encodeRoot('Project', projectId), fileName, byteSize: content.length }
    const { createUpload } = await t.ok(UPLOAD, { input })
    const { pathname, search } = new URL(createUpload.uploadUrl)
    const answer = await request(t.http.express)
      .put(pathname + search)
      .send(content)
    expect([answer.status, answer.body]).toEqual([201, { status: 'stored' }])
    return createUpload.stagedUrl
  }

  async function start(projectId: string, manifestUrl: string) {
    const { startImport } = await t.ok(
      'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message path } } }',
      { input: { projectId: encodeRoot('Project', projectId), manifestUrl, idempotencyKey: key() } },
    )
    return startImport
  }

  it('an archive, and a manifest whose keys and pictures were uploaded by their names; failed rows come back', async () => {
    const projectId = await i.makeProject(2)
    await upload(projectId, 'one.png', red)
    const [line] = await t.app.prisma.auditEvent.findMany({ where: { projectId, action: 'upload.created' } })
    expect(line).toMatchObject({ targetType: 'Upload', detail: { fileName: 'one.png', byteSize: red.length } })
    await upload(projectId, 'x.keys.txt', Buffer.from('k0\nk1\n'))
    const matrix = await start(projectId, await upload(projectId, 'x.npy', npy('<f4', [2, 2], bytesOf(two))))
    await i.run(projectId, decodeId('Job', matrix.job.id).id)
    const rows = '{"externalKey":"p","image":"one.png"}\n{"externalKey":"q","image":"two.png"}\n'
    const manifest = await start(projectId, await upload(projectId, 'list.jsonl', Buffer.from(rows)))
    await i.run(projectId, decodeId('Job', manifest.job.id).id)
    const archive = await start(
      projectId,
      await upload(projectId, 'people.zip', await zipOf({ 'a/1.png': red, 'b/2.png': red })),
    )
    await i.run(projectId, decodeId('Job', archive.job.id).id)
    const { items } = await i.outcome(projectId, decodeId('Job', archive.job.id).id)
    expect(items.map(({ key: externalKey }) => externalKey)).toEqual(['a/1.png', 'b/2.png', 'k0', 'k1', 'p'])
    const { job } = await t.ok('query($id: ID!) { job(id: $id) { state failedRowCount failedRowsUrl } }', {
      id: manifest.job.id,
    })
    expect(job).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 1 })
    const { pathname, search } = new URL(job.failedRowsUrl)
    const file = await request(t.http.express)
      .get(pathname + search)
      .buffer(true)
      .parse((res, done) => {
        let text = ''
        res.on('data', (chunk: Buffer) => (text += chunk))
        res.on('end', () => done(null, text))
      })
    expect(file.headers['content-disposition']).toContain('import-failed-rows.jsonl')
    expect(JSON.parse(file.body as string)).toEqual({
      row: 2,
      externalKey: 'q',
      problem:
        'image two.png is not in the uploads of this project: put it into one zip archive with the manifest, or upload it under its name',
    })
  })

  it('an upload of another project, or one that has not arrived, is no upload', async () => {
    const [mine, other] = [await i.makeProject(2), await i.makeProject(2)]
    const stagedUrl = await upload(mine, 'list.jsonl', Buffer.from('{"externalKey":"a","embedding":[1,0]}'))
    expect((await start(other, stagedUrl)).userErrors[0]).toMatchObject({
      message: expect.stringContaining('names no upload of this project'),
      path: ['input', 'manifestUrl'],
    })
    const input = { projectId: encodeRoot('Project', mine), fileName: 'late.jsonl', byteSize: 10 }
    const { createUpload } = await t.ok(UPLOAD, { input })
    expect((await start(mine, createUpload.stagedUrl)).userErrors[0].message).toContain('has not arrived')
    expect((await start(mine, await upload(mine, 'notes.txt', Buffer.from('hello')))).userErrors[0].message).toMatch(
      /must end in .*got notes\.txt/,
    )
  })
})
