/**
 * The whole platform at scale: import through the API, similarity index, a published run, then clients through the real
 * server. Prints a table and writes JSON.
 *
 * Usage: npm run bench:platform -- [--n 100000] [--clients 20] [--seconds 20] [--pause 5000] [--noise 0.5] [--json FILE] [--folder DIR]
 *          [--keep] [--reuse NAME] [--only similarity,identity,review,matrix]
 * `--keep` leaves the database as it was before the clients came and prints its name; `--reuse NAME` measures on a copy of
 * such a one, without importing and publishing again; `--only` names what is measured, `import` nothing else; `--top N` prints the N heaviest
 * statements of each phase.
 * Needs PostgreSQL 17 with pgvector: its own by scripts/pg17.sh, or the server of DATABASE_URL (which needs
 * pg_stat_statements for the counts of statements).
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { loadConfig } from '../src/config.ts'
import { loadKernels } from '../src/engine/kernels/select.ts'
import { createRng } from '../src/engine/rng.ts'
import type { Matrix } from '../src/engine/types.ts'
import { openApp } from '../src/open-app.ts'
import { decodeRoot, encodeId, encodeRoot } from '../src/resolvers/global-id.ts'
import { newId } from '../src/services/id.ts'
import { writeRunResult } from '../src/services/run-result.ts'
import { refreshStatistics } from '../src/services/statistics.ts'
import { createUserWithToken } from '../src/services/users.ts'
import { syntheticFeatures } from './features.ts'
import { proposeClusters, writeManifest, writeMatrix } from './platform-data.ts'
import { type Api, connect, drive, type Latencies, summarise } from './platform-load.ts'
import { cpuSecondsOf, rssMiB, startApi, startDatabase } from './platform-processes.ts'

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '100000' },
    clients: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '20' },
    pause: { type: 'string', default: '5000' },
    noise: { type: 'string', default: '0.5' },
    json: { type: 'string' },
    folder: { type: 'string' },
    keep: { type: 'boolean', default: false },
    reuse: { type: 'string' },
    top: { type: 'string', default: '0' },
    only: { type: 'string', default: 'similarity,identity,review,matrix' },
  },
})
const wanted = new Set(values.only.split(','))
const n = Number(values.n)
const clientCount = Number(values.clients)
const seconds = Number(values.seconds)
const pauseMs = Number(values.pause)
const noise = Number(values.noise)
const DIMENSION = 256
const SEED = 7
const NEIGHBOURS = 10
/** Tasks in one batch of an annotator, and their kinds: pairs, which most questions are. */
const BATCH = 10
const KINDS = ['EDGE', 'MERGE']
const MOST_TASKS = 50_000
const WARM_UP_SECONDS = 6
/** Similarity searches whose recall is measured. */
const QUERIES = 200

interface Check {
  readonly what: string
  readonly target: string
  readonly measured: number
  readonly passed: boolean
}
const checks: Check[] = []
const phases: Record<string, Latencies> = {}
const report: Record<string, unknown> = {
  phases,
  n,
  dimension: DIMENSION,
  clients: clientCount,
  cores: availableParallelism(),
}

function say(what: string, detail: unknown): void {
  const text =
    typeof detail === 'string'
      ? detail
      : Object.entries(detail as object)
          .map(([key, value]) => `${key} ${value}`)
          .join('  ')
  console.log(`${what.padEnd(46)} ${text}`)
}
function check(what: string, measured: number, relation: '<' | '>=' | '<=', bound: number, unit: string): void {
  const passed = relation === '<' ? measured < bound : relation === '<=' ? measured <= bound : measured >= bound
  checks.push({ what, target: `${relation} ${bound} ${unit}`, measured, passed })
}
const round = (value: number, digits = 1) => Math.round(value * 10 ** digits) / 10 ** digits
const since = (from: number) => round((performance.now() - from) / 1000)

