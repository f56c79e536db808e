import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeModel } from '../../src/engine/index.ts'
import { decodeRoot, encodeId } from '../../src/resolvers/global-id.ts'
import { newId } from '../../src/services/id.ts'
import { standInModel } from '../engine/support/stand-in-model.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { NUISANCE, nuisanceItems } from '../support/nuisance-items.ts'
import { quickEngine } from '../support/quick-engine.ts'

let t: TestApp
let projectId: string
let datasetVersionId: string
const LABELLED = 64
const items = nuisanceItems({ classes: 76, perClass: 5 })
const DIMENSION = NUISANCE.signal + NUISANCE.noise

const SPACES = `query($id: ID!) { project(id: $id) { activeSpace { number } activeModel { number }
  embeddingSpaces { id number dimension embedder embeddedCount isActive model { number state } source { number }
    job { id state } } } }`
const spacesOf = async () => (await t.ok(SPACES, { id: projectId })).project

async function importLines(lines: object[]): Promise<void> {
  const manifest = path.join(t.folder, `manifest-${key()}.jsonl`)
  writeFileSync(manifest, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
  const { startImport } = await t.ok(
    'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message } } }',
    { input: { projectId, manifestUrl: pathToFileURL(manifest).href, onExisting: 'REPLACE', idempotencyKey: key() } },
  )
  expect(startImport.userErrors).toEqual([])
  expect(await t.waitForJob(startImport.job.id)).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 0 })
}

async function train(target: string, embedding?: object) {
  const { startTrainingRun } = await t.ok(
    `mutation($input: StartTrainingRunInput!) { startTrainingRun(input: $input) {
      trainingRun { id job { id } } userErrors { code message path } } }`,
    { input: { datasetVersionId, target, embedding, idempotencyKey: key() } },
  )
  if (startTrainingRun.userErrors.length > 0) return { userErrors: startTrainingRun.userErrors }
  const { id, job } = startTrainingRun.trainingRun
  const settled = await t.waitForJob(job.id)
  const { node } = await t.ok(
    `query($id: ID!) { node(id: $id) { ... on TrainingRun { lossCurve { step loss heldOutLoss } model { id number state
      target explanation identification { nearest tarAtFar1e2 itemCount } activeIdentification { nearest tarAtFar1e2 } } } } }`,
    { id },
  )
  return { settled, ...node }
}

/** A measured clustering model of the first space; what it has learnt does not matter here. */
async function addClusteringModel(): Promise<{ id: string; number: number }> {
  const id = decodeRoot('Project', projectId)
  const { key: weightsKey } = await t.app.files.put(encodeModel(standInModel(DIMENSION, 'import')))
  const model = await t.app.prisma.modelVersion.create({
    data: {
      projectId: id,
      id: newId(),
      number: 50,
      state: 'EVALUATED',
      target: 'CLUSTERING',
      weightsKey,
      embeddingDimension: DIMENSION,
      embedderId: 'import',
    },
  })
  return { id: encodeId('ModelVersion', model), number: model.number }
}

async function activate(embeddingSpaceId: string) {
  const { activateEmbeddingSpace } = await t.ok(
    `mutation($input: ActivateEmbeddingSpaceInput!) { activateEmbeddingSpace(input: $input) {
      embeddingSpace { number isActive } userErrors { code message } } }`,
    { input: { embeddingSpaceId, idempotencyKey: key() } },
  )
  return activateEmbeddingSpace
}

async function cluster(): Promise<{ number: number; embedder: string }> {
  const { startClusterRun } = await t.ok(
    `mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) {
      clusterRun { job { id } embeddingSpace { number embedder } } userErrors { message } } }`,
    { input: { projectId, incremental: false, method: 'INFOMAP', idempotencyKey: key() } },
  )
  expect(await t.waitForJob(startClusterRun.clusterRun.job.id)).toMatchObject({ state: 'SUCCEEDED' })
  return startClusterRun.clusterRun.embeddingSpace
}

beforeAll(async () => {
  t = await openTestApp()
  Object.assign(t.app.engine, quickEngine({ ...t.app.engine }))
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } userErrors { message } } }',
    { input: { name: 'Loud', embeddingDimension: DIMENSION, idempotencyKey: key() } },
  )
  projectId = createProject.project.id
  await importLines(
    items.map(({ externalKey, truth, embedding }, i) => ({
      externalKey,
      embedding,
      ...(i < LABELLED * 5 && { label: truth }),
    })),
  )
  const { createDatasetVersion } = await t.ok(
    `mutation($input: CreateDatasetVersionInput!) { createDatasetVersion(input: $input) {
      datasetVersion { id embeddingSpace { number } } job { id } userErrors { message } } }`,
    { input: { projectId, identityStates: ['CONFIRMED'], idempotencyKey: key() } },
  )
  expect(createDatasetVersion.userErrors).toEqual([])
  await t.waitForJob(createDatasetVersion.job.id)
  expect(createDatasetVersion.datasetVersion.embeddingSpace).toEqual({ number: 1 })
  datasetVersionId = createDatasetVersion.datasetVersion.id
})
afterAll(() => t?.close())

