import type { Readable } from 'node:stream'
import type { App } from './app.ts'
import { DomainError } from './errors.ts'

/** A file that an import reads, wherever it lies. */
export interface ImportFile {
  /** Path within its folder, with forward slashes. */
  readonly name: string
  readonly byteSize: number
  /** Whether `open` takes a range; a packed entry of an archive can only be read from its beginning. */
  readonly isSeekable: boolean
  /** Streams the file, or a range of it (both ends included). */
  open(range?: { start: number; end: number }): Promise<Readable>
}

/** What lies around a manifest: a folder, a bucket prefix, an archive, or the uploads of a project. */
export interface ImportFolder {
  /** The file of that path, or undefined. A path that leads out of the folder names nothing. */
  find(name: string): Promise<ImportFile | undefined>
  /** Every file below, always in the same order; absent where nothing can list it. */
  list?(): AsyncIterable<ImportFile>
  /** Hands back what reading holds open. */
  close?(): Promise<void>
}

/** Lower-case extension with its dot, or an empty text. */
export const extensionOf = (name: string): string => /\.[a-z0-9]+$/i.exec(name)?.[0].toLowerCase() ?? ''

/** A path within a folder without `.` and `..`; undefined when it leads out. */
export function innerPath(name: string): string | undefined {
  const parts: string[] = []
  if (name.startsWith('/') || name.includes('\0')) return undefined
  for (const part of name.replaceAll('\\', '/').split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return undefined
  }
  return parts.length > 0 ? parts.join('/') : undefined
}

/** Bytes `start` to `end` (not included) of a seekable file. */
export async function readRange(file: ImportFile, start: number, end: number): Promise<Buffer> {
  if (end <= start) return Buffer.alloc(0)
  const bytes = await collect(await file.open({ start, end: end - 1 }))
  if (bytes.length !== end - start) {
    throw new DomainError(
      'INVALID',
      `${file.name} is cut short: got ${bytes.length} bytes at ${start}, expected ${end - start}`,
    )
  }
  return bytes
}

/** A whole small file. */
export async function readWhole(file: ImportFile, maxBytes: number): Promise<Buffer> {
  if (file.byteSize > maxBytes) {
    throw new DomainError('INVALID', `${file.name} has ${file.byteSize} bytes: at most ${maxBytes} are taken`)
  }
  return collect(await file.open())
}

export async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A file of the file store. */
export const storedFile = (app: App, name: string, key: string, byteSize: number): ImportFile => ({
  name,
  byteSize,
  isSeekable: true,
  open: (range) => app.files.open(key, range),
})

/** The same bytes where any part of them can be read: a packed entry is unpacked into the file store first. */
export async function makeSeekable(app: App, file: ImportFile): Promise<ImportFile> {
  if (file.isSeekable) return file
  const { key, byteSize } = await app.files.put(await file.open())
  return storedFile(app, file.name, key, byteSize)
}
