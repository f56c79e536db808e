import type { App } from './app.ts'
import { collect } from './import-file.ts'

interface PictureFormat {
  readonly extension: string
  readonly mediaType: string
  /** Of its first bytes, at least twelve. */
  readonly test: (head: Buffer) => boolean
}

/** What imports take. */
const FORMATS: readonly PictureFormat[] = [
  { extension: 'jpg', mediaType: 'image/jpeg', test: (head) => head.readUInt16BE(0) === 0xffd8 },
  { extension: 'png', mediaType: 'image/png', test: (head) => head.toString('latin1', 1, 4) === 'PNG' },
  { extension: 'gif', mediaType: 'image/gif', test: (head) => head.toString('latin1', 0, 4) === 'GIF8' },
  { extension: 'webp', mediaType: 'image/webp', test: (head) => head.toString('latin1', 8, 12) === 'WEBP' },
  { extension: 'avif', mediaType: 'image/avif', test: (head) => head.toString('latin1', 4, 12) === 'ftypavif' },
  {
    extension: 'tif',
    mediaType: 'image/tiff',
    test: (head) => ['II*\0', 'MM\0*'].includes(head.toString('latin1', 0, 4)),
  },
  { extension: 'svg', mediaType: 'image/svg+xml', test: (head) => head.toString('latin1').trimStart().startsWith('<') },
]

const HEAD_BYTES = 16

/** What a stored picture is, whatever it was called; undefined when nothing is recognised. */
export async function pictureFormat(app: App, imageKey: string): Promise<PictureFormat | undefined> {
  const head = await collect(await app.files.open(imageKey, { start: 0, end: HEAD_BYTES - 1 }))
  return head.length >= 12 ? FORMATS.find(({ test }) => test(head)) : undefined
}

/** Extension of a stored picture; `bin` when nothing is recognised. */
export const pictureExtension = async (app: App, imageKey: string): Promise<string> =>
  (await pictureFormat(app, imageKey))?.extension ?? 'bin'
