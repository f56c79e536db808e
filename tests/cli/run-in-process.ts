import { vi } from 'vitest'
import { runCommand } from '../../src/cli.ts'

/** Runs a command in this process: its status and what it has written. */
export async function run(...args: string[]) {
  const written = { out: '', err: '' }
  const catching = (key: 'out' | 'err') => (text: string | Uint8Array) => {
    written[key] += String(text)
    return true
  }
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(catching('out') as never)
  const err = vi.spyOn(process.stderr, 'write').mockImplementation(catching('err') as never)
  try {
    return {
      status: await runCommand(args),
      ...written,
      get json() {
        return JSON.parse(written.out)
      },
    }
  } finally {
    out.mockRestore()
    err.mockRestore()
  }
}
