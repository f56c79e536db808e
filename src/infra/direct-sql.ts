import pg from 'pg'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import type { Tx } from '../services/app.ts'
import type { StatementNames } from './statement-names.ts'

/** Object ids of PostgreSQL's own types that are not what pg makes of them by itself. */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  // int8 and numeric, and arrays of them
  20: BigInt,
  1016: arrayOf(BigInt),
  1700: (text) => new Prisma.Decimal(text),
  1231: arrayOf((text) => new Prisma.Decimal(text)),
  // timestamps without a zone, and dates, are in UTC
  1114: utcDate,
  1082: utcDate,
}

function utcDate(text: string): Date {
  return new Date(`${text.replace(' ', 'T')}${text.includes(' ') ? 'Z' : ''}`)
}

function arrayOf(parse: (text: string) => unknown) {
  const TEXTS = 1009 as Parameters<typeof pg.types.getTypeParser>[0]
  const parseTexts = pg.types.getTypeParser(TEXTS)
  return (text: string): unknown[] => (parseTexts(text) as string[]).map((one) => (one === null ? null : parse(one)))
}

/** The values that Prisma's own raw statements return. */
const types = {
  getTypeParser: (oid: number, format: 'text' | 'binary' = 'text') =>
    (format === 'text' && PARSERS[oid]) || pg.types.getTypeParser(oid, format as 'text'),
} as unknown as pg.CustomTypesConfig

type Queryable = { query(config: pg.QueryConfig): Promise<pg.QueryResult> }

/** Where the statements of one transaction go: the session that Prisma has begun it on. */
interface Link {
  session?: Queryable
  hasEnded: boolean
}

const LINK = '/* link '
const waiting = new Map<number, Link>()
const linked = new WeakMap<object, Link>()
let last = 0

const NO_ROWS = { command: 'SELECT', rowCount: 0, oid: 0, fields: [], rows: [] }

/**
 * Teaches the sessions of a pool two things: to take the statement of `linkOf` as a question for who they are, and to tell
 * when the transaction that asked has ended, for Prisma ends one that takes too long by itself.
 */
export function linkSessions(pool: pg.Pool): void {
  pool.on('connect', (session) => {
    // biome-ignore lint/suspicious/noExplicitAny: stands for every overload of pg's own
    session.query = function query(this: pg.PoolClient, ...args: any[]): any {
      const text: unknown = typeof args[0] === 'string' ? args[0] : args[0]?.text
      if (text === 'COMMIT' || text === 'ROLLBACK') {
        const link = linked.get(session)
        if (link) link.hasEnded = true
        linked.delete(session)
      } else if (typeof text === 'string' && text.startsWith(LINK)) {
        const link = waiting.get(Number.parseInt(text.slice(LINK.length), 10))
        if (link) {
          link.session = session as Queryable
          linked.set(session, link)
          return Promise.resolve(NO_ROWS)
        }
      }
      return Object.getPrototypeOf(session).query.apply(session, args)
    }
  })
}

/** Asks Prisma to run a statement in its transaction: the session that meets it is the one; nothing is sent. */
async function link(tx: Tx): Promise<Link> {
  const number = ++last
  const link: Link = { hasEnded: false }
  waiting.set(number, link)
  try {
    await tx.$executeRawUnsafe(`${LINK}${number} */`)
  } finally {
    waiting.delete(number)
  }
  return link
}

type Send = (statement: pg.QueryConfig) => Promise<pg.QueryResult>

/** Raw statements by whatever sends them. */
function rawStatements(findSend: () => Send | Promise<Send>, names: StatementNames | undefined) {
  const run = async (text: string, values: unknown[]): Promise<pg.QueryResult> => {
    const send = await findSend()
    return send({ name: names?.nameOf({ sql: text }), text, values, types } as pg.QueryConfig)
  }
  const sqlOf = (query: TemplateStringsArray | Prisma.Sql, values: unknown[]): Prisma.Sql =>
    'raw' in query ? Prisma.sql(query as TemplateStringsArray, ...values) : (query as Prisma.Sql)
  return {
    $queryRaw: async (query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]) => {
      const sql = sqlOf(query, values)
      return (await run(sql.text, sql.values)).rows
    },
    $executeRaw: async (query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]) => {
      const sql = sqlOf(query, values)
      return (await run(sql.text, sql.values)).rowCount ?? 0
    },
    $queryRawUnsafe: async (text: string, ...values: unknown[]) => (await run(text, values)).rows,
    $executeRawUnsafe: async (text: string, ...values: unknown[]) => (await run(text, values)).rowCount ?? 0,
  }
}

const over = <Client extends object>(client: Client, own: object): Client =>
  new Proxy(client, {
    get: (target, name) => (name in own ? own[name as keyof typeof own] : Reflect.get(target, name, target)),
  })

function directTransaction(tx: Tx, names: StatementNames | undefined): Tx {
  let linking: Promise<Link> | undefined
  const findSend = async (): Promise<Send> => {
    linking ??= link(tx)
    const found = await linking
    return (statement) => {
      // Looked at as the statement leaves: whatever came later would run outside the transaction, or in another one.
      if (!found.session || found.hasEnded)
        throw new Error('this transaction has ended: it took too long, or was rolled back')
      return found.session.query(statement)
    }
  }
  return over(tx, rawStatements(findSend, names))
}

/**
 * A Prisma client whose raw statements go straight to pg, within transactions too: the same rows for a third of the time,
 * since statements that are SQL already need neither Prisma's interpreter nor its copies. The pool must be prepared by
 * `linkSessions` before it opens its first session.
 */
export function withDirectSql(prisma: PrismaClient, pool: pg.Pool, names?: StatementNames): PrismaClient {
  return over(prisma, {
    ...rawStatements(() => (statement) => pool.query(statement), names),
    // biome-ignore lint/suspicious/noExplicitAny: both forms of Prisma's own
    $transaction: (work: any, options?: any) =>
      prisma.$transaction(typeof work === 'function' ? (tx: Tx) => work(directTransaction(tx, names)) : work, options),
  })
}
