import type { Readable } from 'node:stream'
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchBucket,
  NoSuchKey,
  NotFound,
  S3Client,
} from '@aws-sdk/client-s3'
import type { S3Access } from '../config.ts'
import type { BucketReader } from '../services/bucket-port.ts'
import { DomainError } from '../services/errors.ts'

const isMissing = (error: unknown): boolean =>
  error instanceof NotFound || error instanceof NoSuchKey || error instanceof NoSuchBucket

/** A client with the addresses and keys of the environment; without keys, those that the machine itself has. */
export const createS3Client = (access: S3Access): S3Client =>
  new S3Client({
    endpoint: access.endpoint,
    region: access.region,
    forcePathStyle: access.forcePathStyle,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(access.accessKeyId && {
      credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey ?? '' },
    }),
  })

/** Reads buckets with the server's own S3 credentials; the client is made at the first use. */
export function openBucketReader(access: S3Access): BucketReader {
  let made: S3Client | undefined
  const client = () => {
    made ??= createS3Client(access)
    return made
  }

  return {
    async sizeOf(Bucket, Key) {
      try {
        return (await client().send(new HeadObjectCommand({ Bucket, Key }))).ContentLength
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },
    async open(Bucket, Key, range) {
      try {
        const Range = range && `bytes=${range.start}-${range.end}`
        const { Body } = await client().send(new GetObjectCommand({ Bucket, Key, Range }))
        return Body as Readable
      } catch (error) {
        if (isMissing(error)) throw new DomainError('INVALID', `there is no object at s3://${Bucket}/${Key}`)
        throw error
      }
    },
    async *list(Bucket, Prefix) {
      let ContinuationToken: string | undefined
      do {
        let page: { Contents?: { Key?: string; Size?: number }[]; NextContinuationToken?: string }
        try {
          page = await client().send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }))
        } catch (error) {
          if (isMissing(error)) throw new DomainError('INVALID', `there is no bucket s3://${Bucket}`)
          throw error
        }
        for (const { Key, Size } of page.Contents ?? []) yield { key: Key as string, byteSize: Size ?? 0 }
        ContinuationToken = page.NextContinuationToken
      } while (ContinuationToken)
    },
  }
}