describe('an embedding model', () => {
  it('is refused where it can not begin, with a sentence', async () => {
    const messages = async (target: string, embedding?: object, more: object = {}) => {
      const { startTrainingRun } = await t.ok(
        `mutation($input: StartTrainingRunInput!) { startTrainingRun(input: $input) { userErrors { code message } } }`,
        { input: { datasetVersionId, target, embedding, idempotencyKey: key(), ...more } },
      )
      return startTrainingRun.userErrors
    }
    expect(await messages('EMBEDDING', { steps: 3 })).toEqual([
      { code: 'INVALID', message: 'steps must be 10 to 100000: got 3' },
    ])
    expect(await messages('CLUSTERING', { steps: 100 })).toEqual([
      { code: 'INVALID', message: 'embedding is for the target EMBEDDING: got CLUSTERING' },
    ])
  })

  it('learns from labels and pseudo-labels, is measured, and embeds every item into a space of its own', async () => {
    const { settled, model, lossCurve } = await train('EMBEDDING', { steps: 250 })
    expect(settled).toMatchObject({ state: 'SUCCEEDED', failure: null })
    expect(model).toMatchObject({ state: 'EVALUATED', number: 1, target: 'EMBEDDING' })
    // Ids decide which identities are held out, and some of them are told apart by their nearest neighbours already.
    expect(model.identification.nearest).toBeGreaterThanOrEqual(model.activeIdentification.nearest)
    expect(model.explanation).toMatch(
      /^Learnt from \d+ labelled samples of \d+ identities and \d+ pseudo-labelled ones/,
    )
    expect(lossCurve.length).toBeGreaterThan(1)
    const { embeddingSpaces, activeSpace } = await spacesOf()
    expect(activeSpace).toEqual({ number: 1 })
    const [first, second] = embeddingSpaces
    expect(first).toMatchObject({
      number: 1,
      embedder: 'import',
      embeddedCount: items.length,
      isActive: true,
      job: null,
    })
    await t.waitForJob(second.job.id)
    expect((await spacesOf()).embeddingSpaces[1]).toMatchObject({
      number: 2,
      dimension: DIMENSION,
      embeddedCount: items.length,
      isActive: false,
      source: { number: 1 },
      model: { number: 1 },
      job: { state: 'SUCCEEDED' },
    })
  })

  it('is activated with its space, used by new runs, and taken back with every vector as it was', async () => {
    const vectors = () => t.app.prisma.$queryRaw`
      SELECT "spaceId", "itemId", "vector"::text FROM "Embedding" ORDER BY 1, 2`
    const before = await vectors()
    // A clustering model of the first space comes and goes with it.
    const clustering = await addClusteringModel()
    const { activateModel } = await t.ok(
      'mutation($input: ActivateModelInput!) { activateModel(input: $input) { model { state } userErrors { message } } }',
      { input: { modelVersionId: clustering.id, idempotencyKey: key() } },
    )
    expect(activateModel).toEqual({ model: { state: 'ACTIVE' }, userErrors: [] })
    expect(await cluster()).toEqual({ number: 1, embedder: 'import' })
    const [first, second] = (await spacesOf()).embeddingSpaces

    expect(await activate(second.id)).toEqual({ embeddingSpace: { number: 2, isActive: true }, userErrors: [] })
    expect(await spacesOf()).toMatchObject({ activeSpace: { number: 2 }, activeModel: null })
    expect((await spacesOf()).embeddingSpaces[1].model).toEqual({ number: 1, state: 'ACTIVE' })
    expect(await cluster()).toMatchObject({ number: 2, embedder: expect.stringMatching(/^model:/) })
    const again = await t.ok(
      'mutation($input: ActivateModelInput!) { activateModel(input: $input) { userErrors { code message } } }',
      { input: { modelVersionId: clustering.id, idempotencyKey: key() } },
    )
    expect(again.activateModel.userErrors[0].message).toMatch(
      /has learnt from embeddings of import, and the active space/,
    )

    expect(await activate(first.id)).toMatchObject({ userErrors: [] })
    expect(await spacesOf()).toMatchObject({ activeSpace: { number: 1 }, activeModel: { number: clustering.number } })
    expect((await spacesOf()).embeddingSpaces[1].model).toEqual({ number: 1, state: 'ARCHIVED' })
    expect(await vectors()).toEqual(before)
  })

  it('finds neighbours of the same identity more often in its space than before', async () => {
    const [first, second] = (await spacesOf()).embeddingSpaces
    const unlabelled = items.slice(LABELLED * 5).map(({ externalKey }) => externalKey)
    const purity = async () => {
      const { project } = await t.ok(
        `query($id: ID!, $keys: [String!]) { project(id: $id) { items(first: 60, filter: { externalKeys: $keys }) {
          edges { node { externalKey similar(first: 3) { item { externalKey } } } } } } }`,
        { id: projectId, keys: unlabelled.slice(0, 60) },
      )
      const truth = (itemKey: string) => itemKey.split('/')[0]
      const found = project.items.edges.flatMap(
        ({ node }: { node: { externalKey: string; similar: { item: { externalKey: string } }[] } }) =>
          node.similar.map(({ item }) => truth(item.externalKey) === truth(node.externalKey)),
      )
      return found.filter(Boolean).length / found.length
    }
    await activate(first.id)
    const before = await purity()
    await activate(second.id)
    expect(await purity()).toBeGreaterThan(before)
  })

  it('that is worse than the active space on the hold-out is rejected: it gets no space, and nothing changes', async () => {
    const [, second] = (await spacesOf()).embeddingSpaces
    await activate(second.id)
    const { settled, model } = await train('EMBEDDING', { steps: 10 })
    expect(settled).toMatchObject({ state: 'SUCCEEDED', failure: null })
    expect(model).toMatchObject({ state: 'REJECTED', target: 'EMBEDDING' })
    const mean = (s: { nearest: number; tarAtFar1e2: number }) => (s.nearest + s.tarAtFar1e2) / 2
    expect(mean(model.identification)).toBeLessThan(mean(model.activeIdentification))
    expect((await spacesOf()).embeddingSpaces).toHaveLength(2)
    const { activateModel } = await t.ok(
      'mutation($input: ActivateModelInput!) { activateModel(input: $input) { userErrors { code message } } }',
      { input: { modelVersionId: model.id, idempotencyKey: key() } },
    )
    expect(activateModel.userErrors).toEqual([
      { code: 'INVALID_STATE', message: expect.stringContaining('measured worse than the active one') },
    ])
    expect((await spacesOf()).activeSpace).toEqual({ number: 2 })
  })

  it('embeds what is imported afterwards, also while its space is the active one, and anew what is replaced', async () => {
    const [fresh] = nuisanceItems({ classes: 1, perClass: 3, seed: 99 })
    const [old] = items
    const vectorOf = async (externalKey: string) => {
      const rows = await t.app.prisma.$queryRaw<{ number: number; v: string }[]>`
        SELECT s."number", e."vector"::text AS v FROM "Embedding" e JOIN "Item" i ON i."id" = e."itemId"
        JOIN "EmbeddingSpace" s ON s."id" = e."spaceId" WHERE i."externalKey" = ${externalKey} ORDER BY 1`
      return rows.map(({ v }) => v)
    }
    const before = await vectorOf(old?.externalKey as string)
    await importLines([
      { externalKey: 'fresh', embedding: fresh?.embedding },
      { externalKey: old?.externalKey, embedding: fresh?.embedding },
    ])
    const { embeddingSpaces } = await spacesOf()
    await t.waitForJob(embeddingSpaces[1].job.id)
    const { similaritySearch } = await t.ok(
      'query($input: SimilaritySearchInput!, $p: ID) { similaritySearch(input: $input, projectId: $p, first: 2) { item { externalKey } } }',
      { input: { vector: fresh?.embedding }, p: projectId },
    )
    expect(similaritySearch.map((s: { item: { externalKey: string } }) => s.item.externalKey).sort()).toEqual(
      ['fresh', old?.externalKey].sort(),
    )
    const fresher = await vectorOf('fresh')
    expect(fresher).toHaveLength(2)
    const after = await vectorOf(old?.externalKey as string)
    expect(after).toEqual(fresher)
    expect(after[1]).not.toEqual(before[1])
    expect((await spacesOf()).embeddingSpaces.map((s: { embeddedCount: number }) => s.embeddedCount)).toEqual([
      items.length + 1,
      items.length + 1,
    ])
  })

  it('can not be switched to while its items are being embedded, nor by people who may not', async () => {
    const [first, second] = (await spacesOf()).embeddingSpaces
    await activate(first.id)
    const space = await t.app.prisma.embeddingSpace.findFirstOrThrow({ where: { number: 2 } })
    const where = { projectId_id: { projectId: space.projectId, id: space.jobId as string } }
    await t.app.prisma.job.update({ where, data: { state: 'RUNNING', completed: 120, total: 360 } })
    expect((await activate(second.id)).userErrors).toEqual([
      {
        code: 'INVALID_STATE',
        message: 'space 2 is still being embedded: 120 of 360 items are done; wait for its job',
      },
    ])
    await t.app.prisma.job.update({ where, data: { state: 'SUCCEEDED' } })
    const { data } = await t.gql(
      `mutation($input: ActivateEmbeddingSpaceInput!) { activateEmbeddingSpace(input: $input) { userErrors { code } } }`,
      { input: { embeddingSpaceId: second.id, idempotencyKey: key() } },
      t.strangerToken,
    )
    expect(data.activateEmbeddingSpace.userErrors).toEqual([{ code: 'NOT_FOUND' }])
    expect((await spacesOf()).activeSpace).toEqual({ number: 1 })
  })
})
