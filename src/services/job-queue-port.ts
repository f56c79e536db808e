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
  /** Starts taking jobs, `concurrency` at a time. */
  work(handle: (message: JobMessage) => Promise<void>, concurrency: number): Promise<void>
  /** Takes no more jobs, and waits for those in hand. */
  stop(): Promise<void>
}
