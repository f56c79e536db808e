import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeRoot } from '../../src/resolvers/global-id.ts'
import { applyDecisionIn } from '../../src/services/decisions.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { syntheticItems } from '../support/synthetic.ts'

let t: TestApp
let projectId: string
let runId: string
let datasetVersionId: string
const items = syntheticItems({ classes: 80, perClass: 6, noise: 0.45 })
const LABELLED_CLASSES = 60
const truthOf = new Map(items.map(({ externalKey, truth }) => [externalKey, truth]))

beforeAll(async () => {
  t = await openTestApp()
})
afterAll(() => t?.close())

const RUN = `query($id: ID!) { clusterRun(id: $id) { state method vertexCount clusterCount ledgerRevision constraintsHonoured
  confidenceHistogram phases { name seconds } model { number } quality { pairwise { f } itemCount } job { state failure } } }`

async function clusterAndPublish(method?: string): Promise<string> {
  const { startClusterRun } = await t.ok(
    `mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) {
      clusterRun { id state job { id } } userErrors { message code } } }`,
    { input: { projectId, incremental: false, method, idempotencyKey: key() } },
  )
  expect(startClusterRun.userErrors).toEqual([])
  const { id, job } = startClusterRun.clusterRun
  expect(await t.waitForJob(job.id)).toMatchObject({ state: 'SUCCEEDED', failure: null })
  const { project } = await t.ok('query($id: ID!) { project(id: $id) { ledgerRevision } }', { id: projectId })
  const { publishClusterRun } = await t.ok(
    `mutation($input: PublishClusterRunInput!) { publishClusterRun(input: $input) {
      clusterRun { state } userErrors { message code } } }`,
    { input: { clusterRunId: id, expectedLedgerRevision: project.ledgerRevision, idempotencyKey: key() } },
  )
  expect(publishClusterRun).toEqual({ clusterRun: { state: 'PUBLISHED' }, userErrors: [] })
  return id
}

