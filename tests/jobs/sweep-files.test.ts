import { existsSync, utimesSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importItems } from '../../src/jobs/import-items.ts'
import { tidyUp } from '../../src/services/housekeeping.ts'
import { createUpload, STAGED_SCHEME } from '../../src/services/uploads.ts'
import { openTestApp, type TestApp } from '../support/app.ts'
import { bytesOf, importer, npy, picture, zipOf } from '../support/imports.ts'

let t: TestApp
let i: ReturnType<typeof importer>
const pages = new Map<string, string | Buffer>()
const server = http.createServer((req, res) => {
  const page = pages.get(req.url as string)
  if (page === undefined) res.writeHead(404).end()
  else res.end(page)
})
let web: string

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  web = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t = await openTestApp({ works: false, env: { ALLOW_PRIVATE_NETWORKS: '127.0.0.1/32', UPLOAD_RETENTION_HOURS: '48' } })
  i = importer(t)
})
afterAll(async () => {
  await t?.close()
  server.close()
})

/** Puts bytes on an address of createUpload. */
async function upload(projectId: string, fileName: string, content: string | Buffer) {
  const bytes = Buffer.from(content)
  const input = { projectId, fileName, byteSize: bytes.length }
  const { uploadUrl, stagedUrl } = await createUpload(t.app, await i.getViewer(), input)
  const { pathname, search } = new URL(uploadUrl)
  const { status } = await request(t.http.express)
    .put(pathname + search)
    .send(bytes)
  expect(status).toBe(201)
  return { stagedUrl, pathname: pathname + search, ...(await uploadOf(projectId, stagedUrl)) }
}

function uploadOf(projectId: string, stagedUrl: string) {
  const id = stagedUrl.slice(STAGED_SCHEME.length).split('/')[1] as string
  return t.app.prisma.upload.findUniqueOrThrow({ where: { projectId_id: { projectId, id } } })
}

const fileOf = (key: string | null) => path.join(t.folder, 'files', key as string)
const isThere = (key: string | null) => existsSync(fileOf(key))

/** Makes uploads and their files as old as said. */
async function age(hours: number, ...uploads: { projectId: string; id: string; fileKey: string | null }[]) {
  const then = new Date(Date.now() - hours * 3_600_000)
  for (const { projectId, id, fileKey } of uploads) {
    await t.app.prisma.upload.update({ where: { projectId_id: { projectId, id } }, data: { createdAt: then } })
    utimesSync(fileOf(fileKey), then, then)
  }
}

const temporaryKeys = async (projectId: string) =>
  (await t.app.prisma.temporaryFile.findMany({ where: { projectId } })).map(({ fileKey }) => fileKey)
const auditOf = (projectId: string) =>
  t.app.prisma.auditEvent.findMany({ where: { projectId, action: 'upload.expired' } })
const swept = async (kind: string) =>
  Number(new RegExp(`swept_files_total{kind="${kind}"} (\\d+)`).exec((await t.app.metrics.render()).text)?.[1] ?? 0)

