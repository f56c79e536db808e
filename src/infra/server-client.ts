import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { StatementNames } from './statement-names.ts'

/** Bytes that a COPY statement on its way will send, by the number in its leading comment. */
const waiting = new Map<number, Buffer>()
let last = 0

/**
 * The text of a COPY that any client of ours can run, within a Prisma transaction too: Prisma knows statements only, so the
 * bytes wait here until the statement reaches its connection.
 */
export function prepareCopy(target: string, bytes: Buffer): { text: string; forget(): void } {
  const number = ++last
  waiting.set(number, bytes)
  return {
    text: `/* copy ${number} */ COPY ${target} FROM STDIN (FORMAT binary)`,
    forget: () => waiting.delete(number),
  }
}

/** What a server says of a kept plan after a migration has changed the columns that it returns. */
const isStalePlan = (error: unknown): boolean =>
  (error as { code?: string })?.code === '0A000' && /cached plan/.test((error as Error).message)

/**
 * The client class of one pool. It sends the bytes of `prepareCopy` when it meets their statement, and has statements renamed
 * when a migration has made kept plans useless: the call that found out fails, those after it do not.
 */
export const createServerClient = (names: StatementNames) =>
  class ServerClient extends pg.Client {
    declare pipeline: boolean
    /** Statements that are sent and not answered. */
    #underWay = 0
    #copies: Promise<unknown> = Promise.resolve()

    // biome-ignore lint/suspicious/noExplicitAny: stands for every overload of pg's own
    override query(...args: any[]): any {
      const text: unknown = typeof args[0] === 'string' ? args[0] : args[0]?.text
      const number = typeof text === 'string' ? /^\/\* copy (\d+) \*\//.exec(text)?.[1] : undefined
      const bytes = number === undefined ? undefined : waiting.get(Number(number))
      if (bytes) {
        const copying = this.#copies.then(() => this.#copy(text as string, bytes))
        this.#copies = copying.catch(() => {})
        return copying
      }
      const answered = (error?: unknown) => {
        this.#underWay--
        if (args[0]?.name && isStalePlan(error)) names.renew()
      }
      const callback: unknown = args.at(-1)
      // A pool hands over a callback and gets no promise.
      if (typeof callback === 'function') {
        args[args.length - 1] = (error: unknown, result: unknown) => {
          answered(error)
          callback(error, result)
        }
      }
      this.#underWay++
      this.#gather()
      // biome-ignore lint/suspicious/noExplicitAny: see above
      const result = (super.query as any)(...args)
      if (typeof callback !== 'function') result.then(() => answered(), answered)
      return result
    }

    /** Statements that are sent before this turn of the event loop ends leave in one write: each costs a tenth of a millisecond. */
    #gather(): void {
      const { stream } = (this as unknown as { connection: { stream: Socket } }).connection
      stream.cork()
      process.nextTick(() => stream.uncork())
    }

    async #copy(text: string, bytes: Buffer): Promise<pg.QueryArrayResult> {
      // Its bytes must not travel with statements, of which a BEGIN and what follows an earlier COMMIT may be on their way.
      while (this.#underWay > 0) await super.query('SELECT')
      this.pipeline = false
      try {
        const stream = super.query(copyFrom(text))
        await pipeline(Readable.from(chunksOf(bytes)), stream)
        return { command: 'COPY', rowCount: stream.rowCount, oid: 0, fields: [], rows: [] }
      } finally {
        this.pipeline = true
      }
    }
  }

const CHUNK = 1 << 18

/** Pieces that a socket takes well. */
function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK)
}
