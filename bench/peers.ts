import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface PeerAnswer {
  readonly missing?: string
  readonly cpuSeconds?: number
  readonly recall?: number
  readonly probes?: number
  /** Of an index that must be trained: not part of `cpuSeconds`. */
  readonly trainCpuSeconds?: number
  readonly gcnV?: number
  readonly gcnE?: number
}

export interface Peers {
  ask(request: { readonly what: string } & Record<string, unknown>): Promise<PeerAnswer>
  stop(): Promise<void>
}

/** Starts bench/peers.py with the system's Python, which sees Debian's python3-faiss, python3-torch, python3-sklearn. */
export async function startPeers(threads: number): Promise<Peers | undefined> {
  const script = fileURLToPath(new URL('./peers.py', import.meta.url))
  const python = spawn('/usr/bin/python3', [script, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const started = await Promise.race([once(python, 'spawn').then(() => true), once(python, 'error').then(() => false)])
  if (!started) return undefined
  const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]()
  return {
    async ask(request) {
      python.stdin.write(`${JSON.stringify(request)}\n`)
      const { value, done } = await answers.next()
      if (done) return { missing: 'python3 with numpy' }
      return JSON.parse(value) as PeerAnswer
    },
    async stop() {
      python.stdin.end()
      if (python.exitCode === null) await once(python, 'exit')
    },
  }
}
