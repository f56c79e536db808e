import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import sharp from 'sharp'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkModel } from '../../src/jobs/check-model.ts'
import { embedItems } from '../../src/jobs/embed-items.ts'
import { decodeId, encodeRoot } from '../../src/resolvers/global-id.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { importer, picture, zipOf } from '../support/imports.ts'
import { onnxModel, tfjsGraphModel, tfjsLayersModel } from '../support/models.ts'

let t: TestApp
let i: ReturnType<typeof importer>
let red: Buffer
let blue: Buffer

beforeAll(async () => {
  t = await openTestApp({ works: false })
  i = importer(t)
  red = await picture('#cc0000')
  blue = await picture('#0000cc')
})
afterAll(() => t?.close())

/** Through the API, as the page does it: announce, PUT, pass on. */
async function upload(projectId: string, fileName: string, content: Uint8Array): Promise<string> {
  const { createUpload } = await t.ok(
    'mutation($input: CreateUploadInput!) { createUpload(input: $input) { uploadUrl stagedUrl userErrors { message } } }',
    { input: { projectId: encodeRoot('Project', projectId), fileName, byteSize: content.length } },
  )
  expect(createUpload.userErrors).toEqual([])
  const { pathname, search } = new URL(createUpload.uploadUrl)
  const put = await request(t.http.express)
    .put(pathname + search)
    .send(Buffer.from(content))
  expect(put.status).toBe(201)
  return createUpload.stagedUrl
}

async function importModel(projectId: string, fileName: string, content: Uint8Array) {
  const stagedUrl = await upload(projectId, fileName, content)
  const { importModel: answer } = await t.ok(
    'mutation($input: ImportModelInput!) { importModel(input: $input) { model { id state number } job { id kind } userErrors { message } } }',
    { input: { projectId: encodeRoot('Project', projectId), stagedUrl, idempotencyKey: key() } },
  )
  expect(answer).toMatchObject({ userErrors: [], model: { state: 'CANDIDATE' }, job: { kind: 'import_model' } })
  const at = (id: string) => ({ where: { projectId_id: { projectId, id } } })
  const jobId = decodeId('Job', answer.job.id).id
  await i.run(projectId, jobId, checkModel)
  const job = await t.app.prisma.job.findUniqueOrThrow(at(jobId))
  const model = await t.app.prisma.modelVersion.findUniqueOrThrow(at(decodeId('ModelVersion', answer.model.id).id))
  return { id: answer.model.id as string, job, model }
}

const SET =
  'mutation($input: SetEmbedderInput!) { setEmbedder(input: $input) { project { hasEmbedder embedder { kind model { number } } } job { id kind total } userErrors { code message } } }'

async function setEmbedder(projectId: string, input: object) {
  const { setEmbedder: answer } = await t.ok(SET, {
    input: { projectId: encodeRoot('Project', projectId), idempotencyKey: key(), ...input },
  })
  return answer
}

