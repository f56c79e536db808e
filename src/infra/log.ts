import { createRequire } from 'node:module'
import pino, { type DestinationStream, type Logger } from 'pino'

const STANDARD_ERROR = 2

/** A stream that writes for people, where pino-pretty is installed (it is not in production). */
function prettyStream(): DestinationStream | undefined {
  try {
    const pretty = createRequire(import.meta.url)('pino-pretty')
    return pretty({ destination: STANDARD_ERROR, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' })
  } catch {
    return undefined
  }
}

/** Structured lines on standard error, so that standard output stays free for answers; readable ones in a terminal. */
export function createLog(level: string): Logger {
  const stream = process.stderr.isTTY ? prettyStream() : undefined
  return pino(
    { level, base: undefined, redact: ['req.headers.authorization', 'secret'] },
    stream ?? pino.destination({ dest: STANDARD_ERROR, sync: false }),
  )
}
