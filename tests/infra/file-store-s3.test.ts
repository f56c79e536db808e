import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import S3rver from 's3rver'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openS3FileStore } from '../../src/infra/file-store-s3.ts'
import type { FileStore } from '../../src/services/ports.ts'

let folder: string
let server: S3rver
let files: FileStore

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 's3-'))
  server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: path.join(folder, 'bucket'),
    configureBuckets: [{ name: 'pictures', configs: [] }],
  })
  const { port } = await server.run()
  files = await openS3FileStore(
    {
      endpoint: `http://127.0.0.1:${port}`,
      bucket: 'pictures',
      region: 'us-east-1',
      accessKeyId: 'S3RVER',
      secretAccessKey: 'S3RVER',
      forcePathStyle: true,
    },
    path.join(folder, 'staging'),
  )
})
afterAll(async () => {
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

describe('a file store in an S3-compatible bucket', () => {
  it('names files by their content, from bytes and from a stream', async () => {
    const first = await files.put(Buffer.from('hello'))
    const second = await files.put(Readable.from(['hel', 'lo']))
    expect(first).toEqual(second)
    expect(first.sha256).toBe('2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
    expect(await files.sizeOf(first.key)).toBe(5)
    const age = Date.now() - ((await files.writtenAt(first.key)) as Date).getTime()
    expect(Math.abs(age)).toBeLessThan(60_000)
    expect(await files.writtenAt('sha256/00/00/none')).toBeUndefined()
    expect(await readAll(await files.open(first.key))).toBe('hello')
    expect(await readAll(await files.open(first.key, { start: 1, end: 3 }))).toBe('ell')
  })

  it('keeps derived files under a key of their own, and deletes', async () => {
    await files.putAt('thumbnail/80/whole/x', Buffer.from('small'))
    expect(await readAll(await files.open('thumbnail/80/whole/x'))).toBe('small')
    await files.delete('thumbnail/80/whole/x')
    expect(await files.sizeOf('thumbnail/80/whole/x')).toBeUndefined()
    await expect(files.open('thumbnail/80/whole/x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