const PORT = 5_600 + Math.floor(Math.random() * 300)
const folder = path.resolve(values.folder ?? path.join(tmpdir(), 'tributary-platform-bench'))
mkdirSync(folder, { recursive: true })
const work = mkdtempSync(path.join(folder, 'run-'))
const server = startDatabase(path.join(folder, 'pg17'), PORT)
const name = `bench_${randomBytes(4).toString('hex')}`
const admin = new pg.Client({ connectionString: server.url })
await admin.connect()
await admin.query(`CREATE DATABASE "${name}"${values.reuse ? ` TEMPLATE "${values.reuse}" STRATEGY file_copy` : ''}`)
const hasStatements = await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements').then(
  () => true,
  () => false,
)
const own = new URL(server.url)
own.pathname = `/${name}`

const env = {
  DATABASE_URL: own.href,
  TRIBUTARY_DATA_DIR: path.join(work, 'data'),
  IMPORT_ROOTS: work,
  LOG_LEVEL: 'error',
  NODE_ENV: 'production',
  PORT: String(PORT + 1),
  WORKER: 'in-process',
  DATABASE_POOL_SIZE: String(Math.min(32, clientCount + 4)),
  INDEX_MEMORY_MB: '2000',
  SIGNING_SECRET: 'a secret of the benchmark, and of nothing else',
}
const api = await startApi(env)
const opened = await openApp(loadConfig({ ...env, WORKER: 'none' }))
const { app } = opened

async function main(): Promise<void> {
  const { rows: versions } = await admin.query('SHOW server_version')
  say(
    'PostgreSQL',
    `${versions[0].server_version}, ${n} items of ${DIMENSION} values, ${availableParallelism()} cores, load ${load()}`,
  )

  const made = performance.now()
  const { features, labels, classes, sizesFrom } = syntheticFeatures(n, DIMENSION, SEED, noise)
  say('synthetic features', `${classes} classes, sizes from ${sizesFrom}, ${since(made)} s`)
  const { secret, user } = await createUserWithToken(app, 'Engineer')
  const engineer = connect(api.url, secret)
  if (values.only === 'import') {
    const project = await createProject(engineer, 'Lines')
    await importManifest(engineer, project, features)
    await buildIndex(engineer, decodeRoot('Project', project))
    await importMatrix(engineer, features)
    return engineer.close()
  }
  const { projectId, project, itemIds } = values.reuse
    ? await reopen(user.id)
    : await build(engineer, user.id, features, labels, classes)

  const clients: Api[] = []
  for (let i = 0; i < clientCount; i++) {
    const made = await createUserWithToken(app, `Annotator ${i}`)
    await app.prisma.membership.create({ data: { projectId, userId: made.user.id, role: 'ANNOTATOR' } })
    clients.push(connect(api.url, made.secret))
  }
  if (wanted.has('similarity')) await measureSimilarity(clients, projectId, project, itemIds, features)
  if (wanted.has('identity')) await measureIdentityPage(clients, projectId)
  if (wanted.has('review')) await measureReview(clients, project, labels)
  if (wanted.has('matrix')) await importMatrix(engineer, features)
  for (const client of [engineer, ...clients]) client.close()
}

interface Built {
  readonly projectId: string
  readonly project: string
  readonly itemIds: string[]
}

const CREATE_PROJECT = `mutation($input: CreateProjectInput!) {
  createProject(input: $input) { project { id } userErrors { message } } }`

async function createProject(client: Api, projectName: string): Promise<string> {
  const input = { name: projectName, embeddingDimension: DIMENSION, idempotencyKey: randomUUID() }
  return (await client.ask(CREATE_PROJECT, { input })).createProject.project.id
}

