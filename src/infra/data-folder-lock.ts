import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'

/** Another process holds the data folder. */
export class DataFolderLockedError extends Error {
  constructor(folder: string, pid: number) {
    super(
      `the data folder ${folder} is in use by process ${pid}: stop that server first, or set TRIBUTARY_DATA_DIR to another folder (two processes on one embedded database would lose data)`,
    )
    this.name = 'DataFolderLockedError'
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Takes the folder for this process; the lock of a dead process is taken over.
 *
 * @returns a function that gives it back.
 */
export function lockDataFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, 'tributary.lock')
  for (let attempt = 0; ; attempt++) {
    try {
      const descriptor = openSync(file, 'wx')
      writeSync(descriptor, String(process.pid))
      closeSync(descriptor)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = Number(readFileSync(file, 'utf8'))
      if (attempt > 2 || (holder !== process.pid && isAlive(holder))) throw new DataFolderLockedError(folder, holder)
      rmSync(file, { force: true })
    }
  }
  let isHeld = true
  const release = () => {
    if (isHeld) rmSync(file, { force: true })
    isHeld = false
  }
  process.once('exit', release)
  return release
}