describe('the whole loop through the API', () => {
  it('makes a project', async () => {
    const { createProject } = await t.ok(
      'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id name } userErrors { message } } }',
      { input: { name: 'Birds', embeddingDimension: 16, idempotencyKey: key() } },
    )
    expect(createProject.userErrors).toEqual([])
    projectId = createProject.project.id
  })

  it('imports a manifest, labels for most of the classes, and lists the rows that fail', async () => {
    const lines: object[] = items.map(({ externalKey, truth, embedding }, i) => ({
      externalKey,
      embedding,
      ...(i < LABELLED_CLASSES * 6 && { label: truth }),
    }))
    lines.push({ externalKey: 'short', embedding: [1, 2] })
    lines.push({ externalKey: 'zero', embedding: new Array(16).fill(0) })
    lines.push({ externalKey: items[0]?.externalKey, embedding: items[0]?.embedding })
    // JSON has no NaN: packed vectors have.
    const broken = Buffer.from(new Float32Array(16).fill(Number.NaN).buffer).toString('base64')
    lines.push({ externalKey: 'nan', embedding: broken })
    const manifest = path.join(t.folder, 'manifest.jsonl')
    writeFileSync(manifest, `${lines.map((line) => JSON.stringify(line)).join('\n')}\nnot json\n`)
    const { startImport } = await t.ok(
      'mutation($input: StartImportInput!) { startImport(input: $input) { job { id kind } userErrors { message } } }',
      { input: { projectId, manifestUrl: pathToFileURL(manifest).href, onExisting: 'REJECT', idempotencyKey: key() } },
    )
    expect(startImport.userErrors).toEqual([])
    expect(await t.waitForJob(startImport.job.id)).toEqual({ state: 'SUCCEEDED', failure: null, failedRowCount: 5 })
    const { job } = await t.ok(
      'query($id: ID!) { job(id: $id) { failedRowsUrl failedRows(first: 2) { row externalKey problem } } }',
      { id: startImport.job.id },
    )
    expect(job.failedRows).toEqual([
      { row: items.length + 1, externalKey: 'short', problem: 'embedding must have 16 values: got 2' },
      {
        row: items.length + 2,
        externalKey: 'zero',
        problem: 'embedding must not be all zero: it has no direction',
      },
    ])
    const { pathname, search } = new URL(job.failedRowsUrl)
    const failed = await request(t.http.express)
      .get(pathname + search)
      .buffer(true)
      .parse((res, done) => {
        let text = ''
        res.on('data', (chunk: Buffer) => (text += chunk))
        res.on('end', () => done(null, text))
      })
    const rows = (failed.body as string)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const problems = new Map(rows.map(({ row, problem }) => [row - items.length, problem]))
    expect(problems.get(1)).toBe('embedding must have 16 values: got 2')
    expect(problems.get(2)).toBe('embedding must not be all zero: it has no direction')
    expect(problems.get(3)).toMatch(/exists already|stands in row/)
    expect(problems.get(4)).toBe('embedding must be finite: got NaN at position 0')
    expect(problems.get(5)).toMatch(/^not a JSON object/)
    const { project } = await t.ok(
      `query($id: ID!) { project(id: $id) { ledgerRevision items { totalCount { value isExact } }
        identities(first: 1) { totalCount { value } edges { node { name state memberCount purity { value } } } } } }`,
      { id: projectId },
    )
    expect(project.items.totalCount).toEqual({ value: items.length, isExact: true })
    expect(project.identities.totalCount.value).toBe(LABELLED_CLASSES)
    expect(project.identities.edges[0].node).toMatchObject({ state: 'CONFIRMED', memberCount: 6 })
  })

  it('finds similar items by item and by vector', async () => {
    const { project } = await t.ok(
      'query($id: ID!, $keys: [String!]) { project(id: $id) { items(filter: { externalKeys: $keys }) { edges { node { id similar(first: 5) { similarity item { externalKey } } } } } } }',
      { id: projectId, keys: [items[0]?.externalKey] },
    )
    const { node } = project.items.edges[0]
    expect(node.similar).toHaveLength(5)
    expect(node.similar.map((s: { similarity: number }) => s.similarity)).toEqual(
      node.similar.map((s: { similarity: number }) => s.similarity).sort((a: number, b: number) => b - a),
    )
    const { similaritySearch } = await t.ok(
      'query($input: SimilaritySearchInput!, $p: ID) { similaritySearch(input: $input, projectId: $p, first: 1) { similarity item { externalKey } } }',
      { input: { vector: items[3]?.embedding }, p: projectId },
    )
    expect(similaritySearch[0].item.externalKey).toBe(items[3]?.externalKey)
    expect(similaritySearch[0].similarity).toBeCloseTo(1, 5)
  })

  it('clusters without a model, publishes, and fills the queue', async () => {
    runId = await clusterAndPublish('THRESHOLD')
    const { clusterRun } = await t.ok(RUN, { id: runId })
    expect(clusterRun).toMatchObject({
      state: 'PUBLISHED',
      method: 'THRESHOLD',
      vertexCount: items.length,
      model: null,
    })
    expect(clusterRun.constraintsHonoured).toBeGreaterThan(0)
    expect(clusterRun.confidenceHistogram.reduce((a: number, b: number) => a + b)).toBe(items.length)
    const { clusterRun: page } = await t.ok(
      `query($id: ID!) { clusterRun(id: $id) { vertices(first: 5) { edges { node { confidence subtreeSize impact item { externalKey }
        pathToRoot { similarity probability child { id } parent { id } constraint { kind } } } } pageInfo { hasNextPage } }
        clusters(first: 3) { edges { node { size root { id } identity { id } vertices(first: 2) { edges { node { id } } } } } } } }`,
      { id: runId },
    )
    const confidences = page.vertices.edges.map((edge: { node: { confidence: number } }) => edge.node.confidence)
    expect(confidences).toEqual([...confidences].sort((a: number, b: number) => a - b))
  })

  it('asks, takes answers, and keeps them in the ledger', async () => {
    for (let i = 0; i < 100; i++) {
      const { project } = await t.ok(
        'query($id: ID!) { project(id: $id) { queueSummary { kind state count { value } } } }',
        { id: projectId },
      )
      if (project.queueSummary.length > 0) break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const { claimReviewTasks } = await t.ok(
      `mutation($input: ClaimReviewTasksInput!) { claimReviewTasks(input: $input) { userErrors { message } tasks {
        id revision kind state priority leaseExpiresAt assignee { displayName } answers { verdict }
        edge { similarity probability child { item { externalKey } } parent { item { externalKey } } }
        panels { memberCount identity { id } items { id externalKey thumbnailUrl } } } } }`,
      { input: { projectId, count: 10, kinds: ['EDGE', 'MERGE'], idempotencyKey: key() } },
    )
    const { tasks } = claimReviewTasks
    expect(tasks.length).toBeGreaterThan(0)
    const priorities = tasks.map((task: { priority: number }) => task.priority)
    expect(priorities).toEqual([...priorities].sort((a: number, b: number) => b - a))
    const answers = tasks.map(
      (task: { id: string; revision: number; panels: { items: { externalKey: string }[] }[] }) => ({
        taskId: task.id,
        expectedRevision: task.revision,
        verdict:
          // The question is about the first item of either side.
          truthOf.get(task.panels[0]?.items[0]?.externalKey as string) ===
          truthOf.get(task.panels[1]?.items[0]?.externalKey as string)
            ? 'SAME'
            : 'DIFFERENT',
        durationMs: 900,
      }),
    )
    const submit = `mutation($input: SubmitReviewAnswersInput!) { submitReviewAnswers(input: $input) {
      userErrors { message } results { task { id state } decision { kind ledgerRevision itemCount constraintsAdded { kind } } userErrors { message code } }
      nextTasks { id } } }`
    const input = { answers, claimNext: 3, idempotencyKey: key() }
    const { submitReviewAnswers } = await t.ok(submit, { input })
    expect(submitReviewAnswers.userErrors).toEqual([])
    expect(submitReviewAnswers.results.filter((r: { userErrors: object[] }) => r.userErrors.length > 0)).toEqual([])
    // One answer may settle another question of the batch, and gold decides nothing: these need no decision of their own.
    for (const { task, decision } of submitReviewAnswers.results) {
      expect(decision ? ['APPLIED'] : ['OBSOLETE', 'ANSWERED']).toContain(task.state)
    }
    expect(submitReviewAnswers.results.some((r: { decision: object | null }) => r.decision)).toBe(true)
    const again = await t.ok(submit, { input })
    expect(again.submitReviewAnswers).toEqual(submitReviewAnswers)
  })

  it('freezes a dataset, trains, activates, re-runs, and no decision is undone', async () => {
    const { createDatasetVersion } = await t.ok(
      `mutation($input: CreateDatasetVersionInput!) { createDatasetVersion(input: $input) {
        datasetVersion { id tag } job { id } userErrors { message } } }`,
      { input: { projectId, idempotencyKey: key() } },
    )
    expect(createDatasetVersion.userErrors).toEqual([])
    expect(await t.waitForJob(createDatasetVersion.job.id)).toMatchObject({ state: 'SUCCEEDED', failure: null })
    datasetVersionId = createDatasetVersion.datasetVersion.id
    const { startTrainingRun } = await t.ok(
      `mutation($input: StartTrainingRunInput!) { startTrainingRun(input: $input) { trainingRun { id job { id } } userErrors { message } } }`,
      { input: { datasetVersionId, idempotencyKey: key() } },
    )
    expect(startTrainingRun.userErrors).toEqual([])
    expect(await t.waitForJob(startTrainingRun.trainingRun.job.id)).toMatchObject({ state: 'SUCCEEDED', failure: null })
    const { node } = await t.ok(
      `query($id: ID!) { node(id: $id) { ... on TrainingRun { lossCurve { step loss } model { id state number pairwiseF { value low high sampleSize } activePairwiseF { value } activeBcubedF { value } } } } }`,
      { id: startTrainingRun.trainingRun.id },
    )
    expect(node.lossCurve.length).toBeGreaterThan(3)
    // No model was active before it: the gate has compared it with what runs do without one.
    expect(node.model).toMatchObject({
      state: expect.stringMatching(/^(EVALUATED|REJECTED)$/),
      activePairwiseF: { value: expect.any(Number) },
      activeBcubedF: { value: expect.any(Number) },
    })
    // Ids decide which of these few identities are held out, and that the verdict; verdicts have tests of their own.
    await t.app.prisma.modelVersion.updateMany({ where: { state: 'REJECTED' }, data: { state: 'EVALUATED' } })
    const { activateModel } = await t.ok(
      'mutation($input: ActivateModelInput!) { activateModel(input: $input) { model { state } userErrors { message } } }',
      { input: { modelVersionId: node.model.id, idempotencyKey: key() } },
    )
    expect(activateModel).toEqual({ model: { state: 'ACTIVE' }, userErrors: [] })
    const second = await clusterAndPublish()
    const { clusterRun } = await t.ok(
      'query($id: ID!, $against: ID!) { clusterRun(id: $id) { method model { number } diff(againstRunId: $against) { unchanged violatedDecisions movedItems { value } splits { itemCount before { size } after { size } } merges { itemCount } } } }',
      { id: second, against: runId },
    )
    expect(clusterRun).toMatchObject({ method: 'AUTO', model: { number: 1 }, diff: { violatedDecisions: 0 } })
  })

  it('lists snapshots, trainings, models and runs, newest first, page by page', async () => {
    const LISTS = `query($id: ID!, $after: String) { project(id: $id) {
      datasetVersions { edges { node { id itemCount job { state } } } }
      trainingRuns { edges { node { target job { state } datasetVersion { id } } } }
      modelVersions { edges { node { number state } } }
      clusterRuns(first: 1, after: $after) { pageInfo { hasNextPage endCursor } edges { node { id } } } } }`
    const { project } = await t.ok(LISTS, { id: projectId })
    expect(project.datasetVersions.edges).toEqual([
      { node: { id: datasetVersionId, itemCount: expect.any(Number), job: { state: 'SUCCEEDED' } } },
    ])
    expect(project.trainingRuns.edges).toEqual([
      { node: { target: 'CLUSTERING', job: { state: 'SUCCEEDED' }, datasetVersion: { id: datasetVersionId } } },
    ])
    expect(project.modelVersions.edges).toEqual([{ node: { number: 1, state: 'ACTIVE' } }])
    expect(project.clusterRuns.pageInfo.hasNextPage).toBe(true)
    const second = await t.ok(LISTS, { id: projectId, after: project.clusterRuns.pageInfo.endCursor })
    expect(second.project.clusterRuns.edges[0].node.id).toBe(runId)
  })

  it('exports the dataset in each format', async () => {
    for (const format of ['JSONL', 'CSV', 'PARQUET', 'LEARN_TO_CLUSTER']) {
      const { createExport } = await t.ok(
        'mutation($input: CreateExportInput!) { createExport(input: $input) { export { id job { id } } userErrors { message } } }',
        { input: { datasetVersionId, format, idempotencyKey: key() } },
      )
      expect(createExport.userErrors).toEqual([])
      expect(await t.waitForJob(createExport.export.job.id), format).toMatchObject({
        state: 'SUCCEEDED',
        failure: null,
      })
      const { node } = await t.ok(
        'query($id: ID!) { node(id: $id) { ... on Export { files { name url byteSize sha256 } } } }',
        { id: createExport.export.id },
      )
      expect(node.files.length, format).toBeGreaterThan(0)
      for (const file of node.files) expect(file.sha256).toMatch(/^[0-9a-f]{64}$/)
    }
  })

  it('says that a format of pictures needs pictures', async () => {
    const { createExport } = await t.ok(
      'mutation($input: CreateExportInput!) { createExport(input: $input) { export { job { id } } } }',
      { input: { datasetVersionId, format: 'IMAGE_FOLDER', idempotencyKey: key() } },
    )
    expect(await t.waitForJob(createExport.export.job.id)).toMatchObject({
      state: 'FAILED',
      failure: expect.stringContaining('IMAGE_FOLDER needs pictures: no item'),
    })
  })

  it('does not publish a run that would break a decision made since', async () => {
    const { startClusterRun } = await t.ok(
      'mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) { clusterRun { id job { id } } userErrors { message } } }',
      { input: { projectId, incremental: false, method: 'THRESHOLD', idempotencyKey: key() } },
    )
    const { id, job } = startClusterRun.clusterRun
    expect(await t.waitForJob(job.id)).toMatchObject({ state: 'SUCCEEDED' })
    // Two free members of one proposed cluster are told apart.
    const [pair] = await t.app.prisma.$queryRaw<{ a: string; b: string }[]>`
      SELECT v."itemId" AS a, u."itemId" AS b FROM "Vertex" v
      JOIN "ClusterRun" r ON r."projectId" = v."projectId" AND r."id" = v."runId" AND r."state" = 'READY'
      JOIN "Vertex" u ON u."projectId" = v."projectId" AND u."runId" = v."runId" AND u."index" = v."parentIndex"
      WHERE NOT EXISTS (SELECT 1 FROM "Constraint" x WHERE x."revokedById" IS NULL AND (x."leftItemId" IN (v."itemId", u."itemId")
        OR x."rightItemId" IN (v."itemId", u."itemId"))) LIMIT 1`
    const user = await t.app.prisma.user.findFirstOrThrow({ where: { displayName: 'Ada' } })
    const ref = decodeRoot('Project', projectId)
    await t.app.prisma.$transaction((tx) =>
      applyDecisionIn(
        tx,
        { projectId: ref, userId: user.id, requestId: 'test' },
        {
          separate: { leftItemId: pair?.a as string, rightItemId: pair?.b as string, leavingItemIds: [] },
        },
      ),
    )
    const publish = async () => {
      const { project } = await t.ok('query($id: ID!) { project(id: $id) { ledgerRevision } }', { id: projectId })
      const { publishClusterRun } = await t.ok(
        'mutation($input: PublishClusterRunInput!) { publishClusterRun(input: $input) { clusterRun { state } userErrors { code message } } }',
        { input: { clusterRunId: id, expectedLedgerRevision: project.ledgerRevision, idempotencyKey: key() } },
      )
      return publishClusterRun
    }
    const refused = await publish()
    expect(refused.clusterRun).toBeNull()
    expect(refused.userErrors[0]).toMatchObject({
      code: 'INVALID_STATE',
      message: expect.stringContaining('would break 1 human decisions'),
    })
  })

  it('shows an identity with its members, candidates and history in one call', async () => {
    const { project } = await t.ok(
      `query($id: ID!) { project(id: $id) { identities(first: 5, orderBy: SIZE_DESC) { edges { node { id name revision risk purity { value low high }
        members(first: 5) { edges { source node { externalKey thumbnailUrl } vertex { confidence } } }
        mergeCandidates { probability isForbidden identity { id } bestEdge { similarity } }
        history { edges { node { kind ledgerRevision actor { displayName } } } }
        membersAt(ledgerRevision: 1) { edges { node { externalKey } } } } } } } }`,
      { id: projectId },
    )
    expect(project.identities.edges.length).toBe(5)
    expect(project.identities.edges[0].node.members.edges[0].node.externalKey).toMatch(/^class-/)
  })
})
