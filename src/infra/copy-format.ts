import type { BulkColumn, BulkType } from '../services/bulk-port.ts'
import { writeFloatsBE } from '../services/vectors.ts'

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
const FIRST_SIZE = 1 << 16
/** Memory of an earlier call: new pages for every batch cost as much as filling them. */
const MOST_SPARE = 1 << 24
let spare: Buffer | undefined

/** Hands back what `encodeCopy` returned, once it is sent: the next call writes into the same memory. */
export function reuse(bytes: Buffer): void {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset)
  if (whole.length <= MOST_SPARE && whole.length > (spare?.length ?? 0)) spare = whole
}

/** Value of a hexadecimal digit by character code; 0 for anything else, of which a UUID has only dashes. */
const HEX = new Uint8Array(128)
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/**
 * Rows in the binary format of COPY: the signature, then for each row the number of fields, and for each field its length,
 * -1 for NULL, and its bytes in the type's own binary form, big-endian.
 */
export function encodeCopy(rows: number, columns: readonly BulkColumn[]): Buffer {
  let bytes = spare ?? Buffer.allocUnsafeSlow(FIRST_SIZE)
  spare = undefined
  let at = 0
  const reserve = (size: number) => {
    if (at + size <= bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * bytes.length, at + size))
    bytes.copy(larger, 0, 0, at)
    bytes = larger
  }
  const text = (value: string, version?: number) => {
    // UTF-8 takes at most three bytes for each unit of UTF-16.
    reserve(5 + 3 * value.length)
    const head = at
    at += 4
    if (version !== undefined) at = bytes.writeUInt8(version, at)
    at += bytes.write(value, at, 'utf8')
    bytes.writeInt32BE(at - head - 4, head)
  }
  const write: Record<BulkType, (value: never) => void> = {
    uuid: (value: string) => {
      reserve(20)
      at = bytes.writeInt32BE(16, at)
      for (let i = 0; i < 36; i += 2) {
        if (i === 8 || i === 13 || i === 18 || i === 23) i++
        bytes[at++] = ((HEX[value.charCodeAt(i)] as number) << 4) | (HEX[value.charCodeAt(i + 1)] as number)
      }
    },
    text: (value: string) => text(value),
    MembershipSource: (value: string) => text(value),
    ConstraintKind: (value: string) => text(value),
    IdentityState: (value: string) => text(value),
    jsonb: (value: unknown) => text(JSON.stringify(value), 1),
    int4: (value: number) => {
      reserve(8)
      at = bytes.writeInt32BE(4, at)
      at = bytes.writeInt32BE(value, at)
    },
    float4: (value: number) => {
      reserve(8)
      at = bytes.writeInt32BE(4, at)
      at = bytes.writeFloatBE(value, at)
    },
    float8: (value: number) => {
      reserve(12)
      at = bytes.writeInt32BE(8, at)
      at = bytes.writeDoubleBE(value, at)
    },
    vector: (value: Float32Array) => {
      reserve(8 + value.byteLength)
      at = bytes.writeInt32BE(4 + value.byteLength, at)
      at = bytes.writeInt16BE(value.length, at)
      at = bytes.writeInt16BE(0, at)
      at = writeFloatsBE(bytes, at, value)
    },
  }

  at += SIGNATURE.copy(bytes, at)
  at = bytes.writeInt32BE(0, at)
  at = bytes.writeInt32BE(0, at)
  const field = (type: BulkType, value: unknown) => {
    if (value === null || value === undefined) {
      reserve(4)
      at = bytes.writeInt32BE(-1, at)
    } else write[type](value as never)
  }
  // What every row says is written once and copied.
  const fields = columns.map((column) => {
    if ('values' in column) return column
    const from = at
    field(column.type, column.value)
    const same = Buffer.from(bytes.subarray(from, at))
    at = from
    return { same }
  })
  const from = at
  for (let row = 0; row < rows; row++) {
    reserve(2)
    at = bytes.writeInt16BE(columns.length, at)
    for (const column of fields) {
      if ('values' in column) field(column.type, column.values[row])
      else {
        reserve(column.same.length)
        bytes.set(column.same, at)
        at += column.same.length
      }
    }
    // Rows are much of a size.
    if (row === 0) reserve((at - from) * rows)
  }
  reserve(2)
  at = bytes.writeInt16BE(-1, at)
  return bytes.subarray(0, at)
}
