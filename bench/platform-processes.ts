import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Settings of the private server: durable as in production (its script turns fsync off for tests), 2 GB of buffers. */
const SETTINGS = [
  'fsync=on',
  'synchronous_commit=on',
  'shared_buffers=2GB',
  'effective_cache_size=6GB',
  'max_wal_size=8GB',
  'checkpoint_timeout=30min',
  'wal_compression=lz4',
  'random_page_cost=1.1',
  'shared_preload_libraries=pg_stat_statements',
  'pg_stat_statements.track_utility=off',
]

export interface DatabaseServer {
  readonly url: string
  /** Process id of its postmaster, where it runs on this machine and is ours. */
  readonly pid?: number
  stop(): void
}

/** PostgreSQL 17 of its own, or the server of DATABASE_URL. */
export function startDatabase(folder: string, port: number): DatabaseServer {
  if (process.env.DATABASE_URL) return { url: process.env.DATABASE_URL, stop: () => {} }
  const options = {
    encoding: 'utf8' as const,
    env: { ...process.env, PG17_OPTIONS: SETTINGS.map((s) => `-c ${s}`).join(' ') },
  }
  const url = execFileSync('scripts/pg17.sh', ['start', folder, String(port)], options).trim()
  const pid = Number(readFileSync(join(folder, 'root/srv/pg/data/postmaster.pid'), 'utf8').split('\n', 1)[0])
  return { url, pid, stop: () => execFileSync('scripts/pg17.sh', ['stop', folder], { stdio: 'ignore' }) }
}

export interface ApiServer {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** The product's own server, in a process of its own, with its worker. */
export async function startApi(env: Record<string, string>): Promise<ApiServer> {
  const node = [...(process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []), '--import', 'tsx', 'src/server.ts']
  const child = spawn(process.execPath, node, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const url = `http://127.0.0.1:${env.PORT}/graphql`
  for (let attempt = 0; ; attempt++) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`)
    if (await answers(env.PORT as string)) break
    if (attempt > 600) throw new Error('the server did not answer within two minutes')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return { url, pid: child.pid as number, stop: () => stop(child) }
}

const answers = (port: string): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/healthz`).then(
    (response) => response.ok,
    () => false,
  )

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await ended
  clearTimeout(timer)
}

/** Resident MiB of a process now. */
export function rssMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kib) / 1024)
}

const TICKS_A_SECOND = 100

/** CPU seconds that a process and its children, those that ended included, have used: what a busy machine does not disturb. */
export function cpuSecondsOf(pid: number | undefined): number {
  if (pid === undefined) return Number.NaN
  let ticks = 0
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = readStat(Number(entry))
    if (!stat) continue
    if (Number(entry) === pid) ticks += stat.own + stat.ended
    else if (stat.parent === pid) ticks += stat.own
  }
  return ticks / TICKS_A_SECOND
}

function readStat(pid: number): { parent: number; own: number; ended: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name is in parentheses and may hold anything.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const [, parent] = fields as [number, number]
    const [user, system, endedUser, endedSystem] = fields.slice(11, 15) as [number, number, number, number]
    return { parent, own: user + system, ended: endedUser + endedSystem }
  } catch {
    return undefined
  }
}