describe('a model that a team brings in', () => {
  it.each([
    ['ONNX', 'model.onnx', async () => onnxModel(4), { format: 'onnx', dimension: 4, width: 8, height: 8 }],
    ['ONNX in an archive', 'onnx.zip', () => zipOf({ 'model/net.onnx': onnxModel(4) }), { format: 'onnx', width: 8 }],
    [
      'TensorFlow.js layers',
      'layers.zip',
      () => tfjsLayersModel(4),
      { format: 'tfjs-layers', dimension: 4, width: 12 },
    ],
    ['TensorFlow.js graph', 'graph.zip', () => tfjsGraphModel(4), { format: 'tfjs-graph', dimension: 4, width: 10 }],
  ])('%s is checked, and then embeds what comes without a vector', async (_what, name, content, facts) => {
    const projectId = await i.makeProject(4)
    const { id, job, model } = await importModel(projectId, name, await content())
    expect(job).toMatchObject({ state: 'SUCCEEDED', failure: null })
    expect(model).toMatchObject({ state: 'CANDIDATE', summary: { checked: { ...facts, isNormalised: false } } })
    const set = await setEmbedder(projectId, { kind: 'MODEL', modelVersionId: id })
    expect(set).toEqual({
      project: { hasEmbedder: true, embedder: { kind: 'MODEL', model: { number: 1 } } },
      job: null,
      userErrors: [],
    })
    const folder = await zipOf({ 'anna/1.png': red, 'anna/2.png': red, 'bert/3.png': blue, 'broken.png': 'hello' })
    const { items, failed } = await i.importFrom(i.place(`pictures-${name}.zip`, folder), { projectId })
    expect(items.map(({ key: externalKey, label }) => [externalKey, label])).toEqual([
      ['anna/1.png', 'anna'],
      ['anna/2.png', 'anna'],
      ['bert/3.png', 'bert'],
    ])
    expect(failed).toMatchObject([{ row: 4, externalKey: 'broken.png' }])
    const vectors = items.map(({ vector }) => vector as number[])
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 4)
    expect(vectors[0]).toEqual(vectors[1])
    expect(vectors[0]).not.toEqual(vectors[2])
    const space = await t.app.prisma.embeddingSpace.findFirstOrThrow({ where: { projectId } })
    expect(space.embedderId).toBe(`model:${decodeId('ModelVersion', id).id}`)
    // And a picture can be searched with.
    const stagedUrl = await upload(projectId, 'query.png', blue)
    const { similaritySearch } = await t.ok(
      'query($input: SimilaritySearchInput!, $p: ID) { similaritySearch(input: $input, projectId: $p, first: 1) { similarity item { externalKey } } }',
      { input: { stagedUrl }, p: encodeRoot('Project', projectId) },
    )
    expect(similaritySearch[0].item.externalKey).toBe('bert/3.png')
    expect(similaritySearch[0].similarity).toBeCloseTo(1, 4)
  })

  it('ONNX gives the very product that its weights say, with the pixels scaled as asked for', async () => {
    const projectId = await i.makeProject(4)
    const described = { mean: 127.5, std: 127.5, channels: 'BGR' }
    const { id } = await importModel(
      projectId,
      'scaled.zip',
      await zipOf({ 'net.onnx': onnxModel(4), 'embedder.json': JSON.stringify(described) }),
    )
    await setEmbedder(projectId, { kind: 'MODEL', modelVersionId: id })
    const { items } = await i.importFrom(i.place('one.png', red), { projectId })
    // By hand: channel by channel in the order blue, green, red.
    const input = [0, 0, 0xcc].flatMap((level) => new Array<number>(64).fill((level - 127.5) / 127.5))
    const expected = [0, 1, 2, 3].map((column) =>
      input.reduce((sum, pixel, row) => sum + pixel * Math.fround(Math.sin((row * 4 + column) * 12.9898) * 0.1), 0),
    )
    const length = Math.hypot(...expected)
    items[0]?.vector?.forEach((value: number, c: number) => {
      expect(value).toBeCloseTo((expected[c] as number) / length, 4)
    })
  })

  it.each([
    [
      'another dimension',
      'wide.onnx',
      async () => onnxModel(5),
      /must give vectors of 4 values, the project's dimension: got 5/,
    ],
    ['nothing but zeros', 'zero.onnx', async () => onnxModel(4, { scale: 0 }), /must be finite and not all zero/],
    [
      'no model at all',
      'text.onnx',
      async () => Buffer.from('hello, this is text'),
      /the ONNX model can not be loaded/,
    ],
    [
      'an archive without a model',
      'none.zip',
      () => zipOf({ 'readme.md': 'hello' }),
      /none\.zip must hold either model\.json with its weights or one \.onnx file: got readme\.md/,
    ],
    [
      'weights that are missing',
      'lost.zip',
      () =>
        zipOf({
          'model.json': JSON.stringify({
            format: 'graph-model',
            modelTopology: {},
            weightsManifest: [{ paths: ['w.bin'] }],
          }),
        }),
      /names weights that are not in lost\.zip: w\.bin/,
    ],
    [
      'a wrong description',
      'odd.zip',
      async () => zipOf({ 'net.onnx': onnxModel(4), 'embedder.json': '{"std": 0}' }),
      /embedder\.json, as a whole: std must not be 0/,
    ],
  ])('%s is refused, and the model is rejected', async (_what, name, content, message) => {
    const projectId = await i.makeProject(4)
    const { id, job, model } = await importModel(projectId, name, await content())
    expect(job).toMatchObject({ state: 'FAILED', failure: expect.stringMatching(message) })
    expect(model.state).toBe('REJECTED')
    const set = await setEmbedder(projectId, { kind: 'MODEL', modelVersionId: id })
    expect(set.userErrors).toEqual([{ code: 'INVALID_STATE', message: expect.stringContaining('failed its check') }])
  })

  it('a second embedder does not mix with the vectors of the first', async () => {
    const projectId = await i.makeProject(4)
    const first = await importModel(projectId, 'a.onnx', onnxModel(4))
    const second = await importModel(projectId, 'b.zip', await tfjsLayersModel(4))
    await setEmbedder(projectId, { kind: 'MODEL', modelVersionId: first.id })
    await i.importFrom(i.place('first.png', red), { projectId })
    const mixed = await setEmbedder(projectId, { kind: 'MODEL', modelVersionId: second.id })
    expect(mixed.userErrors[0].message).toMatch(/the vectors of this project were made by model:.*use another project/)
    const none = await setEmbedder(projectId, {})
    expect(none).toMatchObject({ project: { hasEmbedder: false, embedder: null }, userErrors: [] })
    const own = await i.makeProject(4)
    await i.importFrom(i.place('own.jsonl', '{"externalKey":"a","embedding":[1,0,0,0]}'), { projectId: own })
    const third = await importModel(own, 'c.onnx', onnxModel(4))
    const unsaid = await setEmbedder(own, { kind: 'MODEL', modelVersionId: third.id })
    expect(unsaid.userErrors[0].message).toMatch(
      /holds imported vectors: if model:.* made them, say so with trustStoredVectors/,
    )
    const said = await setEmbedder(own, { kind: 'MODEL', modelVersionId: third.id, trustStoredVectors: true })
    expect(said.userErrors).toEqual([])
  })

  it('without an embedder pictures are stored without a vector, and are embedded once there is one', async () => {
    const projectId = await i.makeProject(4)
    const { items } = await i.importFrom(i.place('later.zip', await zipOf({ 'a.png': red, 'b.png': blue })), {
      projectId,
    })
    expect(items.map(({ vector }) => vector)).toEqual([null, null])
    const search = await t.gql(
      'query($input: SimilaritySearchInput!, $p: ID) { similaritySearch(input: $input, projectId: $p) { similarity } }',
      { input: { stagedUrl: await upload(projectId, 'q.png', red) }, p: encodeRoot('Project', projectId) },
    )
    expect(search.errors?.[0]).toMatchObject({
      message: expect.stringContaining('names no embedder'),
      extensions: { code: 'INVALID_STATE' },
    })
    const { id } = await importModel(projectId, 'late.onnx', onnxModel(4))
    const input = { kind: 'MODEL', modelVersionId: id, idempotencyKey: key() }
    const { job } = await setEmbedder(projectId, input)
    expect((await setEmbedder(projectId, input)).job).toEqual(job)
    expect(job).toMatchObject({ kind: 'embed_items', total: 2 })
    const jobId = decodeId('Job', job.id).id
    await i.run(projectId, jobId, embedItems)
    const after = await i.outcome(projectId, jobId)
    expect(after.job).toMatchObject({ state: 'SUCCEEDED', completed: 2 })
    expect(after.items.map(({ vector }) => vector?.length)).toEqual([4, 4])
  })
})

