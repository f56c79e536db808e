import type { Pool } from 'pg'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Metrics } from '../services/metrics-port.ts'

const OPERATION_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const JOB_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600]

interface Depth {
  kind: string
  state: string
  n: number
}

/** Counters of this process; the depth of the queue is looked up when somebody asks, and is the same in every process. */
export function createMetrics(pool: Pool, { withProcess }: { withProcess: boolean }): Metrics {
  const registers = [new Registry()]
  const [registry] = registers as [Registry]
  if (withProcess) collectDefaultMetrics({ register: registry })
  const operations = new Counter({
    name: 'tributary_operations_total',
    help: 'GraphQL operations, by first root field and outcome (ok or an error code).',
    labelNames: ['type', 'field', 'outcome'],
    registers,
  })
  const operationSeconds = new Histogram({
    name: 'tributary_operation_duration_seconds',
    help: 'Duration of GraphQL operations, by first root field.',
    labelNames: ['type', 'field'],
    buckets: OPERATION_SECONDS,
    registers,
  })
  const jobs = new Counter({
    name: 'tributary_jobs_total',
    help: 'Attempts at jobs, by kind and outcome (succeeded, failed, canceled, requeued).',
    labelNames: ['kind', 'outcome'],
    registers,
  })
  const jobSeconds = new Histogram({
    name: 'tributary_job_duration_seconds',
    help: 'Duration of attempts at jobs, by kind.',
    labelNames: ['kind'],
    buckets: JOB_SECONDS,
    registers,
  })
  const deliveries = new Counter({
    name: 'tributary_webhook_attempts_total',
    help: 'Attempts to deliver webhooks, by outcome (delivered, retried, dead).',
    labelNames: ['outcome'],
    registers,
  })
  const sweptFiles = new Counter({
    name: 'tributary_swept_files_total',
    help: 'Files whose time was over, deleted from the store, by kind (upload, temporary).',
    labelNames: ['kind'],
    registers,
  })
  new Gauge({
    name: 'tributary_queue_depth',
    help: 'Jobs and webhook deliveries that are not settled, by kind and state.',
    labelNames: ['kind', 'state'],
    registers,
    async collect() {
      const { rows } = await pool.query<Depth>(`/* queueDepth */
        SELECT "kind", lower("state"::text) AS state, count(*)::int AS n FROM "Job"
        WHERE "state" IN ('QUEUED', 'RUNNING', 'CANCELING') GROUP BY 1, 2
        UNION ALL SELECT 'webhook_delivery', 'queued', count(*)::int FROM "WebhookDelivery"
        WHERE "deliveredAt" IS NULL AND "deadAt" IS NULL`)
      this.reset()
      for (const { kind, state, n } of rows) this.set({ kind, state }, n)
    },
  })
  new Gauge({
    name: 'tributary_database_connections',
    help: 'Connections of this process: open in all, idle, and callers that wait for one.',
    labelNames: ['state'],
    registers,
    collect() {
      this.set({ state: 'open' }, pool.totalCount)
      this.set({ state: 'idle' }, pool.idleCount)
      this.set({ state: 'waiting' }, pool.waitingCount)
    },
  })
  return {
    countOperation({ type, field, outcome, seconds }) {
      operations.inc({ type, field, outcome })
      operationSeconds.observe({ type, field }, seconds)
    },
    countJob({ kind, outcome, seconds }) {
      jobs.inc({ kind, outcome })
      jobSeconds.observe({ kind }, seconds)
    },
    countDelivery: (outcome) => deliveries.inc({ outcome }),
    countSweptFiles: (kind, files) => sweptFiles.inc({ kind }, files),
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  }
}
