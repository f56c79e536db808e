import dns, { type LookupAddress } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { Transform } from 'node:stream'
import ipaddr from 'ipaddr.js'
import { DomainError } from '../services/errors.ts'
import type { GuardedFetch, GuardedRequest, GuardedResponse } from '../services/guarded-fetch-port.ts'

const TIMEOUT_MS = 10_000
const BODY_TIMEOUT_MS = 60_000
const MAX_BYTES = 1024 ** 2
const REDIRECTS = new Set([301, 302, 303, 307, 308])

export interface GuardOptions {
  /** Networks beside the public ones, such as `10.2.0.0/16`; `all` checks nothing. */
  readonly allowedNetworks: 'all' | readonly string[]
  /** All addresses of a name; the resolver of the machine unless a test has its own. */
  readonly resolve?: (hostname: string) => Promise<LookupAddress[]>
}

const resolveByMachine = (hostname: string) => dns.promises.lookup(hostname, { all: true, verbatim: true })

const refuse = (message: string) => new DomainError('INVALID', message)

/**
 * Whether an address may be called: public unicast only. Loopback, private, link-local, carrier-grade NAT, multicast,
 * reserved and the tunnels that hide an IPv4 address (6to4, Teredo, NAT64) are not; IPv4 within IPv6 counts as IPv4.
 */
export function isAllowedAddress(address: string, allowed: GuardOptions['allowedNetworks']): boolean {
  if (allowed === 'all') return true
  const parsed = ipaddr.process(address.split('%')[0] as string)
  if (parsed.range() === 'unicast') return true
  return allowed.some((network) => {
    const [base, bits] = ipaddr.parseCIDR(network)
    return base.kind() === parsed.kind() && parsed.match(base as never, bits)
  })
}

/** Calls addresses that users name. See the port for what is refused. */
export function createGuardedFetch({ allowedNetworks, resolve = resolveByMachine }: GuardOptions): GuardedFetch {
  const check = (hostname: string, address: string) => {
    if (isAllowedAddress(address, allowedNetworks)) return
    throw refuse(
      hostname === address
        ? `the address ${address} is not a public one: only public addresses and the networks in ALLOW_PRIVATE_NETWORKS are called`
        : `${hostname} leads to ${address}, which is not a public address: only public addresses and the networks in ALLOW_PRIVATE_NETWORKS are called`,
    )
  }

  // The socket connects to what this answers, and to nothing else: a name can not change its mind after the check.
  const lookup: LookupFunction = (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        try {
          if (addresses.length === 0) throw new Error(`${hostname} has no address`)
          for (const { address } of addresses) check(hostname, address)
        } catch (error) {
          return callback(error as Error, '')
        }
        const [first] = addresses as [LookupAddress]
        if (options.all) callback(null, addresses)
        else callback(null, first.address, first.family)
      },
      (error) => callback(error, ''),
    )
  }

  function checkUrl(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (!url || !/^https?:$/.test(url.protocol)) throw refuse(`the address must be http or https: got ${text}`)
    if (url.username || url.password) throw refuse('the address must not carry a user name or password')
    // A number instead of a name is never looked up.
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (ipaddr.isValid(host)) check(host, host)
    return url
  }

  function send(url: URL, request: GuardedRequest, signal: AbortSignal): Promise<http.IncomingMessage> {
    return new Promise((resolved, reject) => {
      const { request: begin } = url.protocol === 'https:' ? https : http
      const sent = begin(url, {
        method: request.method ?? 'GET',
        headers: { 'user-agent': 'tributary', 'accept-encoding': 'identity', ...request.headers },
        lookup,
        // A connection of its own: one kept alive by others was not checked by us.
        agent: false,
        signal,
      })
      sent.once('error', reject)
      sent.once('response', resolved)
      sent.end(request.body)
    })
  }

  return async (address, request = {}) => {
    const { timeoutMs = TIMEOUT_MS, bodyTimeoutMs = BODY_TIMEOUT_MS, maxBytes = MAX_BYTES, maxRedirects = 0 } = request
    const abort = new AbortController()
    const onAbort = () => abort.abort(request.signal?.reason)
    request.signal?.addEventListener('abort', onAbort, { once: true })
    if (request.signal?.aborted) onAbort()
    const late = (ms: number, what: string) =>
      setTimeout(() => abort.abort(new Error(`${address} sent no ${what} within ${ms} ms`)), ms)
    let timer = late(timeoutMs, 'answer')
    const release = () => {
      clearTimeout(timer)
      request.signal?.removeEventListener('abort', onAbort)
    }
    try {
      let url = checkUrl(address)
      let message = await send(url, request, abort.signal)
      for (let followed = 0; followed < maxRedirects && isRedirect(message); followed++) {
        message.destroy()
        const next = checkUrl(new URL(message.headers.location as string, url).href)
        // Headers may carry credentials, which are for the first server only.
        message = await send(next, next.origin === url.origin ? request : { ...request, headers: {} }, abort.signal)
        url = next
      }
      if (maxRedirects > 0 && isRedirect(message)) {
        message.destroy()
        throw refuse(`${address} redirects more than ${maxRedirects} times`)
      }
      clearTimeout(timer)
      timer = late(bodyTimeoutMs, 'whole body')
      const limit = request.method === 'HEAD' ? Number.POSITIVE_INFINITY : maxBytes
      return answerOf(message, url, { maxBytes: limit, signal: abort.signal, release })
    } catch (error) {
      release()
      // Node wraps the reason of an abort: the reason says more.
      throw abort.signal.aborted ? abort.signal.reason : error
    }
  }
}

const isRedirect = ({ statusCode, headers }: http.IncomingMessage): boolean =>
  REDIRECTS.has(statusCode ?? 0) && headers.location !== undefined

function answerOf(
  message: http.IncomingMessage,
  url: URL,
  { maxBytes, signal, release }: { maxBytes: number; signal: AbortSignal; release: () => void },
): GuardedResponse {
  const announced = Number(message.headers['content-length'] ?? 0)
  const tooLarge = () =>
    new DomainError('LIMIT_EXCEEDED', `${url.href} answers with more than the ${maxBytes} bytes that are taken`)
  if (announced > maxBytes) {
    message.destroy()
    throw tooLarge()
  }
  let seen = 0
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length
      if (seen <= maxBytes) done(null, chunk)
      else done(tooLarge())
    },
  })
  // Seen by whoever reads the body; a caller that does not read it must not bring the process down.
  body.on('error', () => {})
  message.once('error', () => {})
  message.once('close', () => {
    if (!message.complete)
      body.destroy(signal.aborted ? signal.reason : new Error(`${url.href} broke off after ${seen} bytes`))
  })
  body.once('close', () => {
    release()
    message.destroy()
  })
  message.pipe(body)
  const headers = Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [name, ([] as string[]).concat(value ?? []).join(', ')]),
  )
  return { status: message.statusCode ?? 0, headers, url: url.href, body }
}
