import { createReadStream } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { App } from './app.ts'
import { invalid } from './errors.ts'
import { type ImportFile, type ImportFolder, innerPath } from './import-file.ts'
import type { ImportSource } from './import-source.ts'

/** Bytes of a file that are read at once: four times Node's own, for files that are read from end to end. */
const READ_BYTES = 256 * 1024

const refuse = (message: string) => invalid(message, 'input', 'manifestUrl')

/** The real path, when it lies below an allowed root; links that lead out are followed before the check. */
async function resolveWithin(roots: readonly string[], file: string): Promise<string | undefined> {
  const real = await realpath(file).catch(() => undefined)
  if (!real) return undefined
  for (const root of roots) {
    const realRoot = await realpath(root).catch(() => undefined)
    if (realRoot && (real === realRoot || real.startsWith(realRoot + path.sep))) return real
  }
  return undefined
}

const localFile = (name: string, real: string, byteSize: number): ImportFile => ({
  name,
  byteSize,
  isSeekable: true,
  open: async (range) => createReadStream(real, { ...range, highWaterMark: READ_BYTES }),
})

/** A folder of this machine. Links that lead out of it are not followed. */
export function localFolder(folder: string): ImportFolder {
  async function find(name: string): Promise<ImportFile | undefined> {
    const inner = innerPath(name)
    const real = inner && (await resolveWithin([folder], path.join(folder, inner)))
    if (!real) return undefined
    const facts = await stat(real)
    return facts.isFile() ? localFile(inner, real, facts.size) : undefined
  }

  /** Depth first by code unit, so that every run sees the same order. */
  async function* list(below = ''): AsyncGenerator<ImportFile> {
    const entries = await readdir(path.join(folder, below), { withFileTypes: true })
    entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue
      const name = below ? `${below}/${entry.name}` : entry.name
      if (entry.isDirectory()) yield* list(name)
      else {
        const file = await find(name)
        if (file) yield file
      }
    }
  }

  return { find, list: () => list() }
}

/** A manifest, archive or folder below the folders that IMPORT_ROOTS allows. */
export async function sourceFromFolder(app: App, manifestUrl: string): Promise<ImportSource> {
  const asked = fileURLToPath(manifestUrl)
  const real = await resolveWithin(app.config.importRoots, asked)
  if (!real) {
    // The same words for a missing file and a forbidden one: the address must not tell what is on the server.
    throw refuse(`no manifest or folder at ${manifestUrl} below the folders that IMPORT_ROOTS allows`)
  }
  const facts = await stat(real)
  const where = 'the folder of the manifest'
  if (facts.isDirectory()) return { name: path.basename(real), folder: localFolder(real), where }
  const name = path.basename(real)
  return { name, file: localFile(name, real, facts.size), folder: localFolder(path.dirname(real)), where }
}
