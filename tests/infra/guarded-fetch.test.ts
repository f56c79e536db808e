import http, { type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createGuardedFetch, isAllowedAddress } from '../../src/infra/guarded-fetch.ts'

let port: number
const received: { url?: string; host?: string; secret?: string; body: string }[] = []

const answer: RequestListener = async (req, res) => {
  let body = ''
  for await (const chunk of req) body += chunk
  received.push({ url: req.url, host: req.headers.host, secret: req.headers['x-secret'] as string, body })
  const { pathname, searchParams } = new URL(req.url as string, 'http://x')
  if (pathname === '/to') return void res.writeHead(302, { location: searchParams.get('at') as string }).end('moved')
  if (pathname === '/loop') return void res.writeHead(302, { location: '/loop' }).end()
  if (pathname === '/silent') return
  if (pathname === '/slow') return void res.write('begun')
  if (pathname === '/broken') {
    res.writeHead(200, { 'content-length': '100' }).write('half')
    return void setTimeout(() => res.destroy(), 20)
  }
  if (pathname === '/endless') {
    res.write('x'.repeat(4000))
    return void setTimeout(() => res.end('x'.repeat(4000)), 20)
  }
  const text = `hello from ${pathname}`
  res.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length }).end(text)
}
const server = http.createServer(answer)

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function textOf({ body }: { body: Readable }): Promise<string> {
  let text = ''
  for await (const chunk of body) text += chunk
  return text
}

const names: Record<string, string[]> = {
  'public.test': ['93.184.215.14'],
  'inside.test': ['10.0.0.7'],
  'both.test': ['93.184.215.14', '169.254.169.254'],
  'allowed.test': ['127.0.0.1'],
}
const resolve = async (name: string) =>
  (names[name] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

/** Nothing but public addresses. */
const strict = createGuardedFetch({ allowedNetworks: [], resolve })
/** And this very machine, by one of its two addresses. */
const here = createGuardedFetch({ allowedNetworks: ['127.0.0.1/32'], resolve })

const at = (path: string) => `http://127.0.0.1:${port}${path}`

describe('which addresses may be called', () => {
  it.each([
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '169.254.169.254',
    '224.0.0.1',
    '255.255.255.255',
    '198.18.0.1',
    '::1',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ])('%s may not', (address) => {
    expect(isAllowedAddress(address, [])).toBe(false)
    expect(isAllowedAddress(address, 'all')).toBe(true)
  })

  it.each(['93.184.215.14', '8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])('%s may', (address) => {
    expect(isAllowedAddress(address, [])).toBe(true)
  })

  it('a network that is named may, and its neighbours may not', () => {
    expect(isAllowedAddress('10.2.9.9', ['10.2.0.0/16'])).toBe(true)
    expect(isAllowedAddress('10.3.0.1', ['10.2.0.0/16'])).toBe(false)
    expect(isAllowedAddress('fd00::5', ['10.2.0.0/16', 'fd00::/8'])).toBe(true)
  })
})

describe('a guarded call', () => {
  it.each([
    ['a loopback address', () => at('/'), /127\.0\.0\.1 is not a public one/],
    ['an address in another notation', () => `http://2130706433:${port}/`, /127\.0\.0\.1 is not a public one/],
    ['an IPv6 address', () => `http://[::1]:${port}/`, /::1 is not a public one/],
    ['IPv4 within IPv6', () => `http://[::ffff:127.0.0.1]:${port}/`, /is not a public one/],
    ['a name that leads inside', () => 'http://inside.test/', /inside\.test leads to 10\.0\.0\.7/],
    ['a name with one public and one private address', () => 'http://both.test/', /169\.254\.169\.254/],
    ['another scheme', () => 'file:///etc/passwd', /must be http or https/],
    ['no address at all', () => 'pictures', /must be http or https: got pictures/],
    ['credentials in the address', () => 'http://me:secret@public.test/', /must not carry a user name/],
  ])('refuses %s before anything is sent', async (_what, url, message) => {
    received.length = 0
    await expect(strict(url())).rejects.toMatchObject({ code: 'INVALID', message: expect.stringMatching(message) })
    expect(received).toEqual([])
  })

  it('goes to the address that was checked, with the name as host', async () => {
    const response = await here(`http://allowed.test:${port}/file`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'x-secret': 's' },
    })
    expect(response.status).toBe(200)
    expect(response.headers['content-type']).toBe('text/plain')
    expect(await textOf(response)).toBe('hello from /file')
    expect(received.at(-1)).toEqual({ url: '/file', host: `allowed.test:${port}`, secret: 's', body: '{"a":1}' })
  })

  it('hands a redirect back unless it may follow, and checks where it leads', async () => {
    const inside = at(`/to?at=${encodeURIComponent(`http://127.0.0.2:${port}/secret`)}`)
    expect((await here(inside)).status).toBe(302)
    received.length = 0
    await expect(here(inside, { maxRedirects: 3 })).rejects.toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining('127.0.0.2 is not a public one'),
    })
    expect(received.map(({ url }) => url?.startsWith('/to'))).toEqual([true])
    const elsewhere = await here(at('/to?at=file:///etc/passwd'), { maxRedirects: 3 }).catch((error) => error)
    expect(elsewhere.message).toMatch(/must be http or https/)
    await expect(here(at('/loop'), { maxRedirects: 4 })).rejects.toMatchObject({
      message: expect.stringContaining('redirects more than 4 times'),
    })
  })

  it('follows to another server without the headers meant for the first', async () => {
    const other = `http://allowed.test:${port}/other`
    const response = await here(at(`/to?at=${encodeURIComponent(other)}`), {
      maxRedirects: 1,
      headers: { 'x-secret': 's' },
    })
    expect(await textOf(response)).toBe('hello from /other')
    expect(response.url).toBe(other)
    expect(received.slice(-2).map(({ secret }) => secret)).toEqual(['s', undefined])
  })

  it('takes no more bytes than it may, whether the size was announced or not', async () => {
    expect((await textOf(await here(at('/endless'), { maxBytes: 8000 }))).length).toBe(8000)
    await expect(here(at('/endless'), { maxBytes: 7999 }).then(textOf)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('more than the 7999 bytes'),
    })
    await expect(here(at('/file'), { maxBytes: 3 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  })

  it('waits for an answer, and for its end, only so long', async () => {
    await expect(here(at('/silent'), { timeoutMs: 100 })).rejects.toThrow(/sent no answer within 100 ms/)
    await expect(here(at('/slow'), { bodyTimeoutMs: 100 }).then(textOf)).rejects.toThrow(
      /sent no whole body within 100 ms/,
    )
    await expect(here(at('/broken')).then(textOf)).rejects.toThrow(/broke off after 4 bytes/)
    const stop = new AbortController()
    const stopped = here(at('/silent'), { signal: stop.signal })
    stop.abort(new Error('changed my mind'))
    await expect(stopped).rejects.toThrow('changed my mind')
  })

  it('an outage is no refusal: it may pass', async () => {
    const outage = await here('http://127.0.0.1:9/').catch((error) => error)
    expect(outage.code).toBe('ECONNREFUSED')
    await expect(here('http://nowhere.test/')).rejects.toThrow(/nowhere\.test has no address/)
  })
})
