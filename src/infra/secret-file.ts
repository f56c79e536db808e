import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const isCode = (error: unknown, code: string) => (error as NodeJS.ErrnoException).code === code

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** A secret of 32 bytes, base64url, in a file that only this user reads: made once, whoever of several processes is first. */
export function readOrMakeSecret(file: string): string {
  const there = readIfThere(file)
  if (there) return there
  mkdirSync(path.dirname(file), { recursive: true })
  try {
    writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  }
  return readFileSync(file, 'utf8').trim()
}
