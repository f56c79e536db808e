import type { Readable } from 'node:stream'

export interface BucketObject {
  readonly key: string
  readonly byteSize: number
}

/** Reads S3-compatible buckets that are not our own file store. */
export interface BucketReader {
  /** Undefined when there is no such object or bucket. */
  sizeOf(bucket: string, key: string): Promise<number | undefined>
  /** Streams an object, or a range of it (both ends included). */
  open(bucket: string, key: string, range?: { start: number; end: number }): Promise<Readable>
  /** Objects below a prefix, by key. */
  list(bucket: string, prefix: string): AsyncIterable<BucketObject>
}
