/**
 * Cuts the demo's embeddings out of the set emoji8styles_mnv2_256 and writes prisma/seed/embeddings.f16 and index.json.
 * Only for whoever changes the demo; the result is committed.
 * Usage: tsx scripts/cut-demo-embeddings.ts FOLDER_OF_THE_SET
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { toHalf } from '../prisma/seed/half-float.ts'
import { VENDORS } from '../prisma/seed/vendors.ts'
import { createRng } from '../src/engine/rng.ts'

const DIMENSION = 256
const CLASSES_PER_HALF = 210
/** Fewer vendors make no class worth clustering. */
const MIN_PICTURES = 4
/** Classes closer than this look the same to a person: one of them goes. */
const LOOK_ALIKE = 0.93
/** Families of emoji that differ in a detail only: people, hands, clocks, flags, plain shapes and signs. */
const TOO_ALIKE =
  /flag|clock|oclock|thirty|man|woman|person|people|family|couple|kiss|keycap|button|arrow|moon|square|circle|boy|girl|hand|finger|child|baby|adult|face-with|zodiac|japanese|input|blood|small|large|black|white|medium|male|female|skin/

const [folder] = process.argv.slice(2)
if (!folder) {
  console.error('usage: tsx scripts/cut-demo-embeddings.ts FOLDER_OF_THE_SET')
  process.exit(2)
}
const read = (name: string) => readFileSync(path.join(folder, name))
const aligned = (bytes: Buffer) => new Uint8Array(bytes).buffer
const labels = new Int32Array(aligned(read('labels.i32')))
const features = new Float32Array(aligned(read('features.f32')))
const style = read('style.u8')
const split = read('split.u8')
const names = read('class_names.txt').toString().trim().split('\n')
const require = createRequire(import.meta.url)
const icons = new Map(
  VENDORS.map(({ vendor }) => [
    vendor as string,
    require(`@iconify-json/${vendor}/icons.json`) as { icons: object; aliases?: object },
  ]),
)
const vendorOf = new Map<number, string>(VENDORS.map(({ styleIndex, vendor }) => [styleIndex, vendor]))

const rowsOf = new Map<number, number[]>()
labels.forEach((label, row) => {
  const rows = rowsOf.get(label)
  if (rows) rows.push(row)
  else rowsOf.set(label, [row])
})

interface EmojiClass {
  name: string
  half: 'labelled' | 'unlabelled'
  pictures: { row: number; vendor: string }[]
}

const classes: EmojiClass[] = []
for (const [label, rows] of rowsOf) {
  const name = names[label] as string
  if (TOO_ALIKE.test(name)) continue
  // The set has no file names: a row is certain only where a vendor drew this emoji exactly once.
  const pictures = rows.flatMap((row) => {
    const vendor = vendorOf.get(style[row] as number)
    const set = vendor && icons.get(vendor)
    const isOnly = rows.filter((other) => style[other] === style[row]).length === 1
    const isThere = set && (Object.hasOwn(set.icons, name) || Object.hasOwn(set.aliases ?? {}, name))
    return isOnly && isThere ? [{ row, vendor }] : []
  })
  if (pictures.length >= MIN_PICTURES)
    classes.push({ name, half: split[rows[0] as number] ? 'unlabelled' : 'labelled', pictures })
}

function cosine(a: number, b: number): number {
  let sum = 0
  for (let d = 0; d < DIMENSION; d++)
    sum += (features[a * DIMENSION + d] as number) * (features[b * DIMENSION + d] as number)
  return sum
}

const order = createRng(7).shuffle(Int32Array.from(classes.keys()))
const kept: EmojiClass[] = []
for (const i of order) {
  const candidate = classes[i] as EmojiClass
  if (kept.filter(({ half }) => half === candidate.half).length >= CLASSES_PER_HALF) continue
  const isLookAlike = kept.some((other) =>
    other.pictures.some((p) =>
      candidate.pictures.some((q) => p.vendor === q.vendor && cosine(p.row, q.row) > LOOK_ALIKE),
    ),
  )
  if (!isLookAlike) kept.push(candidate)
}
kept.sort((a, b) => (a.name < b.name ? -1 : 1))
const pictures = kept.flatMap(({ name, half, pictures }) =>
  pictures.map(({ row, vendor }) => ({ name, half, vendor, row })),
)
const halves = new Uint16Array(pictures.length * DIMENSION)
pictures.forEach(({ row }, i) => {
  for (let d = 0; d < DIMENSION; d++) halves[i * DIMENSION + d] = toHalf(features[row * DIMENSION + d] as number)
})
writeFileSync('prisma/seed/embeddings.f16', Buffer.from(halves.buffer))
writeFileSync(
  'prisma/seed/index.json',
  `[\n${pictures.map(({ name, vendor, half }) => JSON.stringify([name, vendor, half])).join(',\n')}\n]\n`,
)
console.log(`${pictures.length} pictures of ${kept.length} emoji`)
