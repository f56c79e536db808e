import type { Job } from '../generated/prisma/client.ts'
import type { App, Tx } from '../services/app.ts'
import type { FailedRow } from '../services/failed-rows.ts'
import type { JobDefinition } from '../services/job-definition.ts'

/** What the code of a job works with. */
export interface JobContext<Payload> {
  readonly app: App
  readonly job: Job
  readonly payload: Payload
  /** Aborted when somebody cancels the job or the worker shuts down. */
  readonly signal: AbortSignal
  /** Says where it stands; cheap to call often, written at most four times a second. */
  progress(phase: string, completed?: number, total?: number): void
  /** Where a restarted attempt should go on; written with the caller's own rows, and with the rows left out so far. */
  checkpoint(tx: Tx, value: object): Promise<void>
  /** Notes a row that was left out; the job goes on. */
  failRow(row: FailedRow): void
}

/** The outcome that a job's subject is told of, in the transaction that settles the job. */
export interface Settlement {
  state: 'FAILED' | 'CANCELED'
  failure: string | null
}

/** The code of one kind of job. It runs at least once: a second run after a crash must end in the same rows. */
export interface JobHandler {
  readonly name: string
  run(context: JobContext<unknown>): Promise<void>
  settle(tx: Tx, job: Job, settlement: Settlement): Promise<void>
}

export function implementJob<Payload>(
  definition: JobDefinition<Payload>,
  run: (context: JobContext<Payload>) => Promise<void>,
  settle: (
    tx: Tx,
    job: Omit<Job, 'payload'> & { payload: Payload },
    settlement: Settlement,
  ) => Promise<void> = async () => {},
): JobHandler {
  return {
    name: definition.name,
    run: (context) => run({ ...context, payload: definition.payload.parse(context.payload) }),
    settle: (tx, job, settlement) => settle(tx, { ...job, payload: definition.payload.parse(job.payload) }, settlement),
  }
}
