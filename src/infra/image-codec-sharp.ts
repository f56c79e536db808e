import sharp, { type Metadata, type Sharp } from 'sharp'
import { DomainError } from '../services/errors.ts'
import type { CropBox, ImageCodec } from '../services/ports.ts'

// Pictures are one of many jobs here: one thread each, and no memory kept for the next.
sharp.concurrency(1)
sharp.cache(false)

const WEBP_QUALITY = 82
/** Decoders that are safe on files from strangers. */
const FORMATS = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif', 'heif', 'svg'])
/** From this EXIF orientation on, the picture lies on its side. */
const FIRST_SIDEWAYS = 5

const refuse = (why: string) => new DomainError('INVALID', `the image can not be used: ${why}`)

/** Decodes with sharp (libvips). `maxPixels` bounds width times height before anything is unpacked. */
export function createImageCodec({ maxPixels }: { maxPixels: number }): ImageCodec {
  const decode = (bytes: Uint8Array) =>
    sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true })

  /** The picture or a part of it, turned as its camera was held. */
  async function upright(bytes: Uint8Array, box?: CropBox | null): Promise<Sharp> {
    const image = decode(bytes).rotate()
    if (!box) return image
    const { data, info } = await image.toBuffer({ resolveWithObject: true })
    const left = Math.min(Math.floor(box.x * info.width), info.width - 1)
    const top = Math.min(Math.floor(box.y * info.height), info.height - 1)
    return sharp(data).extract({
      left,
      top,
      width: Math.max(1, Math.min(Math.round(box.width * info.width), info.width - left)),
      height: Math.max(1, Math.min(Math.round(box.height * info.height), info.height - top)),
    })
  }

  return {
    async inspect(bytes) {
      if (bytes.length === 0) throw refuse('it is empty')
      let facts: Metadata
      try {
        facts = await decode(bytes).metadata()
      } catch (error) {
        throw refuse((error as Error).message)
      }
      const { width = 0, height = 0, format = 'unknown', orientation = 1 } = facts
      if (!FORMATS.has(format)) throw refuse(`its format ${format} is not one of ${[...FORMATS].join(', ')}`)
      if (width * height > maxPixels) {
        throw refuse(`it has ${width} x ${height} pixels: at most ${maxPixels} in all are taken (MAX_IMAGE_PIXELS)`)
      }
      try {
        // The header tells the size; only decoding tells whether the rest is there.
        await decode(bytes).stats()
      } catch (error) {
        throw refuse((error as Error).message)
      }
      return orientation >= FIRST_SIDEWAYS ? { width: height, height: width, format } : { width, height, format }
    },

    async thumbnail(bytes, edge, box) {
      try {
        const image = await upright(bytes, box)
        return await image
          .resize(edge, edge, { fit: 'contain', background: '#ffffff', withoutEnlargement: false })
          .flatten({ background: '#ffffff' })
          .webp({ quality: WEBP_QUALITY })
          .toBuffer()
      } catch (error) {
        throw refuse((error as Error).message)
      }
    },

    async crop(bytes, box) {
      try {
        return await (await upright(bytes, box)).png().toBuffer()
      } catch (error) {
        throw refuse((error as Error).message)
      }
    },

    async pixels(bytes, size, box) {
      try {
        const image = (await upright(bytes, box)).flatten({ background: '#ffffff' }).toColourspace('srgb')
        const sized =
          'maxEdge' in size
            ? image.resize(size.maxEdge, size.maxEdge, { fit: 'inside', withoutEnlargement: true })
            : image.resize(size.width, size.height, { fit: 'fill' })
        const { data, info } = await sized.removeAlpha().raw().toBuffer({ resolveWithObject: true })
        if (info.channels !== 3) throw new Error(`it has ${info.channels} channels after decoding`)
        return { data: new Uint8Array(data), width: info.width, height: info.height }
      } catch (error) {
        throw refuse((error as Error).message)
      }
    },
  }
}
