import type { Logger } from 'pino'

/** Something done again and again, one after the other, until it is stopped. */
export interface Repetition {
  /** Begins nothing more, and waits for what is under way. */
  stop(): Promise<void>
}

/** Does `work` every `everyMs` milliseconds; at once again while it returns true. What goes wrong is logged, and tried again. */
export function repeat(log: Logger, what: string, everyMs: number, work: () => Promise<boolean>): Repetition {
  let isStopped = false
  let wake = () => {}
  const pause = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, everyMs)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  async function run(): Promise<void> {
    while (!isStopped) {
      let hasMore = false
      try {
        hasMore = await work()
      } catch (error) {
        log.error({ err: error }, `could not ${what}`)
      }
      if (!hasMore && !isStopped) await pause()
    }
  }
  const running = run()
  return {
    async stop() {
      isStopped = true
      wake()
      await running
    },
  }
}
