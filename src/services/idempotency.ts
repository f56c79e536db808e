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

/** One call of a mutation: its caller, its operation and its key. */
const recordOf = (viewer: Viewer, operation: string, key: string): Prisma.Sql =>
  Prisma.sql`"userId" = ${viewer.userId}::uuid AND "operation" = ${operation} AND "key" = ${key}`

/**
 * What keeps the second part of a call to one time, for work that must not wait in the transaction of the first. Two parts of
 * one WITH: `turn`, before the work, has a row as long as the remembered answer lacks `field`; `noted`, after it, adds it.
 */
export function secondPart(
  viewer: Viewer,
  operation: string,
  { idempotencyKey: key }: { idempotencyKey: string },
  field: string,
  value: Prisma.Sql,
): { turn: Prisma.Sql; noted: Prisma.Sql } {
  const record = recordOf(viewer, operation, key)
  return {
    turn: Prisma.sql`turn AS MATERIALIZED (
      SELECT 1 FROM "IdempotencyRecord" WHERE ${record} AND NOT jsonb_exists("response", ${field}) FOR UPDATE)`,
    noted: Prisma.sql`noted AS (
      UPDATE "IdempotencyRecord" SET "response" = "response" || jsonb_build_object(${field}::text, (${value}))
      WHERE ${record} AND EXISTS (SELECT 1 FROM turn))`,
  }
}

const findRecord = ({ prisma }: { prisma: App['prisma'] | Tx }, viewer: Viewer, operation: string, key: string) =>
  prisma.idempotencyRecord.findUniqueOrThrow({
    where: { userId_operation_key: { userId: viewer.userId, operation, key } },
  })

/** The answer that is remembered now. */
export async function rememberedAnswer<Answer extends object>(
  app: { prisma: App['prisma'] | Tx },
  viewer: Viewer,
  operation: string,
  { idempotencyKey: key }: { idempotencyKey: string },
): Promise<Answer> {
  return (await findRecord(app, viewer, operation, key)).response as Answer
}

/**
 * Runs `work` at most once for (caller, operation, key): the effect and its remembered answer commit together.
 * A repeat with the same body returns the first answer; with another body it is refused.
 *
 * `work` must do all its writes through `tx` and return a small JSON value (ids) from which the caller reloads rows.
 * It must not have effects outside the transaction. It may remember its answer itself, as a part of its last statement. Work
 * on every row of a large project may be `isLong`: it has fifteen minutes instead of half a minute, and memory to sort in.
 * A `first` statement that only reads and locks is sent along with the claim of the key, and saves a round trip.
 */
export async function onceOnly<Answer extends object, First = void>(
  app: App,
  viewer: Viewer,
  operation: string,
  input: { idempotencyKey: string },
  work: (tx: Tx, remember: (answer: Answer) => Prisma.Sql, first: First) => Promise<Answer>,
  { isLong = false, first }: { isLong?: boolean; first?: (tx: Tx) => Promise<First> } = {},
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
      const [claimed, found] = await Promise.all([
        tx.$executeRaw`
        /* onceOnly: claim */ INSERT INTO "IdempotencyRecord" ("userId", "operation", "key", "bodyHash", "response")
        SELECT ${viewer.userId}::uuid, ${operation}, ${key}, ${bodyHash}::bytea, 'null'::jsonb ${settings}
        ON CONFLICT DO NOTHING`,
        first?.(tx),
      ])
      if (claimed === 0) {
        const earlier = await findRecord({ prisma: tx }, viewer, operation, key)
        if (!bodyHash.equals(earlier.bodyHash)) {
          throw new DomainError(
            'IDEMPOTENCY_KEY_REUSED',
            `idempotencyKey ${key} was used for another ${operation} within ${IDEMPOTENCY_HOURS} hours: use a new key`,
            { path: ['input', 'idempotencyKey'] },
          )
        }
        return earlier.response as Answer
      }
      let isRemembered = false
      const remember = (answer: Answer): Prisma.Sql => {
        isRemembered = true
        return Prisma.sql`UPDATE "IdempotencyRecord" SET "response" = ${JSON.stringify(answer)}::jsonb
          WHERE ${recordOf(viewer, operation, key)}`
      }
      const answer = await work(tx, remember, found as First)
      if (!isRemembered) await tx.$executeRaw`/* onceOnly: answer */ ${remember(answer)}`
      return answer
    },
    { timeout: isLong ? LONG_MS : 30_000, maxWait: 15_000 },
  )
}
