import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTestApp, type TestApp } from '../support/app.ts'

let t: TestApp
const PAGE = { 'x-tributary-page': '1' }

beforeAll(async () => {
  execFileSync(process.execPath, ['scripts/build-web.mjs'])
  t = await openTestApp({ works: false })
}, 180_000)
afterAll(() => t?.close())

const documentNamed = (name: string): string => {
  const trusted: Record<string, string> = JSON.parse(readFileSync('web/dist/trusted-documents.json', 'utf8'))
  return Object.entries(trusted).find(([, text]) => text.startsWith(`query ${name}`))?.[0] as string
}

const askWhoIAm = (headers: Record<string, string>) =>
  request(t.http.express)
    .post('/graphql')
    .set(headers)
    .send({
      operationName: 'Start',
      variables: {},
      extensions: { persistedQuery: { version: 1, sha256Hash: documentNamed('Start') } },
    })

async function signIn(key = t.token): Promise<string> {
  const response = await request(t.http.express).post('/session').set(PAGE).send({ key })
  expect(response.status).toBe(204)
  return response.get('set-cookie')?.[0] as string
}

describe('the files of the review page', () => {
  it('are served compressed, under a policy that runs nothing inline', async () => {
    const page = await request(t.http.express).get('/review/any/address').set('accept-encoding', 'gzip')
    expect(page.status).toBe(200)
    expect(page.headers).toMatchObject({ 'content-encoding': 'gzip', 'cache-control': 'no-cache' })
    const policy = page.get('content-security-policy') as string
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('unsafe')
    expect(page.text).not.toMatch(/<script(?![^>]*\ssrc=)/)
    expect(page.text).not.toMatch(/<style|\sstyle=/)
    const script = /src="(\/review\/assets\/[^"]+\.js)"/.exec(page.text)?.[1] as string
    const asset = await request(t.http.express).get(script).set('accept-encoding', 'br, gzip')
    expect(asset.headers).toMatchObject({
      'content-encoding': 'br',
      'cache-control': 'public, max-age=31536000, immutable',
    })
    expect((await request(t.http.express).get('/review/assets/gone.js')).status).toBe(404)
  })
})

describe('sign-in of the review page', () => {
  it('keeps the key in a cookie that no script reads and that shows nothing of it', async () => {
    const cookie = await signIn()
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict$/)
    expect(cookie).not.toContain(t.token)
    const answer = await askWhoIAm({ ...PAGE, cookie: cookie.split(';')[0] as string })
    expect(answer.body.data.viewer.displayName).toBe('Ada')
  })

  it('refuses a wrong key in words, and sets no cookie', async () => {
    const response = await request(t.http.express).post('/session').set(PAGE).send({ key: 'nonsense' })
    expect(response.status).toBe(401)
    expect(response.body.errors[0]).toEqual({
      message: 'this is no key of this server',
      extensions: { code: 'UNAUTHENTICATED' },
    })
    expect(response.get('set-cookie')).toBeUndefined()
  })

  it('does nothing for other sites: the cookie counts only with the header of the page', async () => {
    const cookie = (await signIn()).split(';')[0] as string
    expect((await askWhoIAm({ cookie })).status).toBe(401)
    expect((await request(t.http.express).post('/session').send({ key: t.token })).status).toBe(403)
  })

  it('ends with the key: revoked, altered, or signed out', async () => {
    const cookie = (await signIn(t.strangerToken)).split(';')[0] as string
    expect((await askWhoIAm({ ...PAGE, cookie: `${cookie.slice(0, -3)}AAA` })).status).toBe(401)
    const { id: userId } = await t.app.prisma.user.findFirstOrThrow({ where: { displayName: 'Stranger' } })
    await t.app.prisma.personalToken.updateMany({ where: { userId }, data: { revokedAt: new Date() } })
    expect((await askWhoIAm({ ...PAGE, cookie })).status).toBe(401)
    const gone = await request(t.http.express).delete('/session').set(PAGE)
    expect(gone.get('set-cookie')?.[0]).toContain('Max-Age=0')
  })
})
