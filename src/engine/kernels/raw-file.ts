import { EngineError } from '../errors.ts'
import { fileSystem } from './node-host.ts'

/** Values as they lie in memory, little-endian on every processor that Node runs on; no header. */
export type Values = Int32Array | Float32Array | Uint8Array

/** One system call takes at most 2 GiB; less lets others run. */
const BYTES_A_CALL = 2 ** 26

/** Fills `into` from a place in a file. @returns bytes read: fewer than wanted where the file ends. */
export async function readValues(file: string, into: Values, positionBytes = 0): Promise<number> {
  const bytes = bytesOf(into)
  const handle = await fileSystem().open(file, 'r')
  try {
    let at = 0
    while (at < bytes.length) {
      const length = Math.min(BYTES_A_CALL, bytes.length - at)
      const { bytesRead } = await handle.read(bytes.subarray(at, at + length), 0, length, positionBytes + at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return at
  } finally {
    await handle.close()
  }
}

/** Reads exactly `into.length` values. @throws EngineError SHAPE_MISMATCH when the file ends before. */
export async function readAll<T extends Values>(file: string, into: T, positionBytes = 0): Promise<T> {
  const got = await readValues(file, into, positionBytes)
  if (got < into.byteLength) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `${file} must hold ${positionBytes + into.byteLength} bytes: got ${positionBytes + got}`,
    )
  }
  return into
}

/** A file that is written at places of the caller's choice and then, once, made durable. */
export interface ValueWriter {
  write(values: Values, positionBytes: number): Promise<void>
  /** Returns when the disk holds what was written. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens a file to write to, and makes it if it is not there; what it holds stays. */
export async function openWriter(file: string): Promise<ValueWriter> {
  const fs = fileSystem()
  const handle = await fs.open(file, 'r+').catch(() => fs.open(file, 'w'))
  return {
    async write(values, positionBytes) {
      const bytes = bytesOf(values)
      for (let at = 0; at < bytes.length; ) {
        const length = Math.min(BYTES_A_CALL, bytes.length - at)
        at += (await handle.write(bytes.subarray(at, at + length), 0, length, positionBytes + at)).bytesWritten
      }
    },
    sync: () => handle.sync(),
    close: () => handle.close(),
  }
}

/** Writes a file that is either there whole or not at all, whenever the process ends. */
export async function writeWhole(file: string, fill: (writer: ValueWriter) => Promise<void>): Promise<void> {
  const temporary = `${file}.new`
  await removeFile(temporary)
  const writer = await openWriter(temporary)
  try {
    await fill(writer)
    await writer.sync()
  } finally {
    await writer.close()
  }
  await fileSystem().rename(temporary, file)
}

/** Bytes of a file, undefined where there is none. */
export async function sizeOf(file: string): Promise<number | undefined> {
  const found = await fileSystem()
    .stat(file)
    .catch(() => undefined)
  return found?.size
}

export function removeFile(file: string): Promise<void> {
  return fileSystem().rm(file, { force: true })
}

function bytesOf(values: Values): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
