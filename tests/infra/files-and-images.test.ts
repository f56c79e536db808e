import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLocalFileStore } from '../../src/infra/file-store-local.ts'
import { createImageCodec } from '../../src/infra/image-codec-sharp.ts'
import { createTokens } from '../../src/infra/tokens.ts'
import type { FileStore } from '../../src/services/ports.ts'

let folder: string
let files: FileStore

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'files-'))
  files = await openLocalFileStore(folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

describe('a local file store', () => {
  it('names files by their content and stores the same content once', async () => {
    const first = await files.put(Buffer.from('hello'))
    const second = await files.put(Readable.from(['hel', 'lo']))
    expect(first).toEqual(second)
    expect(first.sha256).toBe('2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
    expect(first.byteSize).toBe(5)
    expect(await readAll(await files.open(first.key))).toBe('hello')
    expect(await readAll(await files.open(first.key, { start: 1, end: 3 }))).toBe('ell')
    expect(await files.sizeOf(first.key)).toBe(5)
  })

  it('leaves nothing behind when a stream breaks, and sweeps what a crash left', async () => {
    const broken = Readable.from(
      (async function* () {
        yield 'half'
        throw new Error('cable cut')
      })(),
    )
    await expect(files.put(broken)).rejects.toThrow('cable cut')
    expect(readdirSync(path.join(folder, 'staging'))).toEqual([])
    writeFileSync(path.join(folder, 'staging', 'left-over'), 'half')
    await openLocalFileStore(folder)
    expect(readdirSync(path.join(folder, 'staging'))).toEqual([])
  })

  it('refuses keys that lead out of its folder', async () => {
    await expect(files.open('../secret')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(files.open('sha256/aa/../../../secret')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(files.open('sha256/aa/bb/none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#cc3300' } })

describe('the image codec', () => {
  const codec = createImageCodec({ maxPixels: 10_000 })

  it('turns a picture upright before it measures it', async () => {
    const sideways = await picture(40, 20).jpeg().withMetadata({ orientation: 6 }).toBuffer()
    expect(await codec.inspect(sideways)).toEqual({ width: 20, height: 40, format: 'jpeg' })
    const small = await sharp(await codec.thumbnail(sideways, 80)).metadata()
    expect([small.width, small.height, small.format]).toEqual([80, 80, 'webp'])
  })

  it('refuses what is empty, no picture, cut short or too large, and says so', async () => {
    const whole = await picture(64, 64).png().toBuffer()
    const large = await picture(200, 100).png().toBuffer()
    await expect(codec.inspect(Buffer.alloc(0))).rejects.toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining('empty'),
    })
    await expect(codec.inspect(Buffer.from('no picture'))).rejects.toMatchObject({ code: 'INVALID' })
    await expect(codec.inspect(whole.subarray(0, whole.length - 40))).rejects.toMatchObject({ code: 'INVALID' })
    await expect(codec.inspect(large)).rejects.toMatchObject({ code: 'INVALID' })
  })

  it('cuts the crop out of the upright picture', async () => {
    const left = await sharp({ create: { width: 50, height: 100, channels: 3, background: '#0000ff' } })
      .png()
      .toBuffer()
    const both = await sharp({ create: { width: 100, height: 100, channels: 3, background: '#ff0000' } })
      .composite([{ input: left, left: 0, top: 0 }])
      .png()
      .toBuffer()
    const crop = await codec.thumbnail(both, 80, { x: 0, y: 0, width: 0.5, height: 0.5 })
    const { dominant } = await sharp(crop).stats()
    expect(dominant.b).toBeGreaterThan(200)
    expect(dominant.r).toBeLessThan(50)
  })
})

describe('tokens', () => {
  let now = 1_800_000_000_000
  const tokens = createTokens('a secret that is long enough to sign', { nowMs: () => now })
  const projectId = '01a20aa9-ca7c-74ef-8b98-6a7ae0bcae4f'
  const keyId = '01a20aaa-3bc6-7456-93f2-a3a80bfc251a'

  it('a key says where to look, and only its hash is kept', () => {
    const { secret, prefix, hash } = tokens.mintApiKey(projectId, keyId)
    const parsed = tokens.parseApiKey(secret)
    expect(parsed).toMatchObject({ projectId, keyId })
    expect(tokens.equalHashes(hash, parsed?.hash as Uint8Array)).toBe(true)
    expect(prefix).toHaveLength(8)
    expect(tokens.equalHashes(hash, tokens.parseApiKey(`${secret.slice(0, -1)}_`)?.hash ?? hash.subarray(1))).toBe(
      false,
    )
    expect(tokens.parsePersonalToken(secret)).toBeUndefined()
  })

  it('a signed address stays the same for minutes, then expires; any change makes it forged', () => {
    const url = tokens.signPath('/media/a', 60)
    expect(tokens.signPath('/media/a', 60)).toBe(url)
    const query = Object.fromEntries(new URLSearchParams(url.split('?')[1]))
    expect(tokens.verifyPath('/media/a', query)).toBe('ok')
    expect(tokens.verifyPath('/media/b', query)).toBe('forged')
    expect(tokens.verifyPath('/media/a', { ...query, e: String(Number(query.e) + 1) })).toBe('forged')
    now += 3_600_000
    expect(tokens.verifyPath('/media/a', query)).toBe('expired')
  })
})
