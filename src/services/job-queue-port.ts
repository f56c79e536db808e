import type { Tx } from './app.ts'

/** What the queue carries: the Job row holds everything else. */
export interface JobMessage {
  readonly projectId: string
  readonly jobId: string
}

/** Delivers each job at least once; what makes it happen once is the Job row, which a worker must claim. */
export interface JobQueue {
  /** Adds a job in the transaction of its row: both commit, or neither. */
  send(tx: Tx, message: JobMessage, options?: { delaySeconds?: number }): Promise<void>
  /** Takes the next job, if there is one, and is done when `handle` is. Returns whether there was one; throws what `handle` throws. */
  take(handle: (message: JobMessage) => Promise<void>): Promise<boolean>
  /** Ends what the queue does by itself. Nobody may be taking a job by then. */
  stop(): Promise<void>
}
