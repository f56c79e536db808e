import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ClusteringModel, decodeModel, encodeModel, type Labels } from '../../src/engine/index.ts'
import { createRng } from '../../src/engine/rng.ts'
import { checkModel } from '../../src/jobs/check-model.ts'
import { decodeId, encodeId, encodeRoot } from '../../src/resolvers/global-id.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { importer } from '../support/imports.ts'
import { NUISANCE, nuisanceItems } from '../support/nuisance-items.ts'
import { openTrainingProject } from '../support/training-project.ts'

const DIMENSION = NUISANCE.signal + NUISANCE.noise
const PER_CLASS = 4

const items = nuisanceItems({ classes: 46, perClass: PER_CLASS })
const features = {
  data: Float32Array.from(items.flatMap(({ embedding }) => embedding)),
  rows: items.length,
  cols: DIMENSION,
}

let t: TestApp
let p: Awaited<ReturnType<typeof openTrainingProject>>
/** Trained beside the project, as the command line does it. */
let good: ClusteringModel
let worse: ClusteringModel

beforeAll(async () => {
  t = await openTestApp({ works: false })
  const lines = items.map(({ externalKey, truth, embedding }) => ({ externalKey, embedding, label: truth }))
  p = await openTrainingProject(t, t.app, lines, DIMENSION)
  const train = async (labels: Labels) =>
    (await t.app.engine.train({ features, labels, embedderId: 'unknown', seed: 1 })).model
  const labels = Int32Array.from(items, (_, row) => Math.floor(row / PER_CLASS))
  good = await train(labels)
  worse = await train(createRng(1).shuffle(Int32Array.from(labels)))
}, 240_000)
afterAll(() => t?.close())

async function bringIn(bytes: Uint8Array, projectId = p.projectId, fileName = 'model.weights') {
  const id = encodeRoot('Project', projectId)
  const { createUpload } = await t.ok(
    'mutation($input: CreateUploadInput!) { createUpload(input: $input) { uploadUrl stagedUrl userErrors { message } } }',
    { input: { projectId: id, fileName, byteSize: bytes.length } },
  )
  const { pathname, search } = new URL(createUpload.uploadUrl)
  await request(t.http.express)
    .put(pathname + search)
    .send(Buffer.from(bytes))
  const { importModel } = await t.ok(
    'mutation($input: ImportModelInput!) { importModel(input: $input) { model { id number state } job { id } userErrors { message } } }',
    { input: { projectId: id, stagedUrl: createUpload.stagedUrl, idempotencyKey: key() } },
  )
  if (importModel.userErrors.length > 0) return { problem: importModel.userErrors[0].message as string }
  const jobId = decodeId('Job', importModel.job.id).id
  await runIn(projectId, jobId)
  const job = await t.app.prisma.job.findUniqueOrThrow({ where: { projectId_id: { projectId, id: jobId } } })
  return { id: importModel.model.id as string, jobId, failure: job.failure, ...(await lookAt(importModel.model.id)) }
}

const runIn = (projectId: string, jobId: string) => importer(t).run(projectId, jobId, checkModel)

function asBuffer(response: request.Response, done: (error: Error | null, body: Buffer) => void): void {
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  response.on('end', () => done(null, Buffer.concat(chunks)))
}

async function lookAt(id: string) {
  const { node } = await t.ok(
    `query($id: ID!) { node(id: $id) { ... on ModelVersion { state trainingRun { id } weightsUrl
      pairwiseF { value sampleSize } bcubedF { value } activePairwiseF { value } } } }`,
    { id },
  )
  return node
}

async function activate(id: string) {
  const { activateModel } = await t.ok(
    'mutation($input: ActivateModelInput!) { activateModel(input: $input) { model { state } userErrors { code message } } }',
    { input: { modelVersionId: id, idempotencyKey: key() } },
  )
  return activateModel
}

