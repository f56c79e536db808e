import { isAscii, isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import { DomainError } from './errors.ts'

const NEWLINE = 10
/** A row with an embedding of 2,000 numbers in full precision has about 40 kB. */
const MAX_LINE_BYTES = 16 * 1024 ** 2

/**
 * Lines of a UTF-8 text, without their ends (LF or CR LF) and without a byte order mark. A last line needs no end.
 *
 * @throws DomainError INVALID at a line of more than 16 MiB: such a file is no text, and must not fill the memory. And at one
 *   that is no UTF-8: its letters would be lost.
 */
export async function* textLines(stream: Readable, name: string): AsyncGenerator<string> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let isFirst = true
  let count = 0
  const finish = (last: Buffer): string => {
    const bytes = pending.length > 0 ? Buffer.concat([...pending, last]) : last
    pending = []
    pendingBytes = 0
    count++
    const end = bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length
    // Long lines of base64 are plain ASCII, which is copied and not decoded.
    if (isAscii(bytes)) {
      isFirst = false
      return bytes.toString('latin1', 0, end)
    }
    if (!isUtf8(bytes)) throw new DomainError('INVALID', `${name}, line ${count} is not UTF-8: save the file as UTF-8`)
    const text = bytes.toString('utf8', 0, end)
    const isMarked = isFirst && text.charCodeAt(0) === 0xfeff
    isFirst = false
    return isMarked ? text.slice(1) : text
  }
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      yield finish(chunk.subarray(from, at))
      from = at + 1
    }
    if (from === chunk.length) continue
    pending.push(chunk.subarray(from))
    pendingBytes += chunk.length - from
    if (pendingBytes > MAX_LINE_BYTES) {
      throw new DomainError(
        'INVALID',
        `${name}, line ${count + 1} is longer than ${MAX_LINE_BYTES} bytes: is it a text file?`,
      )
    }
  }
  if (pendingBytes > 0) yield finish(Buffer.alloc(0))
}
