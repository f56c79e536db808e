import { createHash } from 'node:crypto'
import { Prisma } from '../generated/prisma/client.ts'
import type { Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { DomainError } from './errors.ts'

/** How long the answer of a mutation is remembered. */
export const IDEMPOTENCY_HOURS = 24

const LONG_MS = 900_000

/** Keys are sorted, so that the same body always hashes the same. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (value && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, v]) => v !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([k, v]) => [k, canonical(v)]),
    )
  }
  return value
}

/**
 * Runs `work` at most once for (caller, operation, key): the effect and its remembered answer commit together.
 * A repeat with the same body returns the first answer; with another body it is refused.
 *
 * `work` must do all its writes through `tx` and return a small JSON value (ids) from which the caller reloads rows.
 * It must not have effects outside the transaction. Work on every row of a large project may be `isLong`: it has fifteen
 * minutes instead of half a minute, and memory to sort in.
 */
export async function onceOnly<Answer extends object>(
  app: App,
  viewer: Viewer,
  operation: string,
  input: { idempotencyKey: string },
  work: (tx: Tx) => Promise<Answer>,
  { isLong = false } = {},
): Promise<Answer> {
  const { idempotencyKey: key, ...body } = input
  if (key.length < 8 || key.length > 128) {
    throw new DomainError('INVALID', `idempotencyKey must have 8 to 128 characters: got ${key.length}`, {
      path: ['input', 'idempotencyKey'],
    })
  }
  const bodyHash = createHash('sha256')
    .update(JSON.stringify(canonical(body)))
    .digest()
  return app.prisma.$transaction(
    async (tx) => {
      // The insert waits for a concurrent holder of the same key, so that exactly one of them works.
      const settings = isLong
        ? Prisma.sql`FROM (SELECT set_config('statement_timeout', '0', true), set_config('work_mem', '128MB', true)) long`
        : Prisma.empty
      const claimed = await tx.$executeRaw`
        /* onceOnly: claim */ INSERT INTO "IdempotencyRecord" ("userId", "operation", "key", "bodyHash", "response")
        SELECT ${viewer.userId}::uuid, ${operation}, ${key}, ${bodyHash}::bytea, 'null'::jsonb ${settings}
        ON CONFLICT DO NOTHING`
      const where = { userId_operation_key: { userId: viewer.userId, operation, key } }
      if (claimed === 0) {
        const earlier = await tx.idempotencyRecord.findUniqueOrThrow({ where })
        if (!bodyHash.equals(earlier.bodyHash)) {
          throw new DomainError(
            'IDEMPOTENCY_KEY_REUSED',
            `idempotencyKey ${key} was used for another ${operation} within ${IDEMPOTENCY_HOURS} hours: use a new key`,
            { path: ['input', 'idempotencyKey'] },
          )
        }
        return earlier.response as Answer
      }
      const answer = await work(tx)
      await tx.$executeRaw`
        /* onceOnly: answer */ UPDATE "IdempotencyRecord" SET "response" = ${JSON.stringify(answer)}::jsonb
        WHERE "userId" = ${viewer.userId}::uuid AND "operation" = ${operation} AND "key" = ${key}`
      return answer
    },
    { timeout: isLong ? LONG_MS : 30_000, maxWait: 15_000 },
  )
}
