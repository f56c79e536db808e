import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { implementJob, type JobHandler } from '../../src/jobs/implement-job.ts'
import { recoverLostJobs, runJob } from '../../src/jobs/run-job.ts'
import { DomainError } from '../../src/services/errors.ts'
import { newId } from '../../src/services/id.ts'
import { defineJob, getDefinition } from '../../src/services/job-definition.ts'
import { cancelJob, enqueueJob } from '../../src/services/jobs.ts'
import { openTestApp, type TestApp } from '../support/app.ts'
import { openLedgerProject } from '../support/ledger-project.ts'

/** A job of this test: counts to `to`, one checkpoint a step. */
const counting = defineJob({ name: 'test_counting', payload: z.object({ to: z.number() }), maxAttempts: 3 })

let t: TestApp
afterEach(() => t?.close())

async function open() {
  t = await openTestApp({ works: false })
  return openLedgerProject(t, [1], 0)
}

const handlersOf = (handler: JobHandler) => new Map([[handler.name, handler]])

async function enqueue({ projectId, viewer }: Awaited<ReturnType<typeof open>>, to = 5) {
  const job = await t.app.prisma.$transaction((tx) =>
    enqueueJob(tx, t.app, counting, { projectId, payload: { to }, createdById: viewer.userId }),
  )
  return { message: { projectId, jobId: job.id }, ref: { projectId, id: job.id } }
}

const read = ({ projectId, id }: { projectId: string; id: string }) =>
  t.app.prisma.job.findUniqueOrThrow({ where: { projectId_id: { projectId, id } } })

const never = new AbortController().signal

describe('a job', () => {
  it('exists if and only if the transaction that enqueued it commits', async () => {
    const p = await open()
    const rolledBack = t.app.prisma.$transaction(async (tx) => {
      await enqueueJob(tx, t.app, counting, { projectId: p.projectId, payload: { to: 1 } })
      throw new Error('changed my mind')
    })
    await expect(rolledBack).rejects.toThrow('changed my mind')
    expect(await t.app.prisma.job.count({ where: { projectId: p.projectId } })).toBe(0)
    const [row] = await t.app.prisma.$queryRaw<
      { n: number }[]
    >`SELECT count(*)::int AS n FROM pgboss.job WHERE name = 'tributary'`
    expect(row?.n).toBe(0)
  })

  it('runs to its end and says how far it got', async () => {
    const p = await open()
    const { message, ref } = await enqueue(p)
    const handler = implementJob(counting, async ({ payload, progress, failRow }) => {
      for (let i = 1; i <= payload.to; i++) progress('count', i, payload.to)
      failRow({ row: 7, problem: 'looks odd' })
    })
    await runJob(t.app, handlersOf(handler), message, never)
    expect(await read(ref)).toMatchObject({
      state: 'SUCCEEDED',
      phase: 'count',
      completed: 5,
      total: 5,
      failedRowCount: 1,
      attempts: 1,
    })
    expect((await read(ref)).failedRowsFileKey).toMatch(/^sha256\//)
  })

  it('is failed at once by a refusal, with code and message, and its subject is told in the same transaction', async () => {
    const p = await open()
    const { message, ref } = await enqueue(p)
    const told: string[] = []
    const handler = implementJob(
      counting,
      async () => {
        throw new DomainError('INVALID_STATE', 'nothing to count')
      },
      async (_tx, _job, { state, failure }) => void told.push(`${state} ${failure}`),
    )
    await runJob(t.app, handlersOf(handler), message, never)
    expect(await read(ref)).toMatchObject({ state: 'FAILED', failure: 'INVALID_STATE: nothing to count', attempts: 1 })
    expect(told).toEqual(['FAILED INVALID_STATE: nothing to count'])
  })

  it('is tried again after an outage, and fails masked after the last attempt', async () => {
    const p = await open()
    const { message, ref } = await enqueue(p)
    const handler = implementJob(counting, async () => {
      throw new Error('secret of the database')
    })
    for (let attempt = 1; attempt < getDefinition('test_counting').maxAttempts; attempt++) {
      await runJob(t.app, handlersOf(handler), message, never)
      expect(await read(ref)).toMatchObject({ state: 'QUEUED', attempts: attempt })
    }
    await runJob(t.app, handlersOf(handler), message, never)
    const { state, failure } = await read(ref)
    expect(state).toBe('FAILED')
    expect(failure).toMatch(/^INTERNAL: .* incident [0-9a-f-]{36}$/)
    expect(failure).not.toContain('secret')
  })

  it('stops within a second when it is cancelled', async () => {
    const p = await open()
    const { message, ref } = await enqueue(p)
    const handler = implementJob(counting, async ({ signal, progress }) => {
      for (let i = 0; ; i++) {
        signal.throwIfAborted()
        progress('count', i)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
    const running = runJob(t.app, handlersOf(handler), message, never)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const askedAt = performance.now()
    expect(await cancelJob(t.app, p.viewer, ref)).toMatchObject({ state: 'CANCELING' })
    await running
    expect(performance.now() - askedAt).toBeLessThan(1000)
    expect(await read(ref)).toMatchObject({ state: 'CANCELED', failure: null })
  })

  it('that waits is cancelled without being begun', async () => {
    const p = await open()
    const { message, ref } = await enqueue(p)
    await cancelJob(t.app, p.viewer, ref)
    let hasBegun = false
    const handler = implementJob(counting, async () => {
      hasBegun = true
    })
    await runJob(t.app, handlersOf(handler), message, never)
    expect(hasBegun).toBe(false)
    expect(await read(ref)).toMatchObject({ state: 'CANCELED' })
  })

  it('whose worker died goes back to the queue and on from its checkpoint', async () => {
    const p = await open()
    const { message, ref } = await enqueue(p)
    // As a killed worker leaves it.
    await t.app.prisma.job.update({
      where: { projectId_id: ref },
      data: { state: 'RUNNING', attempts: 1, startedAt: new Date(0), heartbeatAt: new Date(0), checkpoint: { at: 3 } },
    })
    const counted: number[] = []
    const handler = implementJob(counting, async ({ app, job, payload, checkpoint }) => {
      const { at } = job.checkpoint as { at: number }
      for (let i = at + 1; i <= payload.to; i++) {
        counted.push(i)
        await app.prisma.$transaction((tx) => checkpoint(tx, { at: i }))
      }
    })
    expect(await recoverLostJobs(t.app, handlersOf(handler), new Set())).toBe(1)
    expect(await read(ref)).toMatchObject({ state: 'QUEUED' })
    await runJob(t.app, handlersOf(handler), message, never)
    expect(counted).toEqual([4, 5])
    expect(await read(ref)).toMatchObject({ state: 'SUCCEEDED', attempts: 2 })
  })

  it('is run by one of two workers that were handed it', async () => {
    const p = await open()
    const { message } = await enqueue(p)
    let runs = 0
    const handler = implementJob(counting, async () => {
      runs++
    })
    await Promise.all([
      runJob(t.app, handlersOf(handler), message, never),
      runJob(t.app, handlersOf(handler), message, never),
    ])
    expect(runs).toBe(1)
  })

  it('of an unknown id is nothing to do', async () => {
    const { projectId } = await open()
    const handler = implementJob(counting, async () => {})
    await runJob(t.app, handlersOf(handler), { projectId, jobId: newId() }, never)
  })
})
