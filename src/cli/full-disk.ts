import { UsageError } from './errors.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'its disk is full: free space',
  EDQUOT: 'its quota is used up: free space',
  EROFS: 'its disk is read-only: take another --out',
  EACCES: 'permission is denied: take another --out',
}

/** Turns what a disk refuses into one sentence; anything else is passed on. */
export function refuseFullDisk(error: unknown, out: string): unknown {
  const { code = '', path = out } = (error ?? {}) as NodeJS.ErrnoException
  const reason = REASONS[code]
  return reason === undefined || !path.startsWith(out)
    ? error
    : new UsageError(`${out} cannot be written: ${reason}, then run the same command again; finished steps are kept`)
}
