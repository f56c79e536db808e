import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { syntheticItems } from '../support/synthetic.ts'

const CLASSES = 150
const PER_CLASS = 8
const LABELLED = 100
/** Kind of job, and which of its progress reports is its last; one that never comes stands for the end of its work. */
const NEVER = 1_000_000
const DEATHS: readonly (readonly [string, number])[] = [
  ['import', 2],
  ['import', NEVER],
  ['dataset_version', 1],
  ['training_run', 20],
  ['cluster_run', 8],
  ['cluster_run', NEVER],
  ['review_queue', 2],
  ['export', 1],
  ['export', NEVER],
]

let folder: string
let manifest: string

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crash-'))
  manifest = path.join(folder, 'manifest.jsonl')
  const lines = syntheticItems({ classes: CLASSES, perClass: PER_CLASS, noise: 0.4 }).map(
    ({ externalKey, truth, embedding }, i) =>
      JSON.stringify({ externalKey, embedding, ...(i < LABELLED * PER_CLASS && { label: truth }) }),
  )
  writeFileSync(manifest, `${lines.join('\n')}\n{"externalKey":"bad","embedding":[1]}\n`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the loop in a process of its own, which kills itself in the middle of the job named. */
function runChild(...death: string[]): Promise<{ output: string; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [
      '--import',
      'tsx',
      'tests/support/crash-child.ts',
      folder,
      manifest,
      ...death,
    ])
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.once('close', (code, signal) => {
      if (signal || code === 0) resolve({ output, signal })
      else reject(new Error(`the child ended with ${code}: ${errors}\n${output}`))
    })
  })
}

it('killed in the middle of every kind of job, the loop ends with the same rows: nothing lost, nothing double', async () => {
  for (const [kind, nth] of DEATHS) {
    const { signal } = await runChild(kind, String(nth))
    expect([kind, signal]).toEqual([kind, 'SIGKILL'])
  }
  const { output, signal } = await runChild()
  expect(signal).toBeNull()
  const summary = JSON.parse(output.trim().split('\n').at(-1) as string)
  expect(summary).toMatchObject({
    items: CLASSES * PER_CLASS,
    embeddings: CLASSES * PER_CLASS,
    members: LABELLED * PER_CLASS,
    vertices: CLASSES * PER_CLASS,
    models: 1,
    exportFiles: 1,
    failedRows: 1,
    // Kind, state, and how often it was begun: once more than it was killed.
    jobs: [
      'import SUCCEEDED 3',
      'dataset_version SUCCEEDED 2',
      'training_run SUCCEEDED 2',
      'cluster_run SUCCEEDED 3',
      'review_queue SUCCEEDED 2',
      'export SUCCEEDED 3',
    ],
  })
  expect(summary.questions).toBe(summary.tasks)
}, 300_000)
