import http from 'node:http'

export interface Api {
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at, not typed
  ask(query: string, variables: object): Promise<any>
  close(): void
}

/** A client with one kept connection, as a browser has. */
export function connect(url: string, token: string): Api {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  return {
    async ask(query, variables) {
      const body = JSON.stringify({ query, variables })
      const text = await new Promise<string>((resolve, reject) => {
        const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
          const parts: Buffer[] = []
          response.on('data', (part) => parts.push(part))
          response.on('end', () => resolve(Buffer.concat(parts).toString()))
          response.on('error', reject)
        })
        request.on('error', reject)
        request.end(body)
      })
      const answer = JSON.parse(text)
      if (answer.errors) throw new Error(`${query.slice(0, 80)}...: ${JSON.stringify(answer.errors).slice(0, 500)}`)
      return answer.data
    },
    close: () => agent.destroy(),
  }
}

export interface Latencies {
  readonly count: number
  readonly perSecond: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

export function summarise(milliseconds: readonly number[], seconds: number): Latencies {
  const sorted = [...milliseconds].sort((a, b) => a - b)
  const at = (share: number) =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN)
  return {
    count: sorted.length,
    perSecond: round(sorted.length / seconds),
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max: round(sorted.at(-1) ?? Number.NaN),
  }
}

const round = (value: number) => Math.round(value * 10) / 10

/**
 * Every client does one operation after the other until the time is up; `pauseMs` on average lie between them, as with a
 * person who looks before answering. An operation that fails ends the benchmark.
 */
export async function drive(
  operations: readonly (() => Promise<void>)[],
  { seconds, pauseMs }: { seconds: number; pauseMs: number },
): Promise<Latencies> {
  const taken: number[] = []
  const startedAt = performance.now()
  const endsAt = startedAt + 1000 * seconds
  await Promise.all(
    operations.map(async (operation) => {
      while (performance.now() < endsAt) {
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, 2 * pauseMs * Math.random()))
        const from = performance.now()
        await operation()
        taken.push(performance.now() - from)
      }
    }),
  )
  return summarise(taken, (performance.now() - startedAt) / 1000)
}
