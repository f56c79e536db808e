import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRng } from '../../src/engine/rng.ts'
import { syntheticItems } from '../support/synthetic.ts'

const CLASSES = 150
const PER_CLASS = 8
const LABELLED = 100
// Fewer than the attempts a job has: all may hit the same one.
const KILLS = 4

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

/** Runs the loop in a process of its own, and kills it `killAfterMs` after it got its first job done or began anew. */
function runChild(killAfterMs?: number): Promise<{ output: string; wasKilled: boolean }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'tests/support/crash-child.ts', folder, manifest])
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      if (signal === 'SIGKILL') resolve({ output, wasKilled: true })
      else if (code === 0) resolve({ output, wasKilled: false })
      else reject(new Error(`the child ended with ${code}: ${errors}\n${output}`))
    })
  })
}

it('killed again and again in the middle of its jobs, the loop ends with the same rows: nothing lost, nothing double', async () => {
  const rng = createRng(11)
  let kills = 0
  let last = await runChild(2500)
  while (last.wasKilled && ++kills < KILLS) last = await runChild(2000 + rng.int(3500))
  if (last.wasKilled) last = await runChild()
  expect(kills).toBeGreaterThan(2)
  const summary = JSON.parse(last.output.trim().split('\n').at(-1) as string)
  expect(summary).toMatchObject({
    items: CLASSES * PER_CLASS,
    embeddings: CLASSES * PER_CLASS,
    members: LABELLED * PER_CLASS,
    vertices: CLASSES * PER_CLASS,
    models: 1,
    exportFiles: 1,
    failedRows: 1,
    jobs: [
      'import SUCCEEDED',
      'dataset_version SUCCEEDED',
      'training_run SUCCEEDED',
      'cluster_run SUCCEEDED',
      'review_queue SUCCEEDED',
      'export SUCCEEDED',
    ],
  })
  expect(summary.questions).toBe(summary.tasks)
  // A killed attempt was really in the middle of a job.
  expect(summary.attempts).toBeGreaterThan(summary.jobs.length)
}, 180_000)
