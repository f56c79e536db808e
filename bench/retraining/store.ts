import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Results of one seed in a folder: each is whole or not there, so that a killed experiment goes on where it stopped. */
export interface Store {
  has(name: string): boolean
  readBytes(name: string): Uint8Array
  writeBytes(name: string, bytes: Uint8Array): void
  readJson<T>(name: string): T
  writeJson(name: string, value: unknown): void
  /** Names of all JSON results. */
  names(): string[]
}

/**
 * What is measured by one state of the code must not be mixed with what another has measured.
 *
 * @param of what results follow from
 */
export function requireSame(store: Store, of: object): void {
  const now = JSON.stringify(of)
  if (!store.has('of.json')) store.writeJson('of', of)
  else if (JSON.stringify(store.readJson('of')) !== now) {
    throw new Error(
      `the results so far come from another state of src/engine or from other settings: remove their folder, or pass --mix. Then ${JSON.stringify(store.readJson('of'))}, now ${now}`,
    )
  }
}

/** Hash of the engine's sources. */
export function engineHash(folder = join('src', 'engine')): string {
  const hash = createHash('sha256')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(folder, file)))
  return hash.digest('hex').slice(0, 16)
}

export function openStore(folder: string): Store {
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(at(`${name}.part`), content)
    renameSync(at(`${name}.part`), at(name))
  }
  return {
    has: (name) => existsSync(at(name)),
    readBytes: (name) => new Uint8Array(readFileSync(at(name))),
    writeBytes: write,
    readJson: (name) => JSON.parse(readFileSync(at(`${name}.json`), 'utf8')),
    writeJson: (name, value) => write(`${name}.json`, `${JSON.stringify(value)}\n`),
    names: () =>
      readdirSync(folder)
        .filter((file) => file.endsWith('.json'))
        .map((file) => file.slice(0, -5)),
  }
}
