import { z } from 'zod'
import type { Job } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'

/** Writes the questions of a published run. */
export const reviewQueueJob = defineJob({
  name: 'review_queue',
  payload: z.object({ runId: z.uuid() }),
  maxAttempts: 5,
})

/** Queues the building of the questions, in the transaction that publishes. */
export function enqueueQueueBuild(
  tx: Tx,
  app: App,
  { projectId, runId, createdById }: { projectId: string; runId: string; createdById: string },
): Promise<Job> {
  return enqueueJob(tx, app, reviewQueueJob, { projectId, payload: { runId }, createdById })
}