/** Everything that lies behind a project that people work on. */
async function build(
  engineer: Api,
  userId: string,
  features: Matrix,
  labels: Int32Array,
  classes: number,
): Promise<Built> {
  const project = await createProject(engineer, 'Scale')
  const { id: projectId, activeSpaceId } = await app.prisma.project.findFirstOrThrow()
  await importManifest(engineer, project, features)
  // The job of the similarity index runs beside all this, as it does for people who go on after an import.
  const itemIds = await readItemIds(projectId)
  await publishRun(engineer, { projectId, project, spaceId: activeSpaceId, userId }, itemIds, features, labels, classes)
  await buildIndex(engineer, projectId)
  if (values.keep) await keepCopy()
  return { projectId, project, itemIds }
}

async function importManifest(engineer: Api, project: string, features: Matrix): Promise<void> {
  const manifest = path.join(work, 'items.jsonl')
  await writeManifest(manifest, features)
  const figures = await importItems(engineer, project, manifest)
  report.import = figures
  say('import (JSONL, base64)', figures)
  check('import, embeddings a second', figures.rowsPerSecond, '>=', 20_000, '/s')
  const growth = figures.peakRssMiBRest - figures.peakRssMiBFirstThird
  check('import, growth of memory after the first third', growth, '<', 200, 'MiB')
  rmSync(manifest)
}

/** A copy of the database as it is now, for later runs. */
async function keepCopy(): Promise<void> {
  const kept = `kept_${n}_${randomBytes(2).toString('hex')}`
  // A copy needs a source that nobody is connected to; what was connected comes back by itself.
  await admin.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`)
  try {
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
    await admin.query(`CREATE DATABASE "${kept}" TEMPLATE "${name}" STRATEGY file_copy`)
  } finally {
    await admin.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`)
  }
  say('kept', `${kept}: --reuse ${kept} measures on a copy of it`)
}

/** The project of a kept database. */
async function reopen(userId: string): Promise<Built> {
  const { id: projectId } = await app.prisma.project.findFirstOrThrow()
  await app.prisma.membership.create({ data: { projectId, userId, role: 'ENGINEER' } })
  const itemIds = await readItemIds(projectId)
  if (itemIds.length !== n || !itemIds[n - 1]) throw new Error(`${values.reuse} has another number of items than ${n}`)
  await admin.query('CREATE EXTENSION IF NOT EXISTS pg_prewarm')
  await app.prisma.$executeRaw`CREATE EXTENSION IF NOT EXISTS pg_prewarm`
  await app.prisma.$queryRaw`SELECT sum(pg_prewarm(oid::regclass))::text FROM pg_class
    WHERE relkind IN ('r', 'i', 't') AND relnamespace = 'public'::regnamespace`
  // What the copy has left to write would be waited for by the first commits.
  await admin.query('CHECKPOINT')
  return { projectId, project: encodeRoot('Project', projectId), itemIds }
}

/** The same vectors as a matrix file with a file of keys, into a project of its own. */
async function importMatrix(engineer: Api, features: Matrix): Promise<void> {
  const project = await createProject(engineer, 'Matrix')
  const file = path.join(work, 'matrix.npy')
  await writeMatrix(file, features)
  const figures = await importItems(engineer, project, file)
  report.importMatrix = figures
  say('import (.npy with keys)', figures)
  check('import of a matrix, embeddings a second', figures.rowsPerSecond, '>=', 20_000, '/s')
}

const load = () => round(loadavg()[0] as number)

