import { randomUUID } from 'node:crypto'
import { EngineError } from '../engine/index.ts'
import type { Job, Prisma } from '../generated/prisma/client.ts'
import type { App, Tx } from '../services/app.ts'
import { recordAudit } from '../services/audit.ts'
import { DomainError } from '../services/errors.ts'
import {
  countFailedRows,
  dropFailedRows,
  type FailedRow,
  keepFailedRows,
  writeFailedRowsFile,
} from '../services/failed-rows.ts'
import { getDefinition } from '../services/job-definition.ts'
import type { JobMessage } from '../services/job-queue-port.ts'
import type { JobContext, JobHandler } from './implement-job.ts'

/** Progress and signs of life are written this often at most. */
const WRITE_EVERY_MS = 250
const BEAT_EVERY_MS = 2_000
/** Without a sign of life for this long, the worker is taken for dead. */
export const LOST_AFTER_MS = 30_000
const FIRST_RETRY_SECONDS = 2

/** Thrown into a job that was asked to stop. */
class StopRequest extends Error {}

const keyOf = ({ projectId, jobId }: JobMessage) => ({ projectId_id: { projectId, id: jobId } })

/** Takes the job, unless somebody else has it or it is settled. Cancelled before it began: settled here. */
async function claim(app: App, { projectId, jobId }: JobMessage): Promise<Job | undefined> {
  const [job] = await app.prisma.$queryRaw<Job[]>`
    /* claimJob */ UPDATE "Job" SET
      "state" = CASE WHEN "state" = 'QUEUED' THEN 'RUNNING'::"JobState" ELSE "state" END,
      "attempts" = "attempts" + 1, "startedAt" = coalesce("startedAt", now()),
      "heartbeatAt" = now(), "phaseStartedAt" = now()
    WHERE "projectId" = ${projectId}::uuid AND "id" = ${jobId}::uuid
      AND ("state" = 'QUEUED' OR ("state" = 'CANCELING' AND "startedAt" IS NULL))
    RETURNING *`
  return job
}

/** The part of a job that is written while it runs: phase, counts, sign of life; and the request to stop that it hears. */
class Pulse {
  readonly abort = new AbortController()
  /** Rows left out since the last checkpoint. */
  #pendingFailures: FailedRow[] = []
  #keptFailures = 0
  #phase: string | null = null
  #completed = 0
  #total: number | null = null
  #isDirty = false
  #lastWrite = 0
  #writing: Promise<void> | undefined
  readonly #timer: NodeJS.Timeout

  constructor(
    readonly app: App,
    readonly message: JobMessage,
  ) {
    this.#timer = setInterval(() => this.#tick(), WRITE_EVERY_MS)
  }

  progress(phase: string, completed = 0, total?: number): void {
    this.#phase = phase
    this.#completed = completed
    this.#total = total ?? null
    this.#isDirty = true
  }

  failRow(row: FailedRow): void {
    this.#pendingFailures.push(row)
  }

  /** Writes the rows left out so far with the caller's checkpoint, so that memory holds few of them. */
  async keepFailures(tx: Tx): Promise<void> {
    const rows = this.#pendingFailures
    this.#pendingFailures = []
    await keepFailedRows(tx, this.message, rows)
    this.#keptFailures += rows.length
  }

  /** What earlier attempts left out. */
  async recallFailures(): Promise<void> {
    this.#keptFailures = await countFailedRows(this.app, this.message)
  }

  #tick(): void {
    const now = Date.now()
    if (this.#writing || (!this.#isDirty && now - this.#lastWrite < BEAT_EVERY_MS)) return
    this.#lastWrite = now
    this.#isDirty = false
    // Not awaited: the job may hold the embedded database's only connection.
    this.#writing = this.#write()
      .catch((error) => this.app.log.warn({ err: error, ...this.message }, 'could not write the progress of a job'))
      .finally(() => {
        this.#writing = undefined
      })
  }

