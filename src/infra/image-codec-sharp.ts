import sharp, { type Metadata } from 'sharp'
import { DomainError } from '../services/errors.ts'
import type { ImageCodec } from '../services/ports.ts'

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
        let image = decode(bytes).rotate()
        if (box) {
          const upright = await image.toBuffer({ resolveWithObject: true })
          const { width, height } = upright.info
          const left = Math.min(Math.floor(box.x * width), width - 1)
          const top = Math.min(Math.floor(box.y * height), height - 1)
          image = sharp(upright.data).extract({
            left,
            top,
            width: Math.max(1, Math.min(Math.round(box.width * width), width - left)),
            height: Math.max(1, Math.min(Math.round(box.height * height), height - top)),
          })
        }
        return await image
          .resize(edge, edge, { fit: 'contain', background: '#ffffff', withoutEnlargement: false })
          .flatten({ background: '#ffffff' })
          .webp({ quality: WEBP_QUALITY })
          .toBuffer()
      } catch (error) {
        throw refuse((error as Error).message)
      }
    },
  }
}
