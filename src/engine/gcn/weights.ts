import { EngineError } from '../errors.ts'
import type { WeightArray, WeightArrays } from './parameters.ts'

/**
 * Weights file, little-endian:
 *
 *     bytes 0..7    "TRIBGCN1"
 *     bytes 8..11   uint32 h, length of the header
 *     bytes 12..    header: JSON in UTF-8, padded with spaces to a multiple of 4; `tensors` lists {name, shape} in the
 *                   order of the payload, everything else is the writer's
 *     then          payload: float32, tensor after tensor, row-major, matrices input x output
 *     last 4        uint32 CRC-32 (as in PNG and zip) of all bytes before
 *
 * Checkpoints of the released code map as conv{i}.weight, conv{i}.bias -> the same; classifier.0 -> hidden, classifier.1
 * (PReLU) -> hidden.slope, classifier.2 -> output, the matrices of classifier.0 and .2 transposed.
 */
const MAGIC = 'TRIBGCN1'
const PREFIX_BYTES = 12
const CRC_BYTES = 4

export type WeightsHeader = Readonly<Record<string, unknown>>

export function encodeWeights(header: WeightsHeader, weights: WeightArrays): Uint8Array {
  const tensors = Object.entries(weights).map(([name, { shape }]) => ({ name, shape: [...shape] }))
  const json = new TextEncoder().encode(JSON.stringify({ ...header, tensors }))
  const headerBytes = Math.ceil(json.length / 4) * 4
  const payloadBytes = Object.values(weights).reduce((sum, { data }) => sum + data.byteLength, 0)
  const bytes = new Uint8Array(PREFIX_BYTES + headerBytes + payloadBytes + CRC_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(MAGIC))
  view.setUint32(8, headerBytes, true)
  bytes.fill(0x20, PREFIX_BYTES, PREFIX_BYTES + headerBytes)
  bytes.set(json, PREFIX_BYTES)
  let at = PREFIX_BYTES + headerBytes
  for (const { data } of Object.values(weights)) {
    for (const value of data) {
      view.setFloat32(at, value, true)
      at += 4
    }
  }
  view.setUint32(at, crc32(bytes.subarray(0, at)), true)
  return bytes
}

/** @throws EngineError BAD_WEIGHTS saying what is wrong with the bytes. */
export function decodeWeights(bytes: Uint8Array): { header: WeightsHeader; weights: WeightArrays } {
  const refuse = (reason: string) => new EngineError('BAD_WEIGHTS', `the weights file ${reason}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < PREFIX_BYTES + CRC_BYTES || new TextDecoder().decode(bytes.subarray(0, 8)) !== MAGIC) {
    throw refuse(`must begin with ${MAGIC}: got something else; export the model again`)
  }
  const end = bytes.length - CRC_BYTES
  if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) {
    throw refuse('is damaged: its checksum does not match its content; copy it again')
  }
  const headerBytes = view.getUint32(8, true)
  const { tensors, ...header } = parseHeader(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + headerBytes))
  if (!Array.isArray(tensors)) throw refuse('must list its tensors in the header: got none')
  const weights: Record<string, WeightArray> = {}
  let at = PREFIX_BYTES + headerBytes
  for (const { name, shape } of tensors as { name: string; shape: number[] }[]) {
    const size = shape.reduce((a, b) => a * b, 1)
    if (at + size * 4 > end) throw refuse(`must hold every tensor that it lists: ${name} ends after the file`)
    const data = new Float32Array(size)
    for (let i = 0; i < size; i++, at += 4) {
      data[i] = view.getFloat32(at, true)
      if (!Number.isFinite(data[i])) throw refuse(`must hold finite numbers: got ${data[i]} in ${name}`)
    }
    weights[name] = { shape, data }
  }
  if (at !== end) throw refuse(`must end with its last tensor: got ${end - at} bytes more`)
  return { header, weights }
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new EngineError('BAD_WEIGHTS', `the weights file must have a JSON header: ${(cause as Error).message}`)
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let c = byte
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c >>> 0
})

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
