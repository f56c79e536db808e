import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream, type Stats } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DomainError } from '../services/errors.ts'
import type { FileStore, StoredFile } from '../services/ports.ts'

export const contentKey = (sha256: string): string => `sha256/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`

/** Keys are made by this project only; anything that could leave the folder is a bug or an attack. */
export function checkKey(key: string): string {
  if (!/^[\w][\w./@-]*$/.test(key) || key.includes('..')) throw new DomainError('NOT_FOUND', `no such file: ${key}`)
  return key
}

/** Bytes pass through, their SHA-256 and number are known at the end. */
export class HashingStream extends Transform {
  readonly #hash = createHash('sha256')
  byteSize = 0

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, data: Buffer) => void,
  ): void {
    this.#hash.update(chunk)
    this.byteSize += chunk.length
    done(null, chunk)
  }

  sha256(): string {
    return this.#hash.digest('hex')
  }
}

const explain = (error: unknown): unknown =>
  (error as NodeJS.ErrnoException).code === 'ENOSPC'
    ? new DomainError('LIMIT_EXCEEDED', 'the disk of the file store is full: free space, then repeat')
    : error

/** Files in a folder: written aside, flushed, then renamed, so that a reader or a crash never sees half a file. */
export async function openLocalFileStore(folder: string): Promise<FileStore> {
  const staging = path.join(folder, 'staging')
  // What a crash left half written is nobody's.
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true })
  const pathOf = (key: string) => path.join(folder, checkKey(key))

  async function write(content: Readable | Uint8Array, finish: (file: StoredFile) => string): Promise<StoredFile> {
    const draft = path.join(staging, randomUUID())
    const hashing = new HashingStream()
    try {
      const source = content instanceof Readable ? content : Readable.from([content])
      await pipeline(source, hashing, createWriteStream(draft, { flush: true }))
      const sha256 = hashing.sha256()
      const stored = { key: contentKey(sha256), sha256, byteSize: hashing.byteSize }
      const target = pathOf(finish(stored))
      await mkdir(path.dirname(target), { recursive: true })
      await rename(draft, target)
      await flushFolder(path.dirname(target))
      return stored
    } catch (error) {
      await rm(draft, { force: true })
      throw explain(error)
    }
  }

  async function statOf(key: string): Promise<Stats | undefined> {
    try {
      return await stat(pathOf(key))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  return {
    put: (content) => write(content, ({ key }) => key),
    putAt: async (key, content) => {
      await write(content, () => key)
    },
    async open(key, range) {
      const file = await open(pathOf(key)).catch(() => {
        throw new DomainError('NOT_FOUND', `no such file: ${key}`)
      })
      await file.close()
      return createReadStream(pathOf(key), range)
    },
    sizeOf: async (key) => (await statOf(key))?.size,
    // A draft that is renamed over the same bytes brings its own time.
    writtenAt: async (key) => (await statOf(key))?.mtime,
    async delete(key) {
      await rm(pathOf(key), { force: true })
    },
  }
}

/** A rename survives a power cut only once its folder is flushed. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
