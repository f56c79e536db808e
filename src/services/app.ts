import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Prisma, PrismaClient } from '../generated/prisma/client.ts'
import type { BucketReader } from './bucket-port.ts'
import type { BulkWriter } from './bulk-port.ts'
import type { EmbedderHost } from './embedder-port.ts'
import type { EngineRunner } from './engine-port.ts'

import type { GuardedFetch } from './guarded-fetch-port.ts'

import type { IdentityProvider } from './identity-provider-port.ts'
import type { IndexBuilder } from './index-builder-port.ts'

import type { JobQueue } from './job-queue-port.ts'
import type { Metrics } from './metrics-port.ts'
import type { Clock, FileStore, ImageCodec, Tokens } from './ports.ts'
import type { RateLimits } from './rate-limits-port.ts'
import type { SecretBox } from './secret-box-port.ts'
import type { Tracing } from './tracing-port.ts'

/** Everything a service may use. Entry points build it once; tests build it with a database of their own. */
export interface App {
  readonly config: Config
  readonly prisma: PrismaClient
  readonly afterCommit: AfterCommit
  readonly bulk: BulkWriter
  readonly indexes: IndexBuilder
  readonly queue: JobQueue
  readonly engine: EngineRunner
  /** Turns pictures into vectors. */
  readonly embedders: EmbedderHost
  readonly files: FileStore
  readonly images: ImageCodec
  /** Buckets that imports read; `files` has its own. */
  readonly buckets: BucketReader
  /** The only way to call addresses that users name. */
  readonly fetch: GuardedFetch
  readonly tokens: Tokens
  readonly secretBox: SecretBox
  /** Absent unless OIDC_ISSUER is set. */
  readonly identityProvider?: IdentityProvider
  readonly rateLimits: RateLimits
  readonly metrics: Metrics
  readonly tracing: Tracing
  readonly clock: Clock
  readonly log: Logger
}

/** A transaction: always use it, never `app.prisma`, inside `$transaction` (the embedded database has one connection). */
export type Tx = Parameters<Parameters<PrismaClient['$transaction']>[0]>[0]

/**
 * Sends a statement behind the COMMIT of a transaction, before that is answered: it sees what was committed, and runs in a
 * transaction of its own. Its rows, or none where the transaction was rolled back. Call it after a first statement.
 */
export type AfterCommit = <Row>(tx: Tx, statement: Prisma.Sql) => Promise<Row[]>
