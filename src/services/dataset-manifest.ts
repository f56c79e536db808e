import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import type { DatasetVersion, IdentityState, MembershipSource } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
import { DomainError } from './errors.ts'
import { textLines } from './text-lines.ts'

/** One item of a dataset version, as frozen. */
export interface DatasetRow {
  readonly itemId: string
  readonly externalKey: string
  readonly imageKey: string | null
  readonly width: number
  readonly height: number
  readonly box: { x: number; y: number; width: number; height: number } | null
  readonly metadata: Record<string, unknown> | null
  readonly identityId: string
  readonly identityName: string | null
  readonly identityState: IdentityState
  readonly source: MembershipSource
}

/**
 * Members of live identities by external key, as bytes: excluded and erased items are left out. One cursor: the rows are
 * sorted once, whatever their number.
 */
async function* readMembers(tx: Tx, version: DatasetVersion): AsyncGenerator<DatasetRow[]> {
  const { projectId, identityStates } = version
  await tx.$executeRaw`
    /* readMembers */
    DECLARE "members" NO SCROLL CURSOR FOR
    SELECT i."id" AS "itemId", i."externalKey", i."imageKey", i."width", i."height", i."box", i."metadata",
      d."id" AS "identityId", d."name" AS "identityName", d."state" AS "identityState", m."source"
    FROM "Item" i
    JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id"
    JOIN "Identity" d ON d."projectId" = m."projectId" AND d."id" = m."identityId"
      AND d."state"::text = ANY(${identityStates as string[]}::text[])
    WHERE i."projectId" = ${projectId}::uuid AND i."erasedAt" IS NULL
      AND NOT EXISTS (SELECT 1 FROM "Constraint" x WHERE x."projectId" = i."projectId" AND x."leftItemId" = i."id"
        AND x."kind" = 'EXCLUDED' AND x."revokedById" IS NULL)
    ORDER BY i."externalKey" COLLATE "C"`
  for (;;) {
    const rows = await tx.$queryRaw<DatasetRow[]>`/* readMembers: page */ FETCH 2000 FROM "members"`
    if (rows.length === 0) break
    yield rows
  }
  await tx.$executeRaw`/* readMembers: end */ CLOSE "members"`
}

export interface FrozenManifest {
  manifestKey: string
  /** Head of the ledger in the very moment that the rows are of. */
  ledgerRevision: number
  /** SHA-256 of the sorted manifest, before compression. */
  contentHash: string
  itemCount: number
  identityCount: number
}

/** A version of a million items is read for about a minute. */
const FREEZE_TIMEOUT_MS = 30 * 60_000

/**
 * Writes the manifest of a version to the file store: gzipped JSONL sorted by external key. All rows are of one moment,
 * whatever is decided meanwhile.
 */
export async function writeManifest(
  app: App,
  version: DatasetVersion,
  onRows: (count: number) => Promise<void> | void,
): Promise<FrozenManifest> {
  const hash = createHash('sha256')
  const identities = new Set<string>()
  let itemCount = 0
  async function* lines(tx: Tx): AsyncGenerator<Buffer> {
    for await (const rows of readMembers(tx, version)) {
      const text = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      hash.update(text)
      for (const { identityId } of rows) identities.add(identityId)
      itemCount += rows.length
      await onRows(itemCount)
      yield text
    }
  }
  return app.prisma.$transaction(
    async (tx) => {
      const { ledgerRevision } = await tx.project.findUniqueOrThrow({ where: { id: version.projectId } })
      const source = Readable.from(lines(tx))
      const packed = createGzip()
      source.once('error', (error) => packed.destroy(error))
      const { key } = await app.files.put(source.pipe(packed))
      const contentHash = hash.digest('hex')
      return { manifestKey: key, ledgerRevision, contentHash, itemCount, identityCount: identities.size }
    },
    { isolationLevel: 'RepeatableRead', timeout: FREEZE_TIMEOUT_MS },
  )
}

/** Streams the rows of a frozen version in manifest order, from row `from` to row `to` (not included). */
export async function* readManifestRows(
  app: App,
  version: DatasetVersion,
  from = 0,
  to = Number.POSITIVE_INFINITY,
): AsyncGenerator<DatasetRow> {
  if (!version.manifestKey) {
    throw new DomainError('INVALID_STATE', `dataset version ${version.tag} is not frozen yet: wait for its job`)
  }
  const packed = await app.files.open(version.manifestKey)
  const stream = packed.pipe(createGunzip())
  packed.once('error', (error) => stream.destroy(error))
  let row = 0
  try {
    for await (const line of textLines(stream, `the manifest of ${version.tag}`)) {
      if (row >= to) return
      if (row++ >= from) yield JSON.parse(line) as DatasetRow
    }
  } finally {
    packed.destroy()
  }
}
