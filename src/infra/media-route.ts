import { pipeline } from 'node:stream/promises'
import { type Request, type Response, Router } from 'express'
import type { App } from '../services/app.ts'
import { DomainError } from '../services/errors.ts'
import { readThumbnail } from '../services/media.ts'
import { pictureFormat } from '../services/picture-format.ts'
import { receiveUpload } from '../services/uploads.ts'

/** Names are hashes of the content: what a browser has, it may keep. */
const CACHE = 'private, max-age=3600, immutable'

const STATUS: Partial<Record<string, number>> = {
  NOT_FOUND: 404,
  INVALID: 422,
  LIMIT_EXCEEDED: 413,
  INVALID_STATE: 409,
}

const NO_IMAGE = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160" role="img" aria-label="no picture">
<rect width="160" height="160" fill="#e5e7eb"/><path d="M40 120 70 75l20 25 15-18 20 38z" fill="#9ca3af"/></svg>`

function answer(res: Response, status: number, code: string, message: string): void {
  res.status(status).json({ errors: [{ message, extensions: { code } }] })
}

/** Runs `serve` when the address is signed by us and still valid; answers refusals in JSON. */
const signedRoute =
  (app: App, serve: (req: Request, res: Response) => Promise<void>) => async (req: Request, res: Response) => {
    res.setHeader('x-content-type-options', 'nosniff')
    // An SVG or HTML that a stranger sent must not act in our origin.
    res.setHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox")
    const verdict = app.tokens.verifyPath(decodeURI(req.originalUrl.split('?')[0] as string), req.query)
    if (verdict === 'forged') return answer(res, 403, 'FORBIDDEN', 'this address is not signed by this server')
    if (verdict === 'expired') return answer(res, 410, 'EXPIRED', 'this address has expired: ask the API for a new one')
    try {
      await serve(req, res)
    } catch (error) {
      if (res.headersSent) return void res.destroy(error as Error)
      if (error instanceof DomainError) return answer(res, STATUS[error.code] ?? 400, error.code, error.message)
      app.log.error({ err: error, path: req.path }, 'unexpected error while serving a file')
      answer(res, 500, 'INTERNAL', 'something went wrong on our side')
    }
  }

/** `bytes=a-b` within a file of `size`; undefined when absent, null when it can not be met. */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | null | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match) return undefined
  const [, from, to] = match
  const start = from ? Number(from) : Math.max(0, size - Number(to))
  const end = from && to ? Math.min(Number(to), size - 1) : size - 1
  return start <= end && start < size ? { start, end } : null
}

async function sendFile(app: App, req: Request, res: Response, key: string): Promise<void> {
  const size = await app.files.sizeOf(key)
  if (size === undefined) throw new DomainError('NOT_FOUND', 'this file is no longer there')
  const etag = `"${key.split('/').at(-1)}"`
  res.setHeader('etag', etag)
  res.setHeader('cache-control', CACHE)
  res.setHeader('accept-ranges', 'bytes')
  if (req.get('if-none-match') === etag) return void res.status(304).end()
  const range = parseRange(req.get('range'), size)
  if (range === null) {
    res.setHeader('content-range', `bytes */${size}`)
    return answer(res, 416, 'RANGE', `the range lies outside the ${size} bytes of this file`)
  }
  if (range) {
    res.status(206).setHeader('content-range', `bytes ${range.start}-${range.end}/${size}`)
  }
  res.setHeader('content-length', range ? range.end - range.start + 1 : size)
  if (req.method === 'HEAD') return void res.end()
  await pipeline(await app.files.open(key, range), res)
}

const keyOf = (req: Request): string => ([] as string[]).concat(req.params.key as string | string[]).join('/')

/** Pictures, downloads and uploads, each behind a signed address. */
export function mediaRoutes(app: App): Router {
  const router = Router()
  router.get('/media/none.svg', (_req, res) => {
    res.type('image/svg+xml').setHeader('cache-control', CACHE)
    res.send(NO_IMAGE)
  })
  router.get(
    '/media/thumbnail/:edge/:box/*key',
    signedRoute(app, async (req, res) => {
      const bytes = await readThumbnail(app, Number(req.params.edge), req.params.box as string, keyOf(req))
      res.type('image/webp').setHeader('cache-control', CACHE)
      res.send(bytes)
    }),
  )
  router.get(
    '/media/image/*key',
    signedRoute(app, async (req, res) => {
      res.type((await pictureFormat(app, keyOf(req)))?.mediaType ?? 'application/octet-stream')
      await sendFile(app, req, res, keyOf(req))
    }),
  )
  router.get(
    '/media/download/:name/*key',
    signedRoute(app, async (req, res) => {
      res.attachment(req.params.name as string)
      await sendFile(app, req, res, keyOf(req))
    }),
  )
  router.put(
    '/upload/:projectId/:id',
    signedRoute(app, async (req, res) => {
      const { projectId, id } = req.params as { projectId: string; id: string }
      await receiveUpload(app, { projectId, id }, req)
      res.status(201).json({ status: 'stored' })
    }),
  )
  return router
}
