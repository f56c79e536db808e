import { PassThrough, type Readable } from 'node:stream'
import yauzl, { type Entry, type RandomAccessReader as Reader, type ZipFile } from 'yauzl'
import { DomainError } from './errors.ts'
import { type ImportFile, type ImportFolder, innerPath } from './import-file.ts'

/** More entries than this are not indexed: about 300 MB of names and places. */
const MAX_ENTRIES = 1_000_000

const refuse = (message: string) => new DomainError('INVALID', message)

/** Lets yauzl read a file of ours piece by piece. */
class FileReader extends yauzl.RandomAccessReader {
  constructor(readonly file: ImportFile) {
    super()
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const output = new PassThrough()
    if (end <= start) return output.end() as PassThrough
    this.file.open({ start, end: end - 1 }).then(
      (stream) => {
        stream.once('error', (error) => output.destroy(error))
        stream.pipe(output)
      },
      (error) => output.destroy(error),
    )
    return output
  }
}

async function openZip(file: ImportFile): Promise<ZipFile> {
  try {
    const reader = new FileReader(file) as unknown as Reader
    return await yauzl.fromRandomAccessReaderPromise(reader, file.byteSize, {
      autoClose: false,
      strictFileNames: false,
    })
  } catch (error) {
    throw refuse(`${file.name} is no readable zip archive: ${(error as Error).message}`)
  }
}

/** What operating systems leave in archives. */
const isLitter = (name: string) => /(^|\/)(__MACOSX\/|\.|Thumbs\.db$|desktop\.ini$)/i.test(name)

/** The one folder that everything lies in, with its slash; else an empty text. */
function wrapperOf(names: Iterable<string>): string {
  let wrapper: string | undefined
  for (const name of names) {
    const top = name.includes('/') ? name.slice(0, name.indexOf('/') + 1) : ''
    if (top === '' || (wrapper !== undefined && wrapper !== top)) return ''
    wrapper = top
  }
  return wrapper ?? ''
}

/**
 * A zip archive as a folder; nothing is unpacked to disk. One folder that wraps everything is left away. Refused at once:
 * names that lead out of the archive, passwords, and archives that unpack to more than `maxUnpackedBytes`; an entry that
 * turns out larger than it says breaks its stream.
 */
export async function openArchive(
  file: ImportFile,
  { maxUnpackedBytes }: { maxUnpackedBytes: number },
): Promise<ImportFolder> {
  const zip = await openZip(file)
  const entries = new Map<string, Entry>()
  let unpackedBytes = 0
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/') || isLitter(entry.fileName)) continue
      if (entries.size >= MAX_ENTRIES) {
        throw refuse(`${file.name} must have at most ${MAX_ENTRIES} entries: put more into several archives`)
      }
      if (entry.isEncrypted()) throw refuse(`${file.name} must have no password: ${entry.fileName} is encrypted`)
      if (!entry.canDecodeFileData()) {
        throw refuse(
          `${file.name} must be packed with deflate or not at all: ${entry.fileName} has method ${entry.compressionMethod}`,
        )
      }
      if (entries.has(entry.fileName)) throw refuse(`${file.name} names ${entry.fileName} twice`)
      unpackedBytes += entry.uncompressedSize
      if (unpackedBytes > maxUnpackedBytes) {
        throw refuse(
          `${file.name} must unpack to at most ${maxUnpackedBytes} bytes (MAX_UPLOAD_BYTES): with ${entry.fileName} it is ${unpackedBytes}`,
        )
      }
      entries.set(entry.fileName, entry)
    }
  } catch (error) {
    zip.close()
    if (error instanceof DomainError) throw error
    throw refuse(`${file.name} is no readable zip archive: ${(error as Error).message}`)
  }
  const wrapper = wrapperOf(entries.keys())

  const toFile = (entry: Entry): ImportFile => {
    const isSeekable = entry.compressionMethod === 0
    return {
      name: entry.fileName.slice(wrapper.length),
      byteSize: entry.uncompressedSize,
      isSeekable,
      open: async (range) => {
        const options = range && { start: range.start, end: range.end + 1 }
        const packed = options
          ? await zip.openReadStreamPromise(entry, options)
          : await zip.openReadStreamPromise(entry)
        return explaining(packed, `${file.name}, entry ${entry.fileName}`)
      },
    }
  }

  return {
    find: async (name) => {
      const path = innerPath(name)
      const entry = path && entries.get(wrapper + path)
      return entry ? toFile(entry) : undefined
    },
    list: async function* () {
      for (const entry of entries.values()) yield toFile(entry)
    },
    close: async () => zip.close(),
  }
}

/** Errors of unpacking say where they happened, and are refusals: trying again changes nothing. */
function explaining(stream: Readable, where: string): Readable {
  const output = new PassThrough()
  stream.once('error', (error) => output.destroy(refuse(`${where} can not be unpacked: ${error.message}`)))
  output.once('close', () => stream.destroy())
  return stream.pipe(output)
}
