import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'

const flag = z.stringbool({ truthy: ['true', '1', 'yes'], falsy: ['false', '0', 'no'] })
const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most)
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)

/** `false`: none; `true`: all; or networks such as 10.2.0.0/16. */
const networks = list.transform((parts, context): 'all' | string[] => {
  const [only = 'false'] = parts
  if (parts.length <= 1 && /^(true|1|yes|false|0|no)$/.test(only)) return /^(true|1|yes)$/.test(only) ? 'all' : []
  if (parts.every((part) => ipaddr.isValidCIDR(part))) return parts
  context.addIssue('must be true, false or networks such as 10.2.0.0/16, separated by commas')
  return z.NEVER
})

/** 32 bytes, as `openssl rand -base64 32` prints them. */
const isKey = (text: string) => /^[\w+/-]{43}=?$/.test(text)

/** Every environment variable the server reads; `.env.example` lists the same ones. */
const schema = z.object({
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must start with postgresql://')
    .optional(),
  TRIBUTARY_DATA_DIR: z.string().default('data'),
  HOST: z.string().default('127.0.0.1'),
  PORT: count(0, 65_535).default(4000),
  PUBLIC_URL: z.url().optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  SIGNING_SECRET: z.string().min(32, 'must have at least 32 characters').optional(),
  ENCRYPTION_KEYS: list.pipe(z.array(z.string().refine(isKey, 'must be 32 bytes in base64 each'))).default([]),
  ADMIN_TOKEN: z.string().min(32, 'must have at least 32 characters').optional(),
  OIDC_ISSUER: z.url().optional(),
  OIDC_AUDIENCE: z.string().optional(),
  OIDC_JWKS_URL: z.url().optional(),
  TRUSTED_DOCUMENTS: z.string().optional(),
  PROXY_HOPS: count(0, 10).default(0),
  REQUESTS_PER_MINUTE: count(0, 10_000_000).default(12_000),
  SIGN_IN_FAILURES_PER_MINUTE: count(0, 1_000_000).default(30),
  METRICS_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  OTEL_SERVICE_NAME: z.string().default('tributary'),
  FILE_STORE: z.enum(['local', 's3']).default('local'),
  S3_ENDPOINT: z.url().optional(),
  S3_BUCKET: z.string().optional(),
  S3_REGION: z.string().default('us-east-1'),
  S3_ACCESS_KEY_ID: z.string().optional(),
  S3_SECRET_ACCESS_KEY: z.string().optional(),
  S3_FORCE_PATH_STYLE: flag.default(true),
  WORKER: z.enum(['in-process', 'none']).optional(),
  WORKER_CONCURRENCY: count(1, 32).default(2),
  WORKER_PORT: count(0, 65_535).default(0),
  IMPORT_ROOTS: list.default([]),
  IMPORT_BUCKETS: list.default([]),
  ALLOW_PRIVATE_NETWORKS: networks.default([]),
  MAX_IMAGE_PIXELS: count(1, 1_000_000_000).default(100_000_000),
  MAX_UPLOAD_BYTES: count(1, Number.MAX_SAFE_INTEGER).default(10 * 1024 ** 3),
  // Not less than a repeat of a mutation is remembered for.
  UPLOAD_RETENTION_HOURS: count(24, 100_000).default(168),
  MAX_QUERY_DEPTH: count(1, 50).default(10),
  MAX_QUERY_COST: count(1, 10_000_000).default(50_000),
  DATABASE_POOL_SIZE: count(1, 200).default(10),
  STATEMENT_TIMEOUT_MS: count(100, 3_600_000).default(30_000),
  INDEX_MEMORY_MB: count(64, 1_000_000).default(1_024),
})

export const CONFIG_KEYS = Object.keys(schema.shape)

/** Never repeated in a message: an address carries a password. */
const SECRETS = new Set([
  'DATABASE_URL',
  'SIGNING_SECRET',
  'ENCRYPTION_KEYS',
  'ADMIN_TOKEN',
  'METRICS_TOKEN',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
])

/** How S3-compatible storage is reached. */
export interface S3Access {
  endpoint?: string
  region: string
  accessKeyId?: string
  secretAccessKey?: string
  forcePathStyle: boolean
}

export interface S3Options extends S3Access {
  bucket: string
}

/** Whose bearer tokens are taken beside our own keys. */
export interface OidcOptions {
  readonly issuer: string
  readonly audience: string
  /** Absent: the issuer's discovery document names it. */
  readonly jwksUrl?: string
}

export interface Config {
  /** Absent: the embedded database in `dataDir`. */
  readonly databaseUrl?: string
  readonly dataDir: string
  readonly host: string
  readonly port: number
  /** Where clients reach this server; media URLs start with it. */
  readonly publicUrl: string
  readonly logLevel: string
  /** Absent: made once and kept in the data folder. */
  readonly signingSecret?: string
  /** Base64 of 32 bytes each: the first one encrypts secrets that are kept, all of them decrypt. */
  readonly encryptionKeys: readonly string[]
  /** Signs in the administrator of a fresh server; absent: the first start makes one and prints a token. */
  readonly adminToken?: string
  /** Absent: only keys and tokens of this server sign in. */
  readonly oidc?: OidcOptions
  /** File of the only documents that are executed; absent: any document within the limits. */
  readonly trustedDocuments?: string
  /** Proxies in front of this server that add to X-Forwarded-For. */
  readonly proxyHops: number
  /** 0: no limit. */
  readonly requestsPerMinute: number
  /** By address; 0: no limit. */
  readonly signInFailuresPerMinute: number
  /** Absent: /metrics is closed. */
  readonly metricsToken?: string
  /** Absent: nothing is traced. */
  readonly tracing?: { readonly endpoint: string; readonly serviceName: string }
  /** Absent: a local folder. */
  readonly s3?: S3Options
  /** Whether this process runs jobs too. */
  readonly worksInProcess: boolean
  readonly workerConcurrency: number
  /** Where a worker process tells its health and metrics; 0: nowhere. */
  readonly workerPort: number
  /** Server folders that imports may read. */
  readonly importRoots: readonly string[]
  /** Buckets that imports may read, each with or without a prefix. */
  readonly importBuckets: readonly string[]
  /** For the buckets that imports read. */
  readonly s3Access: S3Access
  /** Networks beside the public ones that imports and webhooks may call. */
  readonly allowedNetworks: 'all' | readonly string[]
  readonly maxImagePixels: number
  readonly maxUploadBytes: number
  /** How long after it was made an upload can be named, and its file is kept. */
  readonly uploadRetentionHours: number
  readonly queryLimits: { readonly maxDepth: number; readonly maxCost: number }
  readonly databasePoolSize: number
  readonly statementTimeoutMs: number
  /** Most memory that the database may use to build one similarity index. */
  readonly indexMemoryMb: number
}