/** Polls a job through the API, as a client does, and samples memory. */
async function settled(client: Api, jobId: string, onLook: (completed: number) => void = () => {}): Promise<void> {
  for (;;) {
    const { job } = await client.ask('query($id: ID!) { job(id: $id) { state failure completed failedRowCount } }', {
      id: jobId,
    })
    onLook(job.completed ?? 0)
    if (job.state === 'SUCCEEDED' && job.failedRowCount === 0) return
    if (['SUCCEEDED', 'FAILED', 'CANCELED'].includes(job.state)) throw new Error(`job: ${JSON.stringify(job)}`)
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

/** Imports a file of n rows through the API, into an empty project. */
async function importItems(client: Api, project: string, file: string) {
  const [apiCpu, databaseCpu] = [cpuSecondsOf(api.pid), cpuSecondsOf(server.pid)]
  const { startImport } = await client.ask(
    'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message } } }',
    {
      input: {
        projectId: project,
        manifestUrl: pathToFileURL(file).href,
        onExisting: 'REJECT',
        idempotencyKey: randomUUID(),
      },
    },
  )
  const memory: { completed: number; rss: number }[] = []
  await settled(client, startImport.job.id, (completed) => memory.push({ completed, rss: rssMiB(api.pid) }))
  const cpu = { api: cpuSecondsOf(api.pid) - apiCpu, database: cpuSecondsOf(server.pid) - databaseCpu }
  const projectId = decodeRoot('Project', project)
  const job = await app.prisma.job.findFirstOrThrow({ where: { projectId, kind: 'import' } })
  const took = ((job.finishedAt as Date).getTime() - (job.startedAt as Date).getTime()) / 1000
  const stored = await app.prisma.embedding.count({ where: { projectId } })
  if (stored !== n) throw new Error(`the import stored ${stored} embeddings: expected ${n}`)
  return {
    seconds: round(took),
    rowsPerSecond: Math.round(stored / took),
    apiCpuMicrosPerRow: round((1e6 * cpu.api) / n),
    databaseCpuMicrosPerRow: round((1e6 * cpu.database) / n),
    peakRssMiBFirstThird: Math.max(...memory.filter(({ completed }) => completed <= n / 3).map(({ rss }) => rss)),
    peakRssMiBRest: Math.max(...memory.filter(({ completed }) => completed > n / 3).map(({ rss }) => rss)),
    load: load(),
  }
}

async function buildIndex(client: Api, projectId: string): Promise<void> {
  const job = await app.prisma.job.findFirst({ where: { projectId, kind: 'embedding_index' } })
  if (!job) return say('similarity index', 'none: exact search below 5000 rows')
  await settled(client, encodeId('Job', job))
  const { startedAt, finishedAt } = await app.prisma.job.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: job.id } },
  })
  const { searchWidth, searchRecall } = await app.prisma.embeddingSpace.findFirstOrThrow({ where: { projectId } })
  const [size] = await app.prisma.$queryRaw<{ mib: number }[]>`
    SELECT (sum(pg_relation_size(indexrelid)) / 1048576)::int AS mib FROM pg_stat_user_indexes WHERE indexrelname LIKE 'Embedding_hnsw%'`
  const figures = {
    seconds: ((finishedAt as Date).getTime() - (startedAt as Date).getTime()) / 1000,
    sizeMiB: size?.mib,
    width: searchWidth,
    ownRecall: searchRecall,
    load: load(),
  }
  report.index = figures
  say('similarity index (HNSW, concurrently)', figures)
}

/** Row i of the features is item `item-i`. */
async function readItemIds(projectId: string): Promise<string[]> {
  const ids = new Array<string>(n)
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const items = await app.prisma.$queryRaw<{ id: string; externalKey: string }[]>`
      SELECT "id", "externalKey" FROM "Item" WHERE "projectId" = ${projectId}::uuid AND "id" > ${after}::uuid ORDER BY "id" LIMIT 50000`
    for (const { id, externalKey } of items) ids[Number(externalKey.slice(5))] = id
    if (items.length === 0) return ids
    after = items.at(-1)?.id as string
  }
}

interface Place {
  projectId: string
  project: string
  spaceId: string
  userId: string
}