describe('faces', () => {
  const require = createRequire(import.meta.url)
  /** Photographs of five people together, in the package itself. */
  const photos = () => path.join(path.dirname(require.resolve('@vladmandic/face-api/package.json')), 'demo')

  it('one item a face with its box; a label means one face; the same face twice is nearest to itself', async () => {
    const projectId = await i.makeProject(128)
    expect((await setEmbedder(await i.makeProject(4), { kind: 'FACES' })).userErrors[0].message).toBe(
      'faces have vectors of 128 values: this project has embeddingDimension 4',
    )
    expect((await setEmbedder(projectId, { kind: 'FACES' })).userErrors).toEqual([])
    const photo = await sharp(readFileSync(path.join(photos(), 'sample1.jpg')))
      .resize({ width: 640 })
      .jpeg()
      .toBuffer()
    const files = { 'group.jpg': photo, 'wall.png': await picture('#cccccc', 64, 64), 'anna/group.jpg': photo }
    const { items, failed } = await i.importFrom(i.place('faces.zip', await zipOf(files)), { projectId })
    expect(failed.map(({ externalKey, problem }) => [externalKey, problem])).toEqual([
      ['wall.png', 'no face was found in the picture'],
      ['anna/group.jpg', expect.stringMatching(/^the label anna must mean one face: the picture has \d/)],
    ])
    expect(items.map(({ key: externalKey }) => externalKey)).toEqual(['group.jpg', 'group.jpg#2', 'group.jpg#3'])
    const boxes = items.map(({ box }) => box as { x: number; y: number; width: number; height: number })
    for (const box of boxes) {
      expect(box.width * 640).toBeGreaterThan(30)
      expect(box.x + box.width).toBeLessThanOrEqual(1)
    }
    // The largest first, none on top of another.
    const areas = boxes.map(({ width, height }) => width * height)
    expect(areas).toEqual([...areas].sort((a, b) => b - a))
    for (const { vector } of items) expect(Math.hypot(...(vector as number[]))).toBeCloseTo(1, 4)
    // The second face again, by its box and with a label: the nearest of the three is itself.
    const again = JSON.stringify({ externalKey: 'named', image: 'group.jpg', box: boxes[1], label: 'anna' })
    const named = await i.importFrom(
      i.place('named.zip', await zipOf({ 'manifest.jsonl': again, 'group.jpg': photo })),
      { projectId },
    )
    const one = named.items.find(({ key: externalKey }) => externalKey === 'named')
    expect(one).toMatchObject({ label: 'anna', box: boxes[1] })
    const own = (one as { vector: number[] }).vector
    const cosines = items.map(({ vector }) =>
      (vector as number[]).reduce((sum, value, c) => sum + value * (own[c] as number), 0),
    )
    expect(cosines.indexOf(Math.max(...cosines))).toBe(1)
    expect(cosines[1]).toBeGreaterThan(0.97)
  })
})
