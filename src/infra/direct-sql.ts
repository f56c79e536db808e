import pg from 'pg'
import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import type { AfterCommit, Tx } from '../services/app.ts'
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
  /** What follows its COMMIT, or learns that there was none. */
  readonly followers: ((session: Queryable | undefined) => void)[]
}

const LINK = '/* link '
const waiting = new Map<number, Link>()
const linked = new WeakMap<object, Link>()
let last = 0

const NO_ROWS = { command: 'SELECT', rowCount: 0, oid: 0, fields: [], rows: [] }

/**
 * Teaches the sessions of a pool three things: to take the statement of `link` as a question for who they are; to tell when
 * the transaction that asked has ended, for Prisma ends one that takes too long by itself, and what follows it; and to send
 * BEGIN without waiting for its answer, so that it travels with the first statement. A session whose BEGIN fails is of no use
 * and ends.
 */
export function linkSessions(pool: pg.Pool): void {
  pool.on('connect', (session) => {
    // biome-ignore lint/suspicious/noExplicitAny: stands for every overload of pg's own
    const send = (args: any[]): any => Object.getPrototypeOf(session).query.apply(session, args)
    // biome-ignore lint/suspicious/noExplicitAny: stands for every overload of pg's own
    session.query = function query(this: pg.PoolClient, ...args: any[]): any {
      const text: unknown = typeof args[0] === 'string' ? args[0] : args[0]?.text
      if (text === 'COMMIT' || text === 'ROLLBACK') {
        const link = linked.get(session)
        linked.delete(session)
        if (!link) return send(args)
        link.hasEnded = true
        const ended = send(args)
        for (const follow of link.followers) follow(text === 'COMMIT' ? (session as Queryable) : undefined)
        return ended
      }
      if (typeof text === 'string' && text.startsWith(LINK)) {
        const link = waiting.get(Number.parseInt(text.slice(LINK.length), 10))
        if (link) {
          link.session = session as Queryable
          linked.set(session, link)
          return Promise.resolve(NO_ROWS)
        }
      } else if (text === 'BEGIN') {
        send(args).catch(() => (session as unknown as pg.Client).end().catch(() => {}))
        return Promise.resolve(NO_ROWS)
      }
      return send(args)
    }
  })
}

/** Asks Prisma to run a statement in its transaction: the session that meets it is the one; nothing is sent. */
async function link(tx: Tx): Promise<Link> {
  const number = ++last
  const link: Link = { hasEnded: false, followers: [] }
  waiting.set(number, link)
  try {
    await tx.$executeRawUnsafe(`${LINK}${number} */`)
  } finally {
    waiting.delete(number)
  }
  return link
}

type Send = (statement: pg.QueryConfig) => Promise<pg.QueryResult>

const statementOf = (text: string, values: unknown[], names: StatementNames | undefined): pg.QueryConfig =>
  ({ name: names?.nameOf({ sql: text }), text, values, types }) as pg.QueryConfig

/** Raw statements by whatever sends them: at once where that is known, so that they leave in the order of the calls. */
function rawStatements(findSend: () => Send | Promise<Send>, names: StatementNames | undefined) {
  const run = (text: string, values: unknown[]): Promise<pg.QueryResult> => {
    const send = findSend()
    const statement = statementOf(text, values, names)
    return send instanceof Promise ? send.then((now) => now(statement)) : send(statement)
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

const followersOf = new WeakMap<Tx, (follow: Link['followers'][number]) => void>()

function directTransaction(tx: Tx, names: StatementNames | undefined): Tx {
  let linking: Promise<Link> | undefined
  let found: Link | undefined
  const send: Send = async (statement) => {
    // Looked at as the statement leaves: whatever came later would run outside the transaction, or in another one.
    if (!found?.session || found.hasEnded)
      throw new Error('this transaction has ended: it took too long, or was rolled back')
    return found.session.query(statement)
  }
  const findSend = (): Send | Promise<Send> => {
    if (found) return send
    linking ??= link(tx)
    return linking.then((link) => {
      found = link
      return send
    })
  }
  const direct = over(tx, rawStatements(findSend, names))
  followersOf.set(direct, (follow) => {
    if (!found || found.hasEnded) throw new Error('a statement follows a transaction that has begun and not ended')
    found.followers.push(follow)
  })
  return direct
}

/** Sends statements behind the COMMIT of a transaction of `withDirectSql`, without waiting for its answer. */
export const createAfterCommit =
  (names?: StatementNames): AfterCommit =>
  <Row>(tx: Tx, { text, values }: Prisma.Sql) =>
    new Promise<Row[]>((resolve, reject) => {
      const addTo = followersOf.get(tx)
      if (!addTo) throw new Error('a statement follows a transaction of the app')
      addTo((session) => {
        if (!session) return resolve([])
        session.query(statementOf(text, values, names)).then(({ rows }) => resolve(rows as Row[]), reject)
      })
    })

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