/** Everything that is wrong with the environment, at once. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the environment has ${problems.length} problem(s):\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

/** The environment of this process, over what the file `.env` says. */
export function readEnvironment(file = '.env'): NodeJS.ProcessEnv {
  try {
    return { ...parseEnv(readFileSync(file, 'utf8')), ...process.env }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return process.env
  }
}

/** What single values cannot tell: keys that need each other. */
function crossProblems(given: NodeJS.ProcessEnv): string[] {
  const problems: string[] = []
  if (given.FILE_STORE === 's3' && !given.S3_BUCKET) problems.push('S3_BUCKET: is needed when FILE_STORE is s3')
  if (!given.S3_ACCESS_KEY_ID !== !given.S3_SECRET_ACCESS_KEY) {
    problems.push('S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY: set both, or neither')
  }
  if (given.OIDC_ISSUER && !given.OIDC_AUDIENCE) {
    problems.push('OIDC_AUDIENCE: is needed when OIDC_ISSUER is set, so that tokens made for others are refused')
  }
  return problems
}

/** Reads the environment into one frozen, typed object; throws ConfigError with every problem at once. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  // An empty value counts as absent, as in a copied .env.example.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const parsed = schema.safeParse(given)
  const problems = (parsed.error?.issues ?? []).map(({ path: [key], message }) => {
    const name = String(key)
    return `${name}: ${message}, got ${SECRETS.has(name) ? '(not shown)' : given[name]}`
  })
  problems.push(...crossProblems(given))
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems)
  const e = parsed.data
  const hostInUrl = e.HOST === '0.0.0.0' || e.HOST === '::' ? 'localhost' : e.HOST
  const s3Access: S3Access = {
    endpoint: e.S3_ENDPOINT,
    region: e.S3_REGION,
    accessKeyId: e.S3_ACCESS_KEY_ID,
    secretAccessKey: e.S3_SECRET_ACCESS_KEY,
    forcePathStyle: e.S3_FORCE_PATH_STYLE,
  }
  return Object.freeze({
    databaseUrl: e.DATABASE_URL,
    dataDir: path.resolve(e.TRIBUTARY_DATA_DIR),
    host: e.HOST,
    port: e.PORT,
    publicUrl: (e.PUBLIC_URL ?? `http://${hostInUrl}:${e.PORT}`).replace(/\/$/, ''),
    logLevel: e.LOG_LEVEL,
    signingSecret: e.SIGNING_SECRET,
    encryptionKeys: e.ENCRYPTION_KEYS,
    adminToken: e.ADMIN_TOKEN,
    oidc: e.OIDC_ISSUER
      ? { issuer: e.OIDC_ISSUER, audience: e.OIDC_AUDIENCE as string, jwksUrl: e.OIDC_JWKS_URL }
      : undefined,
    trustedDocuments: e.TRUSTED_DOCUMENTS && path.resolve(e.TRUSTED_DOCUMENTS),
    proxyHops: e.PROXY_HOPS,
    requestsPerMinute: e.REQUESTS_PER_MINUTE,
    signInFailuresPerMinute: e.SIGN_IN_FAILURES_PER_MINUTE,
    metricsToken: e.METRICS_TOKEN,
    tracing: e.OTEL_EXPORTER_OTLP_ENDPOINT
      ? { endpoint: e.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: e.OTEL_SERVICE_NAME }
      : undefined,
    s3: e.FILE_STORE === 's3' ? { ...s3Access, bucket: e.S3_BUCKET as string } : undefined,
    s3Access,
    // The embedded database belongs to one process, which must therefore work itself.
    worksInProcess: e.WORKER ? e.WORKER === 'in-process' : e.DATABASE_URL === undefined,
    workerConcurrency: e.WORKER_CONCURRENCY,
    workerPort: e.WORKER_PORT,
    importRoots: e.IMPORT_ROOTS.map((root) => path.resolve(root)),
    importBuckets: e.IMPORT_BUCKETS,
    allowedNetworks: e.ALLOW_PRIVATE_NETWORKS,
    maxImagePixels: e.MAX_IMAGE_PIXELS,
    maxUploadBytes: e.MAX_UPLOAD_BYTES,
    uploadRetentionHours: e.UPLOAD_RETENTION_HOURS,
    queryLimits: { maxDepth: e.MAX_QUERY_DEPTH, maxCost: e.MAX_QUERY_COST },
    databasePoolSize: e.DATABASE_POOL_SIZE,
    statementTimeoutMs: e.STATEMENT_TIMEOUT_MS,
    indexMemoryMb: e.INDEX_MEMORY_MB,
  })
}