/** A proposal made up from the truth, written by the product's writer and published through the API. */
async function publishRun(
  client: Api,
  place: Place,
  itemIds: string[],
  features: Matrix,
  labels: Int32Array,
  classes: number,
): Promise<void> {
  const { projectId, spaceId, userId } = place
  const proposal = proposeClusters(features, labels, classes, SEED)
  const id = newId()
  let from = performance.now()
  await app.prisma.$transaction(
    async (tx) => {
      await tx.clusterRun.create({
        data: {
          projectId,
          id,
          jobId: newId(),
          method: 'GCN_VE',
          spaceId,
          createdById: userId,
          vertexCount: n,
          clusterCount: proposal.clusterSizes.length,
          state: 'READY',
        },
      })
      await writeRunResult(tx, { projectId, id }, itemIds, proposal as never, () => {})
      await refreshStatistics({ prisma: tx }, 'Vertex', 'Cluster', 'MergeEdge')
    },
    { timeout: 3_600_000 },
  )
  say('run written (clusters made up, not computed)', {
    clusters: proposal.clusterSizes.length,
    mergeCandidates: proposal.mergeCandidates.count,
    seconds: since(from),
    load: load(),
  })
  report.runWriteSeconds = since(from)
  from = performance.now()
  const { publishClusterRun } = await client.ask(
    'mutation($input: PublishClusterRunInput!) { publishClusterRun(input: $input) { clusterRun { state } userErrors { message } } }',
    {
      input: {
        clusterRunId: encodeId('ClusterRun', { projectId, id }),
        expectedLedgerRevision: 0,
        idempotencyKey: randomUUID(),
      },
    },
  )
  if (publishClusterRun.userErrors.length > 0) throw new Error(JSON.stringify(publishClusterRun.userErrors))
  report.publishSeconds = since(from)
  say('published through the API', { seconds: since(from), load: load() })
  const job = await app.prisma.job.findFirstOrThrow({ where: { projectId, kind: 'review_queue' } })
  await settled(client, encodeId('Job', job))
  const { startedAt, finishedAt } = await app.prisma.job.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: job.id } },
  })
  const built = ((finishedAt as Date).getTime() - (startedAt as Date).getTime()) / 1000
  report.queueBuildSeconds = built
  // The product asks a few thousand questions a run; twenty clients without a pause would answer those within seconds.
  await addTasks(projectId, id, Math.min(MOST_TASKS, Math.floor(n / 5)))
  const tasks = await app.prisma.reviewTask.count({ where: { projectId, state: 'PENDING' } })
  await refreshStatistics(app, 'ReviewTask')
  say('review queue built', { seconds: built, openTasks: tasks, load: load() })
}

async function addTasks(projectId: string, runId: string, count: number): Promise<void> {
  await app.prisma.$transaction(
    async (tx) => {
      await tx.$executeRaw`SET LOCAL statement_timeout = 0`
      await tx.$executeRaw`
    INSERT INTO "ReviewTask" ("projectId", "id", "kind", "priority", "runId", "questionKey", "leftItemId", "rightItemId",
      "leftIdentityId", "rightIdentityId", "childIndex", "parentIndex", "similarity", "probability", "panels")
    SELECT v."projectId", gen_random_uuid(), 'EDGE', v."impact", v."runId", 'bench:' || v."itemId", v."itemId", u."itemId",
      c."identityId", c."identityId", v."index", u."index", v."parentSimilarity", v."parentProbability",
      jsonb_build_object('left', jsonb_build_object('itemIds', jsonb_build_array(v."itemId"), 'memberCount', v."subtreeSize"),
        'right', jsonb_build_object('itemIds', jsonb_build_array(u."itemId") || coalesce((SELECT jsonb_agg(x."itemId") FROM (
          SELECT w."itemId" FROM "Vertex" w WHERE w."projectId" = v."projectId" AND w."runId" = v."runId"
            AND w."clusterIndex" = v."clusterIndex" AND w."index" NOT IN (v."index", u."index") LIMIT 5) x), '[]'::jsonb),
          'memberCount', c."size" - v."subtreeSize"))
    FROM (SELECT * FROM "Vertex" WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid
      AND "parentIndex" IS NOT NULL ORDER BY "impact" DESC, "index" LIMIT ${count}) v
    JOIN "Vertex" u ON u."projectId" = v."projectId" AND u."runId" = v."runId" AND u."index" = v."parentIndex"
    JOIN "Cluster" c ON c."projectId" = v."projectId" AND c."runId" = v."runId" AND c."index" = v."clusterIndex"
    ON CONFLICT DO NOTHING`
    },
    { timeout: 3_600_000 },
  )
}