  async #write(): Promise<void> {
    const { projectId, jobId } = this.message
    const [row] = await this.app.prisma.$queryRaw<{ state: string }[]>`
      /* jobProgress */ UPDATE "Job" SET "heartbeatAt" = now(), "completed" = ${this.#completed}, "total" = ${this.#total},
        "failedRowCount" = ${this.#keptFailures + this.#pendingFailures.length},
        "phaseStartedAt" = CASE WHEN "phase" IS DISTINCT FROM ${this.#phase} THEN now() ELSE "phaseStartedAt" END,
        "phase" = ${this.#phase}
      WHERE "projectId" = ${projectId}::uuid AND "id" = ${jobId}::uuid AND "state" IN ('RUNNING', 'CANCELING')
      RETURNING "state"::text`
    if (row?.state !== 'RUNNING') this.abort.abort(new StopRequest('asked to stop'))
  }

  /** Stops the timer; afterwards nothing but the caller writes the row. */
  async stop(): Promise<{ phase: string | null; completed: number; total: number | null }> {
    clearInterval(this.#timer)
    await this.#writing
    return { phase: this.#phase, completed: this.#completed, total: this.#total }
  }

  /** The file of all rows left out, when the job has come to its end. */
  async fileFailures(): Promise<{ failedRowCount: number; failedRowsFileKey: string | null }> {
    if (this.#pendingFailures.length > 0) await this.app.prisma.$transaction((tx) => this.keepFailures(tx))
    const failedRowCount = await countFailedRows(this.app, this.message)
    return {
      failedRowCount,
      failedRowsFileKey: failedRowCount > 0 ? await writeFailedRowsFile(this.app, this.message) : null,
    }
  }
}

const isRefusal = (error: unknown): error is DomainError | EngineError =>
  error instanceof DomainError || (error instanceof EngineError && error.code !== 'ABORTED')

/** Notes how a job ended, in the transaction that settles it; nobody is the actor. */
function recordEnd(tx: Tx, { projectId, id, kind }: Job, ending: 'succeeded' | 'failed' | 'canceled'): Promise<void> {
  const system = { userId: null, requestId: `job-${id}` }
  return recordAudit(tx, system, { projectId, action: `job.${ending}`, target: ['Job', id], detail: { kind } })
}

/** Runs one queued job, in a span of its own, and counts how it ended. */
export async function runJob(
  app: App,
  handlers: ReadonlyMap<string, JobHandler>,
  message: JobMessage,
  shutdown: AbortSignal,
): Promise<void> {
  const job = await claim(app, message)
  if (!job) return
  const { kind, id } = job
  const startedAt = performance.now()
  const attributes = { 'tributary.job.kind': kind, 'tributary.job.id': id }
  const outcome = await app.tracing.span(`job ${kind}`, attributes, () =>
    runClaimed(app, handlers, job, message, shutdown),
  )
  app.metrics.countJob({ kind, outcome, seconds: (performance.now() - startedAt) / 1_000 })
}

type Ending = 'succeeded' | 'failed' | 'canceled' | 'requeued'

/**
 * Runs one claimed job to its end and settles its row. A refusal (DomainError, EngineError) fails it at once; an outage is
 * retried with back-off; a request to stop cancels it.
 */
async function runClaimed(
  app: App,
  handlers: ReadonlyMap<string, JobHandler>,
  job: Job,
  message: JobMessage,
  shutdown: AbortSignal,
): Promise<Ending> {
  const handler = handlers.get(job.kind)
  if (!handler) throw new Error(`no handler for the job kind ${job.kind}`)
  const log = app.log.child({ jobId: job.id, kind: job.kind, attempt: job.attempts })
  const settle = async (
    state: 'FAILED' | 'CANCELED',
    failure: string | null,
    counts: object = {},
  ): Promise<'failed' | 'canceled'> => {
    const ending = state === 'FAILED' ? 'failed' : 'canceled'
    await app.prisma.$transaction(async (tx) => {
      const settled = await tx.job.update({
        where: keyOf(message),
        data: { state, failure, finishedAt: app.clock.now(), ...counts },
      })
      await dropFailedRows(tx, message)
      await handler.settle(tx, settled, { state, failure })
      await recordEnd(tx, settled, ending)
    })
    return ending
  }
  if (job.state === 'CANCELING') return settle('CANCELED', null)

  const pulse = new Pulse(app, message)
  const onShutdown = () => pulse.abort.abort(new Error('the worker is shutting down'))
  shutdown.addEventListener('abort', onShutdown)
  log.info('job begins')
  const startedAt = performance.now()
  const context: JobContext<unknown> = {
    app,
    job,
    payload: job.payload,
    signal: pulse.abort.signal,
    progress: (...args) => pulse.progress(...args),
    checkpoint: async (tx, value) => {
      await pulse.keepFailures(tx)
      await tx.job.update({ where: keyOf(message), data: { checkpoint: value as Prisma.InputJsonObject } })
    },
    failRow: (row) => pulse.failRow(row),
  }
  try {
    if (job.attempts > 1) await pulse.recallFailures()
    await handler.run(context)
    const done = await pulse.stop()
    // Where nobody knew how many there would be, it is known now.
    const counts = { ...done, total: done.total ?? done.completed, ...(await pulse.fileFailures()) }
    await app.prisma.$transaction(async (tx) => {
      await tx.job.update({
        where: keyOf(message),
        data: { state: 'SUCCEEDED', finishedAt: app.clock.now(), failure: null, ...counts },
      })
      await dropFailedRows(tx, message)
      await recordEnd(tx, job, 'succeeded')
    })
    log.info({ seconds: (performance.now() - startedAt) / 1000 }, 'job is done')
    return 'succeeded'
  } catch (error) {
    const counts = await pulse.stop()
    if (pulse.abort.signal.reason instanceof StopRequest) {
      log.info('job was cancelled')
      return await settle('CANCELED', null, { ...counts, ...(await pulse.fileFailures()) })
    }
    if (isRefusal(error)) {
      log.warn({ err: error }, 'job was refused')
      return await settle('FAILED', `${error.code}: ${error.message}`, { ...counts, ...(await pulse.fileFailures()) })
    }
    if (shutdown.aborted || job.attempts < getDefinition(job.kind).maxAttempts) {
      const delaySeconds = shutdown.aborted ? 0 : FIRST_RETRY_SECONDS * 2 ** (job.attempts - 1)
      log.warn({ err: error, delaySeconds }, 'job goes back to the queue')
      await requeue(app, message, delaySeconds)
      return 'requeued'
    }
    const incidentId = randomUUID()
    log.error({ err: error, incidentId }, 'job failed')
    const failures = await pulse.fileFailures()
    return await settle('FAILED', `INTERNAL: something went wrong on our side: quote incident ${incidentId}`, {
      ...counts,
      ...failures,
    })
  } finally {
    shutdown.removeEventListener('abort', onShutdown)
  }
}

async function requeue(app: App, message: JobMessage, delaySeconds: number): Promise<void> {
  await app.prisma.$transaction(async (tx) => {
    const { count } = await tx.job.updateMany({
      where: { projectId: message.projectId, id: message.jobId, state: 'RUNNING' },
      data: { state: 'QUEUED', heartbeatAt: null },
    })
    if (count > 0) await app.queue.send(tx, message, { delaySeconds })
  })
}

/**
 * Gives the jobs of dead workers back to the queue, up to their last attempt. `lostAfterMs` 0 takes every running job:
 * right for the embedded database at start-up, whose only process has just begun.
 */
export async function recoverLostJobs(
  app: App,
  handlers: ReadonlyMap<string, JobHandler>,
  inHand: ReadonlySet<string>,
  lostAfterMs = LOST_AFTER_MS,
): Promise<number> {
  const lost = await app.prisma.$queryRaw<Job[]>`
    /* recoverLostJobs */ SELECT * FROM "Job"
    WHERE "state" IN ('RUNNING', 'CANCELING') AND "startedAt" IS NOT NULL
      AND coalesce("heartbeatAt", "startedAt") <= now() - ${lostAfterMs}::int * interval '1 millisecond'`
  for (const job of lost) {
    // Ours, and merely slow to say so: a long statement holds the embedded database's only connection.
    if (inHand.has(job.id)) continue
    const message = { projectId: job.projectId, jobId: job.id }
    const isSpent = job.attempts >= getDefinition(job.kind).maxAttempts
    if (job.state === 'RUNNING' && !isSpent) {
      app.log.warn({ jobId: job.id, kind: job.kind }, 'job lost its worker and goes back to the queue')
      await requeue(app, message, 0)
      continue
    }
    const state = job.state === 'CANCELING' ? 'CANCELED' : 'FAILED'
    const failure = state === 'FAILED' ? `INTERNAL: its worker died ${job.attempts} times` : null
    await app.prisma.$transaction(async (tx) => {
      const settled = await tx.job.update({
        where: keyOf(message),
        data: { state, failure, finishedAt: app.clock.now() },
      })
      await handlers.get(job.kind)?.settle(tx, settled, { state, failure })
      await recordEnd(tx, settled, state === 'FAILED' ? 'failed' : 'canceled')
    })
  }
  return lost.length
}
