/**
 * Makes a project, imports a JSONL manifest of embeddings, clusters it and counts the items.
 * Usage: TRIBUTARY_TOKEN=... npx tsx examples/typescript/import-and-cluster.ts MANIFEST.jsonl DIMENSION [URL]
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createClient } from '../../client/client.ts'
import {
  CreateProjectDocument,
  CreateUploadDocument,
  ItemsDocument,
  StartClusterRunDocument,
  StartImportDocument,
} from '../../client/generated.ts'

export async function importAndCluster(url: string, token: string, manifest: string, embeddingDimension: number) {
  const client = createClient({ url, token })
  const { project } = await client.mutate(CreateProjectDocument, {
    input: { name: path.basename(manifest), embeddingDimension, idempotencyKey: randomUUID() },
  })
  if (!project) throw new Error('no project was made')
  const projectId = project.id

  // Files are put on a signed address, and named by their staged one afterwards.
  const bytes = readFileSync(manifest)
  const { uploadUrl, stagedUrl } = await client.mutate(CreateUploadDocument, {
    input: { projectId, fileName: path.basename(manifest), byteSize: bytes.length },
  })
  const stored = await fetch(uploadUrl as string, { method: 'PUT', body: bytes })
  if (!stored.ok) throw new Error(`the upload was answered with ${stored.status}`)

  const started = await client.mutate(StartImportDocument, {
    input: { projectId, manifestUrl: stagedUrl as string, idempotencyKey: randomUUID() },
  })
  const imported = await client.waitForJob(started.job?.id as string, { everyMs: 200 })
  const { clusterRun } = await client.mutate(StartClusterRunDocument, {
    input: { projectId, method: 'THRESHOLD', idempotencyKey: randomUUID() },
  })
  await client.waitForJob(clusterRun?.job.id as string, { everyMs: 200 })

  const externalKeys: string[] = []
  for await (const item of client.pages(ItemsDocument, { projectId, first: 2 }, ({ project }) => project?.items)) {
    externalKeys.push(item.externalKey)
  }
  return { projectId, externalKeys, failedRowCount: imported.failedRowCount }
}

if (import.meta.filename === process.argv[1]) {
  const [manifest = '', dimension = '', url = 'http://127.0.0.1:4000/graphql'] = process.argv.slice(2)
  const { externalKeys, failedRowCount } = await importAndCluster(
    url,
    process.env.TRIBUTARY_TOKEN ?? '',
    manifest,
    Number(dimension),
  )
  console.log(`${externalKeys.length} items, ${failedRowCount} rows left out`)
}
