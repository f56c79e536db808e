import type { Control } from '../engine/index.ts'

/** Notes how long each phase takes, by the progress that is reported. */
export function timePhases(control: Control): { control: Control; seconds(): Record<string, number> } {
  const spent = new Map<string, number>()
  let last = performance.now()
  return {
    control: {
      ...control,
      onProgress(progress) {
        const now = performance.now()
        spent.set(progress.phase, (spent.get(progress.phase) ?? 0) + (now - last) / 1000)
        last = now
        control.onProgress?.(progress)
      },
    },
    seconds: () => Object.fromEntries([...spent].map(([phase, value]) => [phase, Math.round(value * 100) / 100])),
  }
}
