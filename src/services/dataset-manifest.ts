import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import type { DatasetVersion, IdentityState, MembershipSource } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { DomainError } from './errors.ts'

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

const PAGE = 2_000

/** Members of live identities at a ledger revision, by external key: excluded and erased items are left out. */
async function* readMembers(app: App, version: DatasetVersion): AsyncGenerator<DatasetRow[]> {
  const { projectId, identityStates } = version
  let after = ''
  for (;;) {
    const rows = await app.prisma.$queryRaw<DatasetRow[]>`
      /* readMembers */
      SELECT i."id" AS "itemId", i."externalKey", i."imageKey", i."width", i."height", i."box", i."metadata",
        d."id" AS "identityId", d."name" AS "identityName", d."state" AS "identityState", m."source"
      FROM "Item" i
      JOIN "IdentityMember" m ON m."projectId" = i."projectId" AND m."itemId" = i."id"
      JOIN "Identity" d ON d."projectId" = m."projectId" AND d."id" = m."identityId"
        AND d."state"::text = ANY(${identityStates as string[]}::text[])
      WHERE i."projectId" = ${projectId}::uuid AND i."erasedAt" IS NULL
        AND i."externalKey" COLLATE "C" > ${after} COLLATE "C"
        AND NOT EXISTS (SELECT 1 FROM "Constraint" x WHERE x."projectId" = i."projectId" AND x."leftItemId" = i."id"
          AND x."kind" = 'EXCLUDED' AND x."revokedById" IS NULL)
      ORDER BY i."externalKey" COLLATE "C" LIMIT ${PAGE}`
    if (rows.length === 0) return
    yield rows
    after = (rows.at(-1) as DatasetRow).externalKey
  }
}

export interface FrozenManifest {
  manifestKey: string
  /** SHA-256 of the sorted manifest, before compression. */
  contentHash: string
  itemCount: number
  identityCount: number
}

/** Writes the manifest of a version to the file store: gzipped JSONL sorted by external key. */
export async function writeManifest(
  app: App,
  version: DatasetVersion,
  onRows: (count: number) => Promise<void> | void,
): Promise<FrozenManifest> {
  const hash = createHash('sha256')
  const identities = new Set<string>()
  let itemCount = 0
  async function* lines(): AsyncGenerator<Buffer> {
    for await (const rows of readMembers(app, version)) {
      const text = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      hash.update(text)
      for (const { identityId } of rows) identities.add(identityId)
      itemCount += rows.length
      await onRows(itemCount)
      yield text
    }
  }
  const { key } = await app.files.put(Readable.from(lines()).pipe(createGzip()))
  return { manifestKey: key, contentHash: hash.digest('hex'), itemCount, identityCount: identities.size }
}

/** Streams the rows of a frozen version, in manifest order. */
export async function* readManifestRows(app: App, version: DatasetVersion): AsyncGenerator<DatasetRow> {
  if (!version.manifestKey) {
    throw new DomainError('INVALID_STATE', `dataset version ${version.tag} is not frozen yet: wait for its job`)
  }
  const stream = (await app.files.open(version.manifestKey)).pipe(createGunzip())
  for await (const line of createInterface({ input: stream })) yield JSON.parse(line) as DatasetRow
}
