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
