import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { key, type TestApp } from './app.ts'
import { syntheticItems } from './synthetic.ts'

const SHAPES = [
  '<circle cx="60" cy="60" r="42"/>',
  '<rect x="20" y="20" width="80" height="80"/>',
  '<path d="M60 14 106 100H14z"/>',
  '<path d="M60 10 110 60 60 110 10 60z"/>',
  '<path d="M14 44h92v32H14z"/>',
]

/** A picture that tells the class by shape and hue, and the item by a small turn. */
function draw(classIndex: number, itemIndex: number): Buffer {
  const hue = (classIndex * 47) % 360
  const turn = itemIndex * 9 - 20
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="120"><rect width="120" height="120" fill="hsl(${(hue + 180) % 360} 25% 92%)"/>` +
      `<g fill="hsl(${hue} 60% 45%)" transform="rotate(${turn} 60 60) scale(.9) translate(6 6)">${SHAPES[classIndex % SHAPES.length]}</g></svg>`,
  )
}

export interface ReviewProject {
  readonly projectId: string
  readonly runId: string
  /** The class of each item by its external key. */
  readonly truthOf: ReadonlyMap<string, string>
}

/**
 * A project as annotators meet it: drawn pictures, one published run made without a model, and its questions in the
 * queue. The noise leaves enough doubt for dozens of questions.
 */
export async function openReviewProject(
  t: TestApp,
  {
    name = 'Shapes',
    classes = 30,
    perClass = 8,
    noise = 0.52,
    seed = 11,
  }: { name?: string; classes?: number; perClass?: number; noise?: number; seed?: number } = {},
): Promise<ReviewProject> {
  const items = syntheticItems({ classes, perClass, noise, seed })
  const folder = path.join(t.folder, name)
  mkdirSync(folder)
  const lines = await Promise.all(
    items.map(async ({ externalKey, embedding }, i) => {
      const file = path.join(folder, `${i}.webp`)
      await sharp(draw(Math.floor(i / perClass), i % perClass))
        .webp()
        .toFile(file)
      return JSON.stringify({ externalKey, embedding, image: path.basename(file) })
    }),
  )
  const manifest = path.join(folder, 'manifest.jsonl')
  writeFileSync(manifest, lines.join('\n'))
  const project = await importAndPublish(t, { name, embeddingDimension: 16, manifest })
  return { ...project, truthOf: new Map(items.map(({ externalKey, truth }) => [externalKey, truth])) }
}

/** A project from a manifest: imported, clustered without a model, published, its questions in the queue. */
export async function importAndPublish(
  t: TestApp,
  { name, embeddingDimension, manifest }: { name: string; embeddingDimension: number; manifest: string },
): Promise<Omit<ReviewProject, 'truthOf'>> {
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
    { input: { name, embeddingDimension, idempotencyKey: key() } },
  )
  const projectId: string = createProject.project.id
  const { startImport } = await t.ok(
    'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message } } }',
    { input: { projectId, manifestUrl: pathToFileURL(manifest).href, idempotencyKey: key() } },
  )
  const imported = await t.waitForJob(startImport.job.id)
  if (imported.state !== 'SUCCEEDED' || imported.failedRowCount > 0)
    throw new Error(`import: ${JSON.stringify(imported)}`)
  const runId = await publishRun(t, projectId)
  await waitForQuestions(t, projectId)
  return { projectId, runId }
}

/** Clusters by a threshold, which needs no labels, and publishes. */
export async function publishRun(t: TestApp, projectId: string): Promise<string> {
  const { startClusterRun } = await t.ok(
    'mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) { clusterRun { id job { id } } userErrors { message } } }',
    { input: { projectId, incremental: false, method: 'THRESHOLD', idempotencyKey: key() } },
  )
  const { id, job } = startClusterRun.clusterRun
  const done = await t.waitForJob(job.id)
  if (done.state !== 'SUCCEEDED') throw new Error(`run: ${done.failure}`)
  const { project } = await t.ok('query($id: ID!) { project(id: $id) { ledgerRevision } }', { id: projectId })
  const { publishClusterRun } = await t.ok(
    'mutation($input: PublishClusterRunInput!) { publishClusterRun(input: $input) { userErrors { message } } }',
    { input: { clusterRunId: id, expectedLedgerRevision: project.ledgerRevision, idempotencyKey: key() } },
  )
  if (publishClusterRun.userErrors.length > 0) throw new Error(publishClusterRun.userErrors[0].message)
  return id
}

/** The queue is filled by a job that publishing has enqueued. */
async function waitForQuestions(t: TestApp, projectId: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { project } = await t.ok('query($id: ID!) { project(id: $id) { queueSummary { count { value } } } }', {
      id: projectId,
    })
    if (project.queueSummary.length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('no questions came within ten seconds')
}