/** Statements of one operation, as the server counted them; the worker's own looks into its queue are left out. */
async function countStatements(operation: () => Promise<unknown>): Promise<number | undefined> {
  if (!hasStatements) return undefined
  await operation()
  const ROUNDS = 5
  const count = async () => {
    const { rows } = await admin.query(
      `SELECT coalesce(sum(s.calls), 0)::int AS n FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
       WHERE d.datname = $1 AND s.query NOT ILIKE '%pgboss%' AND s.query NOT ILIKE '%recoverLostJobs%'`,
      [name],
    )
    return rows[0].n as number
  }
  const before = await count()
  for (let i = 0; i < ROUNDS; i++) await operation()
  return round(((await count()) - before) / ROUNDS)
}

async function phase(
  what: string,
  operations: readonly (() => Promise<void>)[],
  pause: number,
): Promise<Latencies & { cpuMs: number }> {
  const cpu = () => cpuSecondsOf(api.pid) + (server.pid ? cpuSecondsOf(server.pid) : 0)
  const before = cpu()
  const apiBefore = cpuSecondsOf(api.pid)
  const heaviest = await watchStatements()
  // Long enough for each client to come a dozen times.
  const found = await drive(operations, { seconds: Math.max(seconds, (12 * pause) / 1000), pauseMs: pause })
  const figures = {
    ...found,
    cpuMs: round((1000 * (cpu() - before)) / found.count),
    apiCpuMs: round((1000 * (cpuSecondsOf(api.pid) - apiBefore)) / found.count),
    rss: rssMiB(api.pid),
    load: load(),
  }
  phases[what] = figures
  say(what, figures)
  await heaviest(found.count)
  return figures
}

/** Prints what the heaviest statements have taken since the call, by operation. */
async function watchStatements(): Promise<(operations: number) => Promise<void>> {
  const count = Number(values.top)
  if (count === 0 || !hasStatements) return async () => {}
  const read = async () => {
    const { rows } = await admin.query<{ query: string; calls: number; ms: number }>(
      `SELECT s.query, sum(s.calls)::float8 AS calls, sum(s.total_exec_time + s.total_plan_time) AS ms
       FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $1 GROUP BY 1`,
      [name],
    )
    return new Map(rows.map((row) => [row.query, row]))
  }
  const before = await read()
  return async (operations) => {
    const spent = [...(await read())].map(([query, { calls, ms }]) => ({
      query: query.trim().replace(/\s+/g, ' ').slice(0, 90),
      calls: calls - (before.get(query)?.calls ?? 0),
      ms: ms - (before.get(query)?.ms ?? 0),
    }))
    for (const { query, calls, ms } of spent.sort((a, b) => b.ms - a.ms).slice(0, count)) {
      say(
        '',
        `${round(ms / operations, 2)} ms an operation  ${round(calls / operations, 2)} calls of ${round(ms / calls, 2)} ms  ${query}`,
      )
    }
  }
}

const SEARCH = `query($input: SimilaritySearchInput!, $project: ID, $first: Int!) {
  similaritySearch(input: $input, projectId: $project, first: $first) { similarity item { id externalKey thumbnailUrl(size: 256) } } }`

