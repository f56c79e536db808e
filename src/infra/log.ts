import pino, { type Logger } from 'pino'

/** Structured lines on standard error, so that standard output stays free for answers. */
export function createLog(level: string): Logger {
  return pino(
    { level, base: undefined, redact: ['req.headers.authorization', 'secret'] },
    pino.destination({ dest: 2, sync: false }),
  )
}
