/**
 * The loop after an import: cluster, publish, answer questions, freeze a snapshot, export it and check what was downloaded.
 * Usage: TRIBUTARY_TOKEN=... npx tsx examples/typescript/review-and-export.ts PROJECT_ID [URL]
 * Questions are answered here by a function; in a team people answer them on the review page.
 */
import { createHash, randomUUID } from 'node:crypto'
import { type Client, createClient } from '../../client/client.ts'
import {
  ClaimReviewTasksDocument,
  type ClaimReviewTasksMutation,
  ClusterRunDocument,
  CreateDatasetVersionDocument,
  CreateExportDocument,
  ExportDocument,
  ProjectStateDocument,
  PublishClusterRunDocument,
  StartClusterRunDocument,
  SubmitReviewAnswersDocument,
} from '../../client/generated.ts'

export type Question = ClaimReviewTasksMutation['claimReviewTasks']['tasks'][number]
type Verdict = 'SAME' | 'DIFFERENT' | 'UNSURE'

const QUESTIONS_A_CALL = 10

/** Computes a run and publishes it: its clusters are proposed, and its questions wait in the queue. */
export async function clusterAndPublish(client: Client, projectId: string, method: 'THRESHOLD' | 'AUTO') {
  const { clusterRun: begun } = await client.mutate(StartClusterRunDocument, {
    input: { projectId, method, incremental: false, idempotencyKey: randomUUID() },
  })
  if (!begun) throw new Error('no run was begun')
  await client.waitForJob(begun.job.id, { everyMs: 200 })
  // Publishing names the head of the ledger that was seen: who decided something meanwhile is not overruled.
  const { project } = await client.request(ProjectStateDocument, { id: projectId })
  await client.mutate(PublishClusterRunDocument, {
    input: {
      clusterRunId: begun.id,
      expectedLedgerRevision: project?.ledgerRevision ?? 0,
      idempotencyKey: randomUUID(),
    },
  })
  return (await client.request(ClusterRunDocument, { id: begun.id })).clusterRun
}

/** Holds questions about pairs, answers them and holds the next in the same call, until `most` are answered or none is left. */
export async function answerQuestions(
  client: Client,
  projectId: string,
  judge: (question: Question) => Verdict,
  most: number,
): Promise<{ answered: number; decisions: number }> {
  const kinds = ['EDGE', 'MERGE'] as const
  const claimed = await client.mutate(ClaimReviewTasksDocument, {
    input: { projectId, count: Math.min(most, QUESTIONS_A_CALL), kinds: [...kinds], idempotencyKey: randomUUID() },
  })
  let questions: Question[] = claimed.tasks
  let answered = 0
  let decisions = 0
  while (questions.length > 0) {
    const left = most - answered - questions.length
    const { results, nextTasks } = await client.mutate(SubmitReviewAnswersDocument, {
      input: {
        answers: questions.map((question) => ({
          taskId: question.id,
          expectedRevision: question.revision,
          verdict: judge(question),
          durationMs: 1_000,
        })),
        claimNext: Math.max(0, Math.min(left, QUESTIONS_A_CALL)),
        kinds: [...kinds],
        idempotencyKey: randomUUID(),
      },
    })
    answered += results.length
    decisions += results.filter(({ decision }) => decision).length
    questions = nextTasks
  }
  return { answered, decisions }
}

/** Freezes what people stand behind, and downloads it; each file is held against its size and SHA-256. */
export async function exportSnapshot(client: Client, projectId: string, format: 'JSONL' | 'PARQUET') {
  const { datasetVersion, job } = await client.mutate(CreateDatasetVersionDocument, {
    input: { projectId, idempotencyKey: randomUUID() },
  })
  await client.waitForJob(job?.id as string, { everyMs: 200 })
  const { export: made } = await client.mutate(CreateExportDocument, {
    input: { datasetVersionId: datasetVersion?.id as string, format, idempotencyKey: randomUUID() },
  })
  await client.waitForJob(made?.job.id as string, { everyMs: 200 })
  const { node } = await client.request(ExportDocument, { id: made?.id as string })
  const files: { name: string; bytes: Buffer }[] = []
  for (const { name, url, byteSize, sha256 } of node && 'files' in node ? node.files : []) {
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer())
    if (bytes.length !== byteSize || createHash('sha256').update(bytes).digest('hex') !== sha256) {
      throw new Error(`${name} was not downloaded whole: ask for its url again`)
    }
    files.push({ name, bytes })
  }
  return files
}

if (import.meta.filename === process.argv[1]) {
  const [projectId = '', url = 'http://127.0.0.1:4000/graphql'] = process.argv.slice(2)
  const client = createClient({ url, token: process.env.TRIBUTARY_TOKEN ?? '' })
  const run = await clusterAndPublish(client, projectId, 'AUTO')
  console.log(`${run?.clusterCount} clusters of ${run?.vertexCount} items. ${run?.explanation}`)
  const { answered } = await answerQuestions(client, projectId, () => 'UNSURE', 10)
  console.log(`${answered} questions shown`)
  for (const { name, bytes } of await exportSnapshot(client, projectId, 'JSONL'))
    console.log(`${name}: ${bytes.length} bytes`)
}