async function measureSimilarity(
  clients: readonly Api[],
  projectId: string,
  project: string,
  itemIds: readonly string[],
  features: Matrix,
): Promise<void> {
  const rng = createRng(SEED + 1)
  const queries = Int32Array.from({ length: QUERIES }, () => rng.int(n))
  const { kernels } = await loadKernels()
  const from = performance.now()
  const exact = await kernels.knn(features, NEIGHBOURS, { queries })
  say('exact neighbours of a sample', `${QUERIES} queries, ${since(from)} s`)
  const client = clients[0] as Api
  const byItem = (v: number) =>
    client.ask(SEARCH, {
      input: { itemId: encodeId('Item', { projectId, id: itemIds[v] as string }) },
      project,
      first: NEIGHBOURS,
    })
  const vectorOf = (v: number) => Array.from(features.data.subarray(v * DIMENSION, (v + 1) * DIMENSION))
  // A stored vector finds itself first, which is no neighbour.
  const byVector = (v: number) => client.ask(SEARCH, { input: { vector: vectorOf(v) }, project, first: NEIGHBOURS + 1 })
  for (const [what, ask] of [
    ['by item', byItem],
    ['by vector', byVector],
  ] as const) {
    await drive([() => ask(rng.int(n))], { seconds: WARM_UP_SECONDS, pauseMs: 0 })
    let hits = 0
    const taken: number[] = []
    const startedAt = performance.now()
    for (const [i, v] of queries.entries()) {
      const at = performance.now()
      const { similaritySearch } = await ask(v)
      taken.push(performance.now() - at)
      const nearest = new Set(Array.from(exact.ids.subarray(i * NEIGHBOURS, (i + 1) * NEIGHBOURS), (u) => `item-${u}`))
      for (const { item } of similaritySearch) if (nearest.has(item.externalKey)) hits++
    }
    const recall = round(hits / (NEIGHBOURS * queries.length), 4)
    const statements = await countStatements(() => ask(queries[1] as number))
    const figures = { ...summarise(taken, (performance.now() - startedAt) / 1000), recall, statements, load: load() }
    report[`similarity ${what}`] = figures
    say(`similarity ${what}, one client`, figures)
    check(`similarity ${what}, p95`, figures.p95, '<', 20, 'ms')
    check(`similarity ${what}, recall@10`, recall, '>=', 0.95, '')
    if (statements !== undefined) check(`similarity ${what}, statements`, statements, '<=', 12, '')
  }
  const searches = clients.map((client) => async () => {
    await client.ask(SEARCH, {
      input: { itemId: encodeId('Item', { projectId, id: itemIds[rng.int(n)] as string }) },
      project,
      first: NEIGHBOURS,
    })
  })
  await phase(`similarity, ${clients.length} clients, pause ${pauseMs} ms`, searches, pauseMs)
  await phase(`similarity, ${clients.length} clients, no pause`, searches, 0)
}

const IDENTITY_PAGE = `query($id: ID!) { identity(id: $id) { id name state revision memberCount risk purity { value low high }
  cover { id thumbnailUrl(size: 256) }
  members(first: 60, orderBy: RISK_DESC) { edges { source node { id externalKey thumbnailUrl(size: 256) }
    vertex { id confidence subtreeSize } } pageInfo { hasNextPage endCursor } }
  mergeCandidates(first: 12) { probability isForbidden identity { id name memberCount cover { id thumbnailUrl(size: 256) } }
    bestEdge { similarity probability } }
  history(first: 20) { edges { node { id kind ledgerRevision decidedAt actor { displayName } itemCount } } } } }`

async function measureIdentityPage(clients: readonly Api[], projectId: string): Promise<void> {
  // The list that people work down: riskiest first, which are large ones.
  const identities = await app.prisma.identity.findMany({
    where: { projectId, state: 'PROPOSED' },
    orderBy: { risk: 'desc' },
    take: 2_000,
    select: { id: true, memberCount: true },
  })
  const rng = createRng(SEED + 2)
  const open = (client: Api) => async () => {
    const { id } = identities[rng.int(identities.length)] as { id: string }
    await client.ask(IDENTITY_PAGE, { id: encodeId('Identity', { projectId, id }) })
  }
  await measure('identity page', clients.map(open), 150)
}

