import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { S3Options } from '../config.ts'
import { DomainError } from '../services/errors.ts'
import type { FileStore, StoredFile } from '../services/ports.ts'
import { createS3Client } from './bucket-reader-s3.ts'
import { checkKey, contentKey, HashingStream } from './file-store-local.ts'

const isMissing = (error: unknown): boolean => error instanceof NotFound || error instanceof NoSuchKey

/**
 * Files in an S3-compatible bucket. A stream is staged in a local folder first: its key is its hash, which is known only
 * at its end, and a failed request can then be sent again.
 */
export async function openS3FileStore(options: S3Options, stagingFolder: string): Promise<FileStore> {
  await mkdir(stagingFolder, { recursive: true })
  const { bucket: Bucket } = options
  const client = createS3Client(options)

  async function headOf(key: string): Promise<HeadObjectCommandOutput | undefined> {
    try {
      return await client.send(new HeadObjectCommand({ Bucket, Key: checkKey(key) }))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async function putStream(content: Readable, keyOf: (file: StoredFile) => string): Promise<StoredFile> {
    const draft = path.join(stagingFolder, randomUUID())
    const hashing = new HashingStream()
    try {
      await pipeline(content, hashing, createWriteStream(draft))
      const sha256 = hashing.sha256()
      const stored = { key: contentKey(sha256), sha256, byteSize: hashing.byteSize }
      const Key = checkKey(keyOf(stored))
      await client.send(
        new PutObjectCommand({ Bucket, Key, Body: createReadStream(draft), ContentLength: stored.byteSize }),
      )
      return stored
    } finally {
      await rm(draft, { force: true })
    }
  }

  async function putBytes(content: Uint8Array, keyOf: (file: StoredFile) => string): Promise<StoredFile> {
    const sha256 = createHash('sha256').update(content).digest('hex')
    const stored = { key: contentKey(sha256), sha256, byteSize: content.length }
    await client.send(new PutObjectCommand({ Bucket, Key: checkKey(keyOf(stored)), Body: content }))
    return stored
  }

  const put = (content: Readable | Uint8Array, keyOf: (file: StoredFile) => string) =>
    content instanceof Readable ? putStream(content, keyOf) : putBytes(content, keyOf)

  return {
    put: (content) => put(content, ({ key }) => key),
    putAt: async (key, content) => {
      await put(content, () => key)
    },
    async open(key, range) {
      try {
        const Range = range && `bytes=${range.start}-${range.end}`
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: checkKey(key), Range }))
        return Body as Readable
      } catch (error) {
        if (isMissing(error)) throw new DomainError('NOT_FOUND', `no such file: ${key}`)
        throw error
      }
    },
    sizeOf: async (key) => (await headOf(key))?.ContentLength,
    writtenAt: async (key) => (await headOf(key))?.LastModified,
    async delete(key) {
      await client.send(new DeleteObjectCommand({ Bucket, Key: checkKey(key) }))
    },
  }
}