describe('a clustering model that a team brings in', () => {
  it('is measured on the frozen hold-out, activated, used by a run, and comes out as it went in', async () => {
    const model = await bringIn(encodeModel(good))
    expect(model).toMatchObject({ failure: null, state: 'EVALUATED', trainingRun: null })
    expect(model.pairwiseF.value).toBeGreaterThan(model.activePairwiseF.value)
    expect(model.pairwiseF.sampleSize).toBeGreaterThan(0)
    expect(await activate(model.id as string)).toEqual({ model: { state: 'ACTIVE' }, userErrors: [] })

    const { startClusterRun } = await t.ok(
      'mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) { clusterRun { id job { id } } userErrors { message } } }',
      { input: { projectId: encodeRoot('Project', p.projectId), method: 'GCN_VE', idempotencyKey: key() } },
    )
    await p.run(decodeId('Job', startClusterRun.clusterRun.job.id).id)
    const { clusterRun } = await t.ok('query($id: ID!) { clusterRun(id: $id) { state model { id } vertexCount } }', {
      id: startClusterRun.clusterRun.id,
    })
    expect(clusterRun).toEqual({ state: 'READY', model: { id: model.id }, vertexCount: items.length })

    const { pathname, search } = new URL(model.weightsUrl)
    const { body, headers } = await request(t.http.express)
      .get(pathname + search)
      .buffer(true)
      .parse(asBuffer)
    expect(headers['content-disposition']).toContain('model.weights')
    expect(decodeModel(body)).toEqual({ ...good, embedderId: 'import' })
  })

  it('that is worse than the active one is REJECTED, and can not be activated', async () => {
    const model = await bringIn(encodeModel(worse))
    expect(model).toMatchObject({ failure: null, state: 'REJECTED' })
    expect(model.pairwiseF.value).toBeLessThan(model.activePairwiseF.value)
    const { userErrors } = await activate(model.id as string)
    expect(userErrors).toEqual([
      { code: 'INVALID_STATE', message: expect.stringMatching(/measured worse than the active one.*bring in another/) },
    ])
  })

  it('that is no model, of another embedder or cut short is REJECTED, and its job says why', async () => {
    const whole = encodeModel(good)
    for (const [bytes, failure] of [
      [Buffer.from('hello'), /^BAD_WEIGHTS: /],
      [whole.subarray(0, whole.length - 100), /^BAD_WEIGHTS: /],
      [
        encodeModel({ ...good, embedderId: 'arcface' }),
        /^BAD_WEIGHTS: the model must come from the same embedder: got arcface, expected import/,
      ],
    ] as const) {
      const model = await bringIn(bytes)
      expect(model.state).toBe('REJECTED')
      expect(model.failure).toMatch(failure)
      expect((await activate(model.id as string)).userErrors[0].message).toBe(
        'this model failed its check: the failure of its job says why',
      )
    }
    expect((await bringIn(whole, p.projectId, 'model.bin')).problem).toMatch(
      /must be an \.onnx file .* or the model\.weights of `tributary train`.*got model\.bin/,
    )
  })

  it('of other dimensions is REJECTED; without a frozen version it stays a CANDIDATE that can not be activated', async () => {
    const narrow = await importer(t).makeProject(4)
    expect((await bringIn(encodeModel(good), narrow)).failure).toMatch(
      new RegExp(`got a model for ${DIMENSION} dimensions, expected 4`),
    )
    const fresh = await importer(t).makeProject(DIMENSION)
    const model = await bringIn(encodeModel(good), fresh)
    expect(model).toMatchObject({ failure: null, state: 'CANDIDATE', pairwiseF: null })
    expect((await activate(model.id as string)).userErrors[0].message).toMatch(
      /is not measured.*freeze a dataset version, and bring it in again/,
    )
  })

  it('embeds nothing: setEmbedder refuses it', async () => {
    const [model] = await p.models()
    const { setEmbedder } = await t.ok(
      'mutation($input: SetEmbedderInput!) { setEmbedder(input: $input) { userErrors { code message path } } }',
      {
        input: {
          projectId: encodeRoot('Project', p.projectId),
          kind: 'MODEL',
          modelVersionId: encodeId('ModelVersion', model as { projectId: string; id: string }),
          idempotencyKey: key(),
        },
      },
    )
    expect(setEmbedder.userErrors).toEqual([
      {
        code: 'INVALID',
        message: 'modelVersionId must be a model that embeds pictures: number 1 clusters, activateModel puts it to use',
        path: ['input', 'modelVersionId'],
      },
    ])
  })

  it('that an attempt has measured before a crash is left as it is', async () => {
    const model = await bringIn(encodeModel(good))
    const at = { projectId_id: { projectId: p.projectId, id: model.jobId as string } }
    await t.app.prisma.job.update({ where: at, data: { state: 'QUEUED', finishedAt: null } })
    await p.run(model.jobId as string)
    expect(await p.job(model.jobId as string)).toMatchObject({ state: 'SUCCEEDED' })
    expect(await lookAt(model.id as string)).toMatchObject({ state: model.state, pairwiseF: model.pairwiseF })
  })
})
