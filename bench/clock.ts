/** Of all threads of this process. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

export interface PhaseTime {
  readonly phase: string
  readonly seconds: number
  /** Of all threads together: what a busy machine does not disturb. */
  readonly cpuSeconds: number
  /** Highest so far. */
  readonly peakRssMiB: number
}

/** Runs phases one after the other and notes what each took. */
export function createStopwatch(onPhase: (time: PhaseTime) => void) {
  const times: PhaseTime[] = []
  async function measure<T>(phase: string, work: () => T | Promise<T>): Promise<T> {
    const [cpu, wall] = [cpuSeconds(), performance.now()]
    const result = await work()
    const time = {
      phase,
      seconds: round((performance.now() - wall) / 1e3),
      cpuSeconds: round(cpuSeconds() - cpu),
      peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    }
    times.push(time)
    onPhase(time)
    return result
  }
  return { measure, times }
}

const round = (seconds: number) => Math.round(seconds * 1000) / 1000
