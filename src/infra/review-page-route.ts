import { existsSync } from 'node:fs'
import path from 'node:path'
import { type Response, Router } from 'express'
import sirv from 'sirv'

/** What `npm run build:web` leaves: the site that is served, and the documents it sends. */
const BUILT = path.resolve(import.meta.dirname, '../../web/dist')
const SITE = path.join(BUILT, 'site')
export const PAGE_DOCUMENTS = path.join(BUILT, 'trusted-documents.json')

/** Scripts, styles and pictures from here alone; nothing inline, no frames, no forms, no plug-ins. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

function setHeaders(res: Response, pathname: string): void {
  // Names under assets/ carry a hash of their content; index.html names the newest ones.
  res.setHeader('cache-control', pathname.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
  res.setHeader('content-security-policy', CONTENT_SECURITY_POLICY)
  res.setHeader('cross-origin-opener-policy', 'same-origin')
  res.setHeader('referrer-policy', 'no-referrer')
  res.setHeader('x-content-type-options', 'nosniff')
}

/** The review page: built files, compressed at build time; every address below /review that is no file is the page itself. */
export function reviewPageRoutes(site = SITE): Router {
  const router = Router()
  if (!existsSync(path.join(site, 'index.html'))) {
    router.get(['/review', '/review/*rest'], (_req, res) => {
      res
        .status(503)
        .type('text')
        .send('The review page is not built: run "npm run build:web" and start the server again.')
    })
    return router
  }
  const serve = sirv(site, {
    // Looked up at each request: a build beside a running server must not mix old names with new files.
    dev: true,
    brotli: true,
    gzip: true,
    etag: true,
    single: true,
    ignores: [/^\/assets\//],
    setHeaders: (res, pathname) => setHeaders(res as Response, pathname),
  })
  router.use('/review', serve)
  return router
}
