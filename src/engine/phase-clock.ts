import type { Control } from './types.ts'

/** What one step of a run took. */
export interface Phase {
  readonly name: string
  /** 0 where the caller gave no clock. */
  readonly seconds: number
  /** Largest resident size seen at the ends of the phase, in bytes. */
  readonly peakRssBytes?: number
}

/** Times the steps of a run with the caller's clock, since the engine reads none. */
export function createPhaseClock(control: Control): {
  readonly phases: Phase[]
  measure<T>(name: string, work: () => T | Promise<T>): Promise<T>
} {
  const phases: Phase[] = []
  return {
    phases,
    async measure(name, work) {
      const start = control.now?.() ?? 0
      const before = control.rss?.() ?? 0
      const result = await work()
      const seconds = ((control.now?.() ?? 0) - start) / 1000
      const after = control.rss?.() ?? 0
      phases.push({ name, seconds, ...(control.rss && { peakRssBytes: Math.max(before, after) }) })
      return result
    },
  }
}
