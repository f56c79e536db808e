import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { syntheticItems } from '../support/synthetic.ts'

const CLASSES = 40
const PER_CLASS = 6
const LABELLED = 30
/** One that never comes stands for the end of the work: done, and nobody has been told. */
const NEVER = 1_000_000
/** Kind of job, and which of its progress reports is its last. Each line of deaths has a data folder of its own. */
const LIVES: readonly (readonly (readonly [string, number])[])[] = [
  [
    ['import', 2],
    ['import', NEVER],
    ['dataset_version', 1],
    ['training_run', 4],
  ],
  [
    ['cluster_run', 8],
    ['cluster_run', NEVER],
    ['review_queue', 2],
    ['export', 1],
    ['export', NEVER],
  ],
]

const folders: string[] = []

/** A data folder with a manifest in it. */
function prepare(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'crash-'))
  folders.push(folder)
  const lines = syntheticItems({ classes: CLASSES, perClass: PER_CLASS, noise: 0.4 }).map(
    ({ externalKey, truth, embedding }, i) =>
      JSON.stringify({ externalKey, embedding, ...(i < LABELLED * PER_CLASS && { label: truth }) }),
  )
  writeFileSync(path.join(folder, 'manifest.jsonl'), `${lines.join('\n')}\n{"externalKey":"bad","embedding":[1]}\n`)
  return folder
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Runs the loop in a process of its own, which kills itself in the middle of the job named. */
function runChild(folder: string, ...death: string[]): Promise<{ output: string; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [
      '--import',
      'tsx',
      'tests/support/crash-child.ts',
      folder,
      path.join(folder, 'manifest.jsonl'),
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

/** How often each kind of job is begun in a life: once more than it was killed. */
function attemptsIn(deaths: readonly (readonly [string, number])[]): string[] {
  const kinds = ['import', 'dataset_version', 'training_run', 'cluster_run', 'review_queue', 'export']
  return kinds.map((kind) => `${kind} SUCCEEDED ${1 + deaths.filter(([killed]) => killed === kind).length}`)
}

it('killed in the middle of every kind of job, the loop ends with the same rows: nothing lost, nothing double', async () => {
  const summaries = await Promise.all(
    LIVES.map(async (deaths) => {
      const folder = prepare()
      for (const [kind, nth] of deaths) {
        const { signal } = await runChild(folder, kind, String(nth))
        expect([kind, signal]).toEqual([kind, 'SIGKILL'])
      }
      const { output, signal } = await runChild(folder)
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
        jobs: attemptsIn(deaths),
      })
      expect(summary.tasks).toBeGreaterThan(0)
      expect(summary.questions).toBe(summary.tasks)
      // The audit's questions are drawn by ids, which differ from folder to folder.
      const { jobs: _jobs, tasks: _tasks, questions: _questions, ...rows } = summary
      return rows
    }),
  )
  // Killed here or there, the same rows in the end.
  expect(summaries[0]).toEqual(summaries[1])
}, 300_000)
