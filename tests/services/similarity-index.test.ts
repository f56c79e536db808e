import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeId } from '../../src/resolvers/global-id.ts'
import { newId } from '../../src/services/id.ts'
import { leastThatDoes } from '../../src/services/search-width.ts'
import { findNearest, findNearestExactly } from '../../src/services/similarity.ts'
import { blobs } from '../engine/support/data.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'

const DIMENSION = 32
const { features } = blobs({ classes: 260, each: 20, d: DIMENSION, noise: 0.5, seed: 11 })
const norms = Array.from({ length: features.rows }, (_, v) => Math.hypot(...rowOf(v)))

function rowOf(v: number): Float32Array {
  return features.data.subarray(v * DIMENSION, (v + 1) * DIMENSION)
}

/** The ten most similar rows, by arithmetic. */
function exact(v: number): Set<string> {
  const query = rowOf(v)
  const scored = Array.from({ length: features.rows }, (_, u) => {
    let dot = 0
    for (let c = 0; c < DIMENSION; c++) dot += query[c] * features.data[u * DIMENSION + c]
    return { u, similarity: dot / norms[u] }
  }).filter(({ u }) => u !== v)
  scored.sort((a, b) => b.similarity - a.similarity)
  return new Set(scored.slice(0, 10).map(({ u }) => `item-${u}`))
}

describe('the width of searches', () => {
  const choose = (...recalls: number[]) =>
    leastThatDoes(recalls.map((searchRecall, i) => ({ searchWidth: 40 * (i + 1), searchRecall }))).searchWidth

  it('is the least that finds enough, or nearly as much as the widest', () => {
    expect(choose(0.99)).toBe(40)
    expect(choose(0.9, 0.98)).toBe(80)
    expect(choose(0.75, 0.88, 0.93, 0.955, 0.96)).toBe(160)
    expect(choose(0.7, 0.75, 0.8, 0.85, 0.9)).toBe(200)
  })
})

describe('similarity search over a large space', () => {
  let t: TestApp
  let projectId: string
  beforeAll(async () => {
    t = await openTestApp()
    const { createProject } = await t.ok(
      'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
      { input: { name: 'Large', embeddingDimension: DIMENSION, idempotencyKey: key() } },
    )
    projectId = createProject.project.id
    const manifest = path.join(t.folder, 'large.jsonl')
    const line = (v: number) =>
      JSON.stringify({ externalKey: `item-${v}`, embedding: Buffer.from(rowOf(v).slice().buffer).toString('base64') })
    writeFileSync(manifest, `${Array.from({ length: features.rows }, (_, v) => line(v)).join('\n')}\n`)
    const { startImport } = await t.ok(
      'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message } } }',
      { input: { projectId, manifestUrl: pathToFileURL(manifest).href, onExisting: 'REJECT', idempotencyKey: key() } },
    )
    expect(await t.waitForJob(startImport.job.id)).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 0 })
  }, 120_000)
  afterAll(() => t.close())

  it('has its HNSW index, and finds .95 of the ten nearest', async () => {
    const index = await t.app.prisma.job.findFirstOrThrow({ where: { kind: 'embedding_index' } })
    expect(await t.waitForJob(encodeId('Job', index))).toMatchObject({ state: 'SUCCEEDED' })
    const { project } = await t.ok('query($id: ID!) { project(id: $id) { activeSpace { searchRecall } } }', {
      id: projectId,
    })
    expect(project.activeSpace.searchRecall).toBeGreaterThanOrEqual(0.97)
    const [space] = await t.app.prisma.embeddingSpace.findMany()
    expect(space?.indexedAt).not.toBeNull()
    // Clear classes in 32 dimensions are found by the narrowest search.
    expect(space?.searchWidth).toBe(40)
    const indexes = await t.app.prisma.$queryRaw<{ indexdef: string }[]>`
      SELECT indexdef FROM pg_indexes WHERE indexdef LIKE '%hnsw%halfvec_ip_ops%'`
    expect(indexes.length).toBeGreaterThan(0)
    let found = 0
    const queries = Array.from({ length: 40 }, (_, i) => (i * 131) % features.rows)
    for (const v of queries) {
      const { similaritySearch } = await t.ok(
        'query($input: SimilaritySearchInput!, $p: ID) { similaritySearch(input: $input, projectId: $p, first: 11) { item { externalKey } } }',
        { input: { vector: [...rowOf(v)] }, p: projectId },
      )
      const nearest = exact(v)
      for (const { item } of similaritySearch) if (nearest.has(item.externalKey)) found++
    }
    expect(found / (10 * queries.length)).toBeGreaterThanOrEqual(0.95)
  }, 60_000)

  it('searches with the width of the space, which holds for one statement', async () => {
    const space = await t.app.prisma.embeddingSpace.findFirstOrThrow()
    const { itemId } = await t.app.prisma.embedding.findFirstOrThrow({ select: { itemId: true } })
    const widthOf = async (prisma: Pick<typeof t.app.prisma, '$queryRaw'>) => {
      const [row] = await prisma.$queryRaw<{ width: string }[]>`SELECT current_setting('hnsw.ef_search') AS "width"`
      return row?.width
    }
    const within = await t.app.prisma.$transaction(async (tx) => {
      await findNearest({ prisma: tx }, { ...space, searchWidth: 77 }, [itemId], 10)
      return widthOf(tx)
    })
    expect(within).toBe('77')
    await findNearest(t.app, { ...space, searchWidth: 78 }, [itemId], 10)
    for (let i = 0; i < 10; i++) expect(await widthOf(t.app.prisma)).toBe('120')
  })

  it('measures against a comparison with every item', async () => {
    const space = await t.app.prisma.embeddingSpace.findFirstOrThrow()
    const item = await t.app.prisma.item.findFirstOrThrow({ where: { externalKey: 'item-17' } })
    const nearest = await findNearestExactly(t.app, space, item.id, 10)
    const keys = await t.app.prisma.item.findMany({ where: { id: { in: nearest } }, select: { externalKey: true } })
    expect(new Set(keys.map(({ externalKey }) => externalKey))).toEqual(exact(17))
  })

  it('says that an item is unknown, and has nothing to say of one without a vector', async () => {
    const { projectId: project } = await t.app.prisma.embeddingSpace.findFirstOrThrow()
    const QUERY = 'query($input: SimilaritySearchInput!) { similaritySearch(input: $input, first: 3) { similarity } }'
    const unknown = encodeId('Item', { projectId: project, id: newId() })
    expect(await t.gql(QUERY, { input: { itemId: unknown } })).toMatchObject({
      errors: [{ extensions: { code: 'NOT_FOUND' } }],
    })
    const bare = await t.app.prisma.item.create({ data: { projectId: project, id: newId(), externalKey: 'bare' } })
    expect(await t.ok(QUERY, { input: { itemId: encodeId('Item', bare) } })).toEqual({ similaritySearch: [] })
  })
})
