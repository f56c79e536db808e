import type { App } from './app.ts'
import { collect } from './import-file.ts'

/** First bytes of the picture formats that imports take. */
const SIGNATURES: [format: string, test: (head: Buffer) => boolean][] = [
  ['jpg', (head) => head.readUInt16BE(0) === 0xffd8],
  ['png', (head) => head.toString('latin1', 1, 4) === 'PNG'],
  ['gif', (head) => head.toString('latin1', 0, 4) === 'GIF8'],
  ['webp', (head) => head.toString('latin1', 8, 12) === 'WEBP'],
  ['avif', (head) => head.toString('latin1', 4, 12) === 'ftypavif'],
  ['tif', (head) => ['II*\0', 'MM\0*'].includes(head.toString('latin1', 0, 4))],
  ['svg', (head) => head.toString('latin1').trimStart().startsWith('<')],
]

const HEAD_BYTES = 16

/** Extension of a stored picture by what it is, whatever it was called; `bin` when nothing is recognised. */
export async function pictureExtension(app: App, imageKey: string): Promise<string> {
  const head = await collect(await app.files.open(imageKey, { start: 0, end: HEAD_BYTES - 1 }))
  return (head.length >= 12 && SIGNATURES.find(([, test]) => test(head))?.[0]) || 'bin'
}