describe('uploads', () => {
  it('go when they have had their time, and leave a line in the audit log; pictures of items and younger ones stay', async () => {
    const projectId = await i.makeProject(2)
    const list = await upload(projectId, 'list.jsonl', '{"externalKey":"a","embedding":[1,0]}')
    const face = await upload(projectId, 'face.png', await picture('#00cc00'))
    const young = await upload(projectId, 'young.csv', 'externalKey\nb')
    await i.importFrom(list.stagedUrl, { projectId })
    await i.importFrom(face.stagedUrl, { projectId })
    await age(49, list, face)
    await age(47, young)
    const before = await swept('upload')
    await tidyUp(t.app)
    expect([list, face, young].map(({ fileKey }) => isThere(fileKey))).toEqual([false, true, true])
    expect((await uploadOf(projectId, list.stagedUrl)).fileKey).toBeNull()
    expect((await uploadOf(projectId, young.stagedUrl)).expiredAt).toBeNull()
    expect(await swept('upload')).toBe(before + 1)
    const [line, ...more] = await auditOf(projectId)
    expect(more).toEqual([])
    expect(line).toMatchObject({ actorId: null, detail: { count: 2, uploadIds: [list.id, face.id].sort() } })

    await tidyUp(t.app)
    expect(await auditOf(projectId)).toHaveLength(1)
    expect(await swept('upload')).toBe(before + 1)
    await expect(i.begin(projectId, list.stagedUrl)).rejects.toMatchObject({
      code: 'INVALID_STATE',
      message: 'the upload list.jsonl is gone: uploads are kept for 48 hours: send it again',
    })
    expect((await request(t.http.express).put(list.pathname).send('{}')).status).toBe(409)
  })

  it('are held by an import that began before, and by a model that was brought in', async () => {
    const projectId = await i.makeProject(2)
    const list = await upload(projectId, 'held.csv', 'externalKey,image\nred,held.png')
    const companion = await upload(projectId, 'held.png', await picture('#cc0000'))
    const job = await i.begin(projectId, list.stagedUrl)
    await age(49, list, companion)
    const createdAt = new Date(Date.now() - 2 * 3_600_000)
    await t.app.prisma.job.update({ where: { projectId_id: { projectId, id: job.id } }, data: { createdAt } })
    await tidyUp(t.app)
    expect([list, companion].map(({ fileKey }) => isThere(fileKey))).toEqual([true, true])
    // One that begins now is not given what is about to go.
    await expect(i.begin(projectId, list.stagedUrl)).rejects.toMatchObject({ code: 'INVALID_STATE' })
    await i.run(projectId, job.id)
    expect((await i.outcome(projectId, job.id)).items).toMatchObject([{ key: 'red' }])
    await tidyUp(t.app)
    expect(isThere(list.fileKey)).toBe(false)
    expect(isThere(companion.fileKey)).toBe(true)

    const model = await upload(projectId, 'model.onnx', 'weights')
    await t.app.prisma.modelVersion.create({
      data: {
        projectId,
        id: model.id,
        number: 1,
        target: 'EMBEDDING',
        weightsKey: model.fileKey as string,
        embeddingDimension: 2,
        embedderId: 'model:x',
      },
    })
    await age(49, model)
    await tidyUp(t.app)
    expect(isThere(model.fileKey)).toBe(true)
  })

  it('of equal content are one file, which goes with the last of them; one that was put a moment ago stays', async () => {
    const [here, there] = [await i.makeProject(2), await i.makeProject(2)]
    const content = 'externalKey\nthe very same'
    const first = await upload(here, 'one.csv', content)
    const second = await upload(there, 'two.csv', content)
    expect(second.fileKey).toBe(first.fileKey)
    await age(49, first)
    await tidyUp(t.app)
    expect(isThere(first.fileKey)).toBe(true)
    await age(49, second)
    const now = new Date()
    utimesSync(fileOf(second.fileKey), now, now)
    await tidyUp(t.app)
    expect(isThere(second.fileKey)).toBe(true)
    await age(49, second)
    await tidyUp(t.app)
    expect(isThere(second.fileKey)).toBe(false)
  })

  it('that are cut short leave no file; sent again with other bytes, the first ones go', async () => {
    const projectId = await i.makeProject(2)
    const input = { projectId, fileName: 'cut.csv', byteSize: 12 }
    const { uploadUrl, stagedUrl } = await createUpload(t.app, await i.getViewer(), input)
    const { pathname, search } = new URL(uploadUrl)
    const put = (content: string) =>
      request(t.http.express)
        .put(pathname + search)
        .send(Buffer.from(content))
    const short = await put('externalKey')
    expect(short.body.errors[0].message).toContain('got 11 bytes, expected 12')
    expect(short.status).toBe(422)
    await put('externalKeyA')
    const first = await uploadOf(projectId, stagedUrl)
    await put('externalKeyB')
    const second = await uploadOf(projectId, stagedUrl)
    expect(await temporaryKeys(projectId)).toEqual([first.fileKey])
    await age(2, first, second)
    await tidyUp(t.app)
    expect([first, second].map(({ fileKey }) => isThere(fileKey))).toEqual([false, true])
    expect(await temporaryKeys(projectId)).toEqual([])
  })
})

describe('what imports fetch and unpack', () => {
  const two = new Float32Array([1, 0, 0, 1])

  it('is kept while the import may be taken up again, and goes when it has ended', async () => {
    const projectId = await i.makeProject(2)
    pages.set('/set.zip', await zipOf({ 'x.npy': npy('<f4', [2, 2], bytesOf(two)), 'x.keys.txt': 'a\nb\n' }))
    const job = await i.begin(projectId, `${web}/set.zip`)
    await i.run(projectId, job.id, {
      ...importItems,
      run: (context) =>
        importItems.run({
          ...context,
          checkpoint: async (tx, value) => {
            if ((value as { row: number }).row > 0) throw new Error('power cut')
            await context.checkpoint(tx, value)
          },
        }),
    })
    // The archive, and the matrix and its keys unpacked.
    const made = await temporaryKeys(projectId)
    expect(made).toHaveLength(3)
    const old = new Date(Date.now() - 2 * 3_600_000)
    for (const key of made) utimesSync(fileOf(key), old, old)
    await tidyUp(t.app)
    expect(made.map(isThere)).toEqual([true, true, true])

    await i.run(projectId, job.id)
    expect((await i.outcome(projectId, job.id)).items.map((item) => item.key)).toEqual(['a', 'b'])
    for (const key of made) utimesSync(fileOf(key), old, old)
    const before = await swept('temporary')
    await tidyUp(t.app)
    expect(made.map(isThere)).toEqual([false, false, false])
    expect(await temporaryKeys(projectId)).toEqual([])
    expect(await swept('temporary')).toBe(before + 3)
    await tidyUp(t.app)
    expect(await swept('temporary')).toBe(before + 3)
  })

  it('stays where an item shows the very same picture', async () => {
    const projectId = await i.makeProject(2)
    pages.set('/one.png', await picture('#123456'))
    const { items } = await i.importFrom(`${web}/one.png`, { projectId })
    const [imageKey] = items.map((item) => item.imageKey)
    expect(await temporaryKeys(projectId)).toEqual([imageKey])
    const old = new Date(Date.now() - 2 * 3_600_000)
    utimesSync(fileOf(imageKey as string), old, old)
    await tidyUp(t.app)
    expect(isThere(imageKey as string)).toBe(true)
    expect(await temporaryKeys(projectId)).toEqual([])
  })
})
