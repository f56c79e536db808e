import { createRequire } from 'node:module'
import sharp from 'sharp'
import { VENDORS } from '../../prisma/seed/vendors.ts'
import type { LabelledPictures } from './pictures.ts'

interface IconSet {
  readonly icons: Record<string, { body: string; width?: number; height?: number; hidden?: boolean }>
  readonly width?: number
  readonly height?: number
}

const require = createRequire(import.meta.url)
/** An emoji is taken when so many vendors draw it. */
const LEAST_VENDORS = VENDORS.length
/** The same figure in another colour of skin or hair is hardly another identity. */
const VARIANT =
  /-(light|medium|dark)(-|$)|skin-tone|-(man|woman|person|men|women|male|female)(-|$)|^(man|woman|person|men|women)-|^flag-|^(keycap|clock|regional)/

/** Emoji drawn by six vendors, one identity an emoji, rendered to `edge` pixels in colour from npm packages alone. */
export async function emojiPictures(edge: number, most: number): Promise<LabelledPictures> {
  const sets = VENDORS.map(({ vendor }) => require(`@iconify-json/${vendor}/icons.json`) as IconSet)
  const counts = new Map<string, number>()
  for (const { icons } of sets) {
    for (const [name, { hidden }] of Object.entries(icons)) {
      if (!hidden && !VARIANT.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  const names = [...counts]
    .filter(([, count]) => count >= LEAST_VENDORS)
    .map(([name]) => name)
    .sort()
    .slice(0, most)
  const size = edge * edge * 3
  const data = new Uint8Array(names.length * sets.length * size)
  const labels = new Int32Array(names.length * sets.length)
  let at = 0
  for (const [label, name] of names.entries()) {
    for (const set of sets) {
      const { body, width = set.width ?? 16, height = set.height ?? 16 } = set.icons[name]
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${4 * edge}" height="${4 * edge}" viewBox="0 0 ${width} ${height}">${body}</svg>`
      const pixels = await sharp(Buffer.from(svg))
        .flatten({ background: '#ffffff' })
        .resize(edge, edge, { fit: 'fill' })
        .toColourspace('srgb')
        .removeAlpha()
        .raw()
        .toBuffer()
      data.set(pixels.subarray(0, size), at * size)
      labels[at++] = label
    }
  }
  return { name: 'emoji', data, count: at, shape: [edge, edge, 3], labels }
}
