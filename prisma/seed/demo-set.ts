import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import sharp from 'sharp'
import { fromHalf } from './half-float.ts'
import { VENDORS, type Vendor } from './vendors.ts'

const DIMENSION = 256
const EDGE = 128

export interface DemoPicture {
  readonly externalKey: string
  /** The emoji: its class. */
  readonly name: string
  readonly vendor: Vendor
  readonly half: 'labelled' | 'unlabelled'
  readonly embedding: Float32Array
}

interface IconSet {
  icons: Record<string, { body: string; width?: number; height?: number }>
  aliases?: Record<string, { parent: string }>
  width?: number
  height?: number
}

const require = createRequire(import.meta.url)
const beside = (name: string) => new URL(name, import.meta.url)

/** The pictures of the demo: some 2,300 emoji drawn by six vendors, one class an emoji. */
export function loadDemoSet(): DemoPicture[] {
  const index: [string, Vendor, DemoPicture['half']][] = JSON.parse(readFileSync(beside('index.json'), 'utf8'))
  const bytes = readFileSync(beside('embeddings.f16'))
  return index.map(([name, vendor, half], i) => ({
    externalKey: `${vendor}/${name}`,
    name,
    vendor,
    half,
    embedding: Float32Array.from({ length: DIMENSION }, (_, d) =>
      fromHalf(bytes.readUInt16LE((i * DIMENSION + d) * 2)),
    ),
  }))
}

function svgOf(set: IconSet, name: string): string {
  const icon = set.icons[name] ?? set.icons[set.aliases?.[name]?.parent ?? '']
  if (!icon) throw new Error(`the icon ${name} is not in its package: run npm ci again`)
  const width = icon.width ?? set.width ?? 16
  const height = icon.height ?? set.height ?? 16
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${EDGE}" height="${EDGE}" viewBox="0 0 ${width} ${height}">${icon.body}</svg>`
}

/** Renders the pictures that are not there yet and writes the manifest of the import; labels of one half only. */
export async function renderDemoSet(
  folder: string,
  pictures: readonly DemoPicture[],
  onProgress: (done: number) => void,
): Promise<string> {
  const sets = new Map<Vendor, IconSet>(
    VENDORS.map(({ vendor }) => [vendor, require(`@iconify-json/${vendor}/icons.json`)]),
  )
  const licences = new Map<Vendor, string>(VENDORS.map(({ vendor, licence }) => [vendor, licence]))
  for (const { vendor } of VENDORS) mkdirSync(path.join(folder, vendor), { recursive: true })
  let done = 0
  for (const { externalKey, name, vendor } of pictures) {
    const file = path.join(folder, `${externalKey}.png`)
    if (!existsSync(file)) {
      const svg = svgOf(sets.get(vendor) as IconSet, name)
      // Written aside and renamed: Ctrl-C leaves no half picture behind.
      await sharp(Buffer.from(svg)).flatten({ background: '#ffffff' }).png().toFile(`${file}.part`)
      renameSync(`${file}.part`, file)
    }
    onProgress(++done)
  }
  const lines = pictures.map(({ externalKey, name, vendor, half, embedding }) =>
    JSON.stringify({
      externalKey,
      image: `${externalKey}.png`,
      embedding: Buffer.from(embedding.buffer).toString('base64'),
      ...(half === 'labelled' && { label: name }),
      metadata: { vendor, licence: licences.get(vendor) },
    }),
  )
  const manifest = path.join(folder, 'manifest.jsonl')
  writeFileSync(manifest, `${lines.join('\n')}\n`)
  return manifest
}