async function measure(what: string, operations: readonly (() => Promise<void>)[], target: number): Promise<void> {
  const one = operations[0] as () => Promise<void>
  const statements = await countStatements(one)
  if (statements !== undefined) {
    say(`${what}, statements`, String(statements))
    check(`${what}, statements`, statements, '<=', 12, '')
  }
  // What a server has after its first minutes: compiled code, statistics of tables that have just begun to fill (autovacuum
  // looks once a minute), and plans that every session keeps.
  await drive(operations, { seconds: WARM_UP_SECONDS, pauseMs: 0 })
  await app.prisma.$executeRawUnsafe('ANALYZE')
  await drive(operations, { seconds: WARM_UP_SECONDS, pauseMs: 0 })
  await phase(`${what}, 1 client`, [one], 0)
  const paced = await phase(`${what}, ${operations.length} clients, pause ${pauseMs} ms`, operations, pauseMs)
  check(`${what}, ${operations.length} clients, p95, pause ${pauseMs} ms`, paced.p95, '<', target, 'ms')
  // Saturation: told, not judged.
  await phase(`${what}, ${operations.length} clients, no pause`, operations, 0)
}

/** What the review page asks for. */
const TASK = `id kind state priority revision leaseExpiresAt edge { similarity probability child { id } }
  panels { memberCount identity { id name state } items { id externalKey width height
    small: thumbnailUrl(size: 160) large: thumbnailUrl(size: 320) } }`
const CLAIM = `mutation($input: ClaimReviewTasksInput!) { claimReviewTasks(input: $input) { tasks { ${TASK} } userErrors { message } } }`
const SUBMIT = `mutation($input: SubmitReviewAnswersInput!) { submitReviewAnswers(input: $input) {
  results { task { id state } decision { id ledgerRevision } userErrors { code message } } nextTasks { ${TASK} } userErrors { message } } }`

interface Task {
  id: string
  revision: number
  panels: { items: { externalKey: string }[] }[]
}

async function measureReview(clients: readonly Api[], project: string, truth: Int32Array): Promise<void> {
  const counts = { answers: 0, decisions: 0, refused: 0 }
  const rowOf = (task: Task, side: number) => Number(task.panels[side]?.items[0]?.externalKey.slice(5))
  const operations: (() => Promise<void>)[] = []
  for (const client of clients) {
    const { claimReviewTasks } = await client.ask(CLAIM, {
      input: { projectId: project, count: BATCH, kinds: KINDS, idempotencyKey: randomUUID() },
    })
    let tasks: Task[] = claimReviewTasks.tasks
    operations.push(async () => {
      if (tasks.length === 0) throw new Error('the queue ran dry')
      const answers = tasks.map((task) => ({
        taskId: task.id,
        expectedRevision: task.revision,
        verdict: truth[rowOf(task, 0)] === truth[rowOf(task, 1)] ? 'SAME' : 'DIFFERENT',
        durationMs: 1500,
      }))
      const { submitReviewAnswers } = await client.ask(SUBMIT, {
        input: { answers, claimNext: BATCH, kinds: KINDS, idempotencyKey: randomUUID() },
      })
      for (const { decision, userErrors } of submitReviewAnswers.results) {
        counts.answers++
        if (decision) counts.decisions++
        if (userErrors.length > 0) counts.refused++
      }
      tasks = submitReviewAnswers.nextTasks
    })
  }
  await measure(`submit ${BATCH} + claim ${BATCH}`, operations, 100)
  report.review = counts
  say('answers', counts)
}

try {
  await main()
  console.log('')
  for (const { what, target, measured, passed } of checks) {
    console.log(`${passed ? 'pass' : 'MISS'}  ${what.padEnd(58)} ${String(measured).padStart(10)}  target ${target}`)
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...report, checks }, null, 2)}\n`)
} finally {
  await opened.close()
  await api.stop()
  await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`)
  await admin.end()
  server.stop()
  rmSync(work, { recursive: true, force: true })
}
