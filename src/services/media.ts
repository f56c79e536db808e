import type { Item } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { DomainError } from './errors.ts'
import type { CropBox } from './ports.ts'

/** Edges of the thumbnails that are kept. */
export const THUMBNAIL_EDGES = [80, 160, 320, 640] as const
/** How long a media address works, beyond the window in which it stays the same. */
const MEDIA_LIFE_SECONDS = 3_600
const DOWNLOAD_LIFE_SECONDS = 3_600
const UPLOAD_LIFE_SECONDS = 6 * 3_600

const signed = (app: App, path: string, lifeSeconds: number) =>
  app.config.publicUrl + app.tokens.signPath(path, lifeSeconds)

/** Shown for an item without a picture: a path that answers with a drawn placeholder. */
const NO_IMAGE = '/media/none.svg'

/** The nearest kept edge at or above the one asked for; the largest when none is. */
function edgeFor(size: number): number {
  return THUMBNAIL_EDGES.find((edge) => edge >= size) ?? (THUMBNAIL_EDGES.at(-1) as number)
}

const boxPath = (box: CropBox | null) =>
  box ? [box.x, box.y, box.width, box.height].map((part) => Math.round(part * 10_000)).join('-') : 'whole'

/** Signed address of a square thumbnail of the item's crop. */
export function thumbnailUrl(app: App, item: Item, size: number): string {
  if (!item.imageKey) return signed(app, NO_IMAGE, MEDIA_LIFE_SECONDS)
  const path = `/media/thumbnail/${edgeFor(size)}/${boxPath(item.box as CropBox | null)}/${item.imageKey}`
  return signed(app, path, MEDIA_LIFE_SECONDS)
}

/** Signed address of the original. */
export function imageUrl(app: App, item: Item): string {
  return signed(app, item.imageKey ? `/media/image/${item.imageKey}` : NO_IMAGE, MEDIA_LIFE_SECONDS)
}

/** Signed address of a stored file, to be saved under `name`. */
export function downloadUrl(app: App, fileKey: string, name: string): string {
  return signed(app, `/media/download/${encodeURIComponent(name)}/${fileKey}`, DOWNLOAD_LIFE_SECONDS)
}

/** Signed address to PUT the bytes of an upload on. */
export function uploadUrl(app: App, { projectId, id }: { projectId: string; id: string }): string {
  return signed(app, `/upload/${projectId}/${id}`, UPLOAD_LIFE_SECONDS)
}

const thumbnailKey = (edge: number, box: string, imageKey: string) => `thumbnail/${edge}/${box}/${imageKey}`

/** Where thumbnails of a crop are kept, once somebody has asked for them. */
export const thumbnailKeys = (imageKey: string, box: CropBox | null): string[] =>
  THUMBNAIL_EDGES.map((edge) => thumbnailKey(edge, boxPath(box), imageKey))

/** Bytes of a thumbnail: made at the first request, then kept beside the original. */
export async function readThumbnail(app: App, edge: number, box: string, imageKey: string): Promise<Buffer> {
  if (!(THUMBNAIL_EDGES as readonly number[]).includes(edge)) {
    throw new DomainError('NOT_FOUND', `no thumbnail of ${edge} pixels is kept: ask for ${THUMBNAIL_EDGES.join(', ')}`)
  }
  const derivedKey = thumbnailKey(edge, box, imageKey)
  if ((await app.files.sizeOf(derivedKey)) !== undefined) return readAll(app, derivedKey)
  return once(derivedKey, async () => {
    const bytes = await app.images.thumbnail(await readAll(app, imageKey), edge, parseBox(box))
    await app.files.putAt(derivedKey, bytes)
    return bytes
  })
}

function parseBox(box: string): CropBox | null {
  if (box === 'whole') return null
  const [x = 0, y = 0, width = 1, height = 1] = box.split('-').map((part) => Number(part) / 10_000)
  return { x, y, width, height }
}

export async function readAll(app: App, key: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of await app.files.open(key)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const inFlight = new Map<string, Promise<Buffer>>()

/** A page of sixty crops asks for each thumbnail once, whoever else asks at the same moment. */
function once(key: string, make: () => Promise<Buffer>): Promise<Buffer> {
  let making = inFlight.get(key)
  if (!making) {
    making = make().finally(() => inFlight.delete(key))
    inFlight.set(key, making)
  }
  return making
}
