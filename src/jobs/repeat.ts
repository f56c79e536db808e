import type { Logger } from 'pino'

/** Something done again and again, one after the other, until it is stopped. */
export interface Repetition {
  /** Begins nothing more, and waits for what is under way. */
  stop(): Promise<void>
}

/** Does `work` every `everyMs` milliseconds; at once again while it returns true. What goes wrong is logged, and tried again. */
export function repeat(log: Logger, what: string, everyMs: number, work: () => Promise<boolean>): Repetition {
  const stopped = new AbortController()
  const pause = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, everyMs)
      stopped.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer)
          resolve()
        },
        { once: true },
      )
    })
  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      let hasMore = false
      try {
        hasMore = await work()
      } catch (error) {
        log.error({ err: error }, `could not ${what}`)
      }
      if (!hasMore && !stopped.signal.aborted) await pause()
    }
  }
  const running = run()
  return {
    async stop() {
      stopped.abort()
      await running
    },
  }
}
