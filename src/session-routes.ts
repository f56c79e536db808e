import { randomUUID } from 'node:crypto'
import express, { type Request, type Response, Router } from 'express'
import { clientAddress } from './client-address.ts'
import type { App } from './services/app.ts'
import { DomainError } from './services/errors.ts'
import { signIn } from './services/sign-in.ts'

/** A working day: somebody who answers all day signs in once. */
const SESSION_SECONDS = 12 * 3_600
const COOKIE = 'tributary_session'
/** A cookie holds 4,096 bytes; sealing adds a third. */
const MAX_CREDENTIAL = 2_800

/**
 * Pages of other sites cannot set this header without asking first, and are never allowed to: with it, a request that
 * carries the cookie is one that our page made.
 */
const PAGE_HEADER = 'x-tributary-page'

function cookieOf(header: string | undefined): string | undefined {
  for (const part of header?.split(';') ?? []) {
    const [name, value] = part.trim().split('=')
    if (name === COOKIE && value) return value
  }
  return undefined
}

/** What a request signs in with: its Authorization header, or the session of the review page. */
export function authorizationOf(app: App, req: Pick<Request, 'get'>): string | undefined {
  const given = req.get('authorization')
  if (given !== undefined || req.get(PAGE_HEADER) === undefined) return given
  const sealed = cookieOf(req.get('cookie'))
  const credential = sealed && app.tokens.openSession(sealed)
  return credential ? `Bearer ${credential}` : undefined
}

function setCookie(app: App, res: Response, value: string, maxAgeSeconds: number): void {
  const isSecure = app.config.publicUrl.startsWith('https:')
  res.setHeader(
    'set-cookie',
    `${COOKIE}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`,
  )
}

function refuse(res: Response, status: number, code: string, message: string): void {
  res.status(status).json({ errors: [{ message, extensions: { code } }] })
}

/**
 * Sign-in of the review page. POST /session takes an API key or a bearer token once and gives it back encrypted in a cookie
 * that no script can read; each request opens it anew, so that revoking the key ends the session too. DELETE signs out.
 */
export function sessionRoutes(app: App): Router {
  const router = Router()
  router.use('/session', (req, res, next) => {
    res.setHeader('cache-control', 'no-store')
    if (req.get(PAGE_HEADER) === undefined) {
      return refuse(res, 403, 'FORBIDDEN', `only the review page signs in here: the header ${PAGE_HEADER} is missing`)
    }
    next()
  })
  router.post('/session', express.json({ limit: '8kb' }), async (req, res) => {
    const credential = typeof req.body?.key === 'string' ? req.body.key.trim() : ''
    if (credential.length > MAX_CREDENTIAL) {
      return refuse(
        res,
        400,
        'INVALID',
        `a key has at most ${MAX_CREDENTIAL} characters: this one has ${credential.length}`,
      )
    }
    try {
      const address = clientAddress(req, app.config.proxyHops)
      await signIn(app, { authorization: `Bearer ${credential}`, address, requestId: randomUUID() })
    } catch (error) {
      if (!(error instanceof DomainError)) throw error
      // The advice to send a header is for scripts, not for somebody who has just typed a key.
      return refuse(
        res,
        error.code === 'RATE_LIMITED' ? 429 : 401,
        error.code,
        error.message.split(': send the header')[0] as string,
      )
    }
    setCookie(app, res, app.tokens.sealSession(credential, SESSION_SECONDS), SESSION_SECONDS)
    res.status(204).end()
  })
  router.delete('/session', (_req, res) => {
    setCookie(app, res, '', 0)
    res.status(204).end()
  })
  return router
}
