import type { Prisma } from '../generated/prisma/client.ts'

type Queryable = Pick<Prisma.TransactionClient, '$queryRaw'>

/** Lengths of vectors that are taken. */
const SHORTEST = 1e-15
const LONGEST = 1e15

/** What is wrong with a vector that should have this dimension, finite values and a direction. */
export function problemOfVector(vector: Float32Array, dimension: number): string | undefined {
  if (vector.length !== dimension) return `must have ${dimension} values: got ${vector.length}`
  let norm = 0
  for (let i = 0; i < vector.length; i++) norm += (vector[i] as number) * (vector[i] as number)
  // Squares of float32 values do not overflow in 64 bits: the sum is finite where each of them is.
  if (!Number.isFinite(norm)) {
    const at = vector.findIndex((value) => !Number.isFinite(value))
    return `must be finite: got ${vector[at]} at position ${at}`
  }
  if (norm === 0) return 'must not be all zero: it has no direction'
  // Beyond these the database, which squares in 32 bits, sees zero or infinity, and no neighbours.
  if (norm < SHORTEST ** 2 || norm > LONGEST ** 2)
    return `must have a length of ${SHORTEST} to ${LONGEST}: got ${Math.sqrt(norm)}`
  return undefined
}

const NINE_DIGITS = 1e9

/**
 * Values as numbers of few digits that are the same in 32 bits: nine decimals where they do, which is nearly always for values below one,
 * and the 64-bit form, of seventeen digits, where they do not.
 */
export function shortDecimals(vector: Float32Array): number[] {
  const decimals = new Array<number>(vector.length)
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i] as number
    const short = Math.round(value * NINE_DIGITS) / NINE_DIGITS
    decimals[i] = Math.fround(short) === value ? short : value
  }
  return decimals
}

/** Bytes of one vector in pgvector's binary format: int16 dimension, int16 zero, then float4 values, big-endian. */
function writeVector(target: Buffer, offset: number, vector: Float32Array): number {
  let at = target.writeInt16BE(vector.length, offset)
  at = target.writeInt16BE(0, at)
  return writeFloatsBE(target, at, vector)
}

/** Float32 values, big-endian: one copy and one swap of the whole range, ten times faster than value by value. */
export function writeFloatsBE(target: Buffer, offset: number, values: Float32Array): number {
  const range = target.subarray(offset, offset + values.byteLength)
  range.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  range.swap32()
  return offset + values.byteLength
}

/** One vector as a binary parameter: `${encodeVector(v)}::vector`. */
export function encodeVector(vector: Float32Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 + vector.length * 4)
  writeVector(bytes, 0, vector)
  return bytes
}

/** Many vectors as one binary parameter: `unnest(${encodeVectors(vs, oid)}::vector[])`. `oid` is that of the type vector. */
export function encodeVectors(vectors: readonly Float32Array[], oid: number): Buffer {
  const size = vectors.reduce((sum, vector) => sum + 8 + vector.length * 4, 20)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  // Array header: one dimension, no nulls, element type, length, lower bound.
  for (const word of [1, 0, oid, vectors.length, 1]) at = bytes.writeInt32BE(word, at)
  for (const vector of vectors) {
    at = bytes.writeInt32BE(4 + vector.length * 4, at)
    at = writeVector(bytes, at, vector)
  }
  return bytes
}

/** Copies the output of `vector_send` into a row of a matrix. */
export function decodeVector(bytes: Uint8Array, target: Float32Array, offset: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getInt16(0)
  for (let i = 0; i < length; i++) target[offset + i] = view.getFloat32(4 + 4 * i)
}

const oids = new WeakMap<object, Promise<number>>()

/** The object id of the type vector in this database; asked once a client. */
export function findVectorOid(owner: object, db: Queryable): Promise<number> {
  let oid = oids.get(owner)
  if (!oid) {
    oid = db.$queryRaw<{ oid: number }[]>`SELECT 'vector'::regtype::oid::int AS oid`.then(([row]) => row?.oid as number)
    oids.set(owner, oid)
  }
  return oid
}
