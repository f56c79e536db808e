import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import sharp from 'sharp'
import type { LabelledPictures } from './pictures.ts'

const FOLDER = join('..', 'shared', 'data', 'omniglot242_mnv2_256')

/** Whether the handwritten characters lie beside the project. */
export const hasOmniglot = (folder = FOLDER) => existsSync(join(folder, 'images.zip'))

/** 242 handwritten characters of 8 alphabets by 20 drawers, shrunk to `edge` pixels, ink bright. */
export async function omniglotPictures(edge: number, folder = FOLDER): Promise<LabelledPictures> {
  const labels = new Int32Array(new Uint8Array(readFileSync(join(folder, 'labels.i32'))).buffer)
  const files = readZip(readFileSync(join(folder, 'images.zip')))
    .filter(({ name }) => name.endsWith('.png'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  if (files.length !== labels.length) {
    throw new Error(`images.zip must hold one picture a label: got ${files.length}, expected ${labels.length}`)
  }
  const data = new Uint8Array(files.length * edge * edge)
  for (const [i, { bytes }] of files.entries()) {
    const pixels = await sharp(bytes).greyscale().negate().resize(edge, edge, { kernel: 'lanczos3' }).raw().toBuffer()
    data.set(pixels.subarray(0, edge * edge), i * edge * edge)
  }
  return { name: 'omniglot', data, count: files.length, shape: [edge, edge, 1], labels }
}

/** Members of a zip file, by its central directory: stored or deflated. */
function readZip(zip: Buffer): { name: string; bytes: Buffer }[] {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]))
  if (end < 0) throw new Error('images.zip must be a zip file: no end record found')
  let at = zip.readUInt32LE(end + 16)
  return Array.from({ length: zip.readUInt16LE(end + 10) }, () => {
    const method = zip.readUInt16LE(at + 10)
    const size = zip.readUInt32LE(at + 20)
    const nameLength = zip.readUInt16LE(at + 28)
    const local = zip.readUInt32LE(at + 42)
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength)
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const packed = zip.subarray(from, from + size)
    return { name, bytes: method === 0 ? packed : inflateRawSync(packed) }
  })
}
