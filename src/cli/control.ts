import process from 'node:process'
import { SingleBar } from 'cli-progress'
import type { Control } from '../engine/index.ts'

/** A progress bar on standard error where a person looks on, and Ctrl-C as cancellation. */
export function createControl(): { control: Control; done(): void } {
  const abort = new AbortController()
  const onSignal = () => abort.abort()
  process.once('SIGINT', onSignal)
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: '{phase} {bar} {percentage}%',
        stream: process.stderr,
        clearOnComplete: true,
        hideCursor: true,
      })
    : undefined
  let phase = ''
  const stop = () => {
    if (phase !== '') bar?.stop()
    phase = ''
  }
  return {
    control: {
      signal: abort.signal,
      now: () => performance.now(),
      rss: () => process.memoryUsage.rss(),
      onProgress:
        bar &&
        ((progress) => {
          const total = progress.total ?? Math.max(1, progress.completed)
          if (progress.phase !== phase) {
            stop()
            phase = progress.phase
            bar.start(total, progress.completed, { phase: phase.replaceAll('_', ' ').padEnd(16) })
          } else {
            bar.setTotal(total)
            bar.update(progress.completed)
          }
        }),
    },
    done() {
      stop()
      process.off('SIGINT', onSignal)
    },
  }
}
