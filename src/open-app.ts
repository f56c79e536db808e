import path from 'node:path'
import type { Config } from './config.ts'
import { openBucketReader } from './infra/bucket-reader-s3.ts'
import { createBulkWriter } from './infra/bulk-writer.ts'
import { type Database, openDatabase } from './infra/database.ts'
import { openEmbedderHost } from './infra/embedder-host.ts'
import { openEngineRunner } from './infra/engine-runner.ts'
import { openLocalFileStore } from './infra/file-store-local.ts'
import { createGuardedFetch } from './infra/guarded-fetch.ts'
import { createImageCodec } from './infra/image-codec-sharp.ts'
import { createIndexBuilder } from './infra/index-builder.ts'
import { openPgBossQueue } from './infra/job-queue-pg-boss.ts'
import { createLog } from './infra/log.ts'
import { createMetrics } from './infra/metrics.ts'
import { createOidcProvider } from './infra/oidc.ts'
import { createRateLimits } from './infra/rate-limits.ts'
import { createSecretBox, loadEncryptionKeys } from './infra/secret-box.ts'
import { createTokens, loadSigningSecret } from './infra/tokens.ts'
import { openTracing } from './infra/tracing.ts'
import type { App } from './services/app.ts'

export interface OpenApp {
  readonly app: App
  readonly database: Database
  close(): Promise<void>
}

/** Builds every adapter once and hands them to the services: the one place where ports meet their implementations. */
export async function openApp(config: Config, database?: Database): Promise<OpenApp> {
  const log = createLog(config.logLevel)
  const db = database ?? (await openDatabase(config))
  const files = config.s3
    ? await (await import('./infra/file-store-s3.ts')).openS3FileStore(config.s3, path.join(config.dataDir, 'staging'))
    : await openLocalFileStore(path.join(config.dataDir, 'files'))
  const engine = openEngineRunner()
  const images = createImageCodec({ maxPixels: config.maxImagePixels })
  const embedders = openEmbedderHost(images)
  const secretBox = createSecretBox(loadEncryptionKeys(config))
  if (secretBox.problem) log.warn(secretBox.problem)
  const app: App = {
    config,
    prisma: db.prisma,
    afterCommit: db.afterCommit,
    bulk: createBulkWriter(db),
    indexes: createIndexBuilder(db, config.indexMemoryMb),
    queue: await openPgBossQueue(db.pool, log),
    engine,
    files,
    images,
    embedders,
    buckets: openBucketReader(config.s3Access),
    fetch: createGuardedFetch({ allowedNetworks: config.allowedNetworks }),
    tokens: createTokens(loadSigningSecret(config.signingSecret, config.dataDir), { adminToken: config.adminToken }),
    secretBox,
    identityProvider: config.oidc && createOidcProvider(config.oidc),
    rateLimits: createRateLimits(config),
    metrics: createMetrics(db.pool, { withProcess: config.metricsToken !== undefined }),
    tracing: await openTracing(config.tracing),
    clock: { now: () => new Date() },
    log,
  }
  return {
    app,
    database: db,
    close: async () => {
      await app.queue.stop()
      await engine.close()
      await embedders.close()
      await app.tracing.close()
      await db.close()
    },
  }
}
