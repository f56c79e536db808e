import {
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { DatabaseError } from './database-error.ts'

/** Somebody else holds the data folder. */
export class DataFolderLockedError extends DatabaseError {
  constructor(folder: string, holder: string) {
    super(
      `the data folder ${folder} is in use by ${holder}: stop that server first, or set TRIBUTARY_DATA_DIR to another folder (two servers on one embedded database would lose data)`,
    )
    this.name = 'DataFolderLockedError'
  }
}

interface Holder {
  pid: number
  /** When the process was started, where the system tells: a later process may have been given the same pid. */
  startedAt?: string
}

const ATTEMPTS = 100
const RETRY_MS = 10
/** The folders that this process holds; its own pid in a lock file says nothing, as a container starts again with it. */
const held = new Set<string>()

/** What Linux tells of a process: its state, and when it was started in clock ticks since the system was. */
function readStat(pid: number): { state?: string; startedAt?: string } {
  try {
    // The second field is the name in brackets, which may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')
    return { state: fields?.[0], startedAt: fields?.[19] }
  } catch {
    return {}
  }
}

function isAlive({ pid, startedAt }: Holder): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1 || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const stat = readStat(pid)
  // Z: it ended, and only waits for its parent to take notice.
  if (stat.state === 'Z') return false
  return !startedAt || !stat.startedAt || startedAt === stat.startedAt
}

function parseHolder(text: string): Holder {
  const [pid, startedAt] = text.trim().split(' ')
  return { pid: Number(pid), startedAt }
}

/** Links `source` as `target`, which then appears whole or not at all; false where the target exists. */
function claim(source: string, target: string): boolean {
  for (const make of [linkSync, copyExclusively]) {
    try {
      make(source, target)
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return false
      // Some network and shared folders know no hard links.
      if (make !== linkSync || code === 'ENOENT') throw error
    }
  }
  return false
}

const copyExclusively = (source: string, target: string) => copyFileSync(source, target, constants.COPYFILE_EXCL)

/**
 * Removes the lock of a dead process, one remover at a time: otherwise, of two that saw the dead lock, the slower would
 * remove what the faster has just taken.
 */
function removeDead(file: string, mine: string): void {
  const guard = `${file}.takeover`
  if (!claim(mine, guard)) {
    const remover = readHolder(guard)
    if (remover && !isAlive(remover)) rmSync(guard, { force: true })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
    return
  }
  try {
    const holder = readHolder(file)
    if (holder && !isAlive(holder)) rmSync(file, { force: true })
  } finally {
    rmSync(guard, { force: true })
  }
}

/**
 * Takes the folder for this process; the lock of a dead process is taken over.
 *
 * @returns a function that gives it back.
 * @throws DataFolderLockedError naming the process that holds it.
 */
export function lockDataFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true })
  const real = realpathSync(folder)
  if (held.has(real)) throw new DataFolderLockedError(folder, 'this very process')
  const file = path.join(real, 'tributary.lock')
  const mine = `${file}.${process.pid}`
  const text = `${process.pid} ${readStat(process.pid).startedAt ?? ''}\n`
  writeFileSync(mine, text)
  try {
    for (let attempt = 1; !claim(mine, file); attempt++) {
      const holder = readHolder(file)
      if (holder && (isAlive(holder) || attempt >= ATTEMPTS)) {
        throw new DataFolderLockedError(folder, `process ${holder.pid}`)
      }
      removeDead(file, mine)
    }
  } finally {
    rmSync(mine, { force: true })
  }
  held.add(real)
  const release = () => {
    process.off('exit', release)
    if (held.delete(real)) rmSync(file, { force: true })
  }
  process.once('exit', release)
  return release
}

/** Who holds the lock; undefined where it was given back meanwhile. */
function readHolder(file: string): Holder | undefined {
  try {
    return parseHolder(readFileSync(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
