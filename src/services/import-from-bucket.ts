import type { App } from './app.ts'
import { DomainError, invalid } from './errors.ts'
import { type ImportFile, type ImportFolder, innerPath } from './import-file.ts'
import type { ImportSource } from './import-source.ts'

const refuse = (message: string) => invalid(message, 'input', 'manifestUrl')

/** Bucket and key of `s3://bucket/key`. */
export function parseBucketUrl(url: string): { bucket: string; key: string } {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.*)$/.exec(url)
  if (!match) throw refuse(`the address of an object must be s3://bucket/key: got ${url}`)
  const [, bucket, raw] = match as unknown as [string, string, string]
  const key = decodeURIComponent(raw)
  // Some servers keep objects as files, and would follow this out of the prefix that is allowed.
  if (key.split('/').some((part) => part === '..' || part === '.')) {
    throw refuse(`the key of an object must have no part . or ..: got ${url}`)
  }
  return { bucket, key }
}

/** Whether IMPORT_BUCKETS names the bucket, or a prefix that the key begins with. */
function checkAllowed(app: App, bucket: string, key: string): void {
  const isAllowed = app.config.importBuckets.some((allowed) => {
    const [name, ...prefix] = allowed.split('/')
    return name === bucket && key.startsWith(prefix.join('/'))
  })
  // The same words for a missing object and a forbidden one.
  if (!isAllowed) throw refuse(`no object or prefix at s3://${bucket}/${key} in the buckets that IMPORT_BUCKETS allows`)
}

function bucketFile(app: App, bucket: string, key: string, name: string, byteSize: number): ImportFile {
  return { name, byteSize, isSeekable: true, open: (range) => app.buckets.open(bucket, key, range) }
}

/** The objects below a prefix, which ends in a slash or is empty. */
const bucketFolder = (app: App, bucket: string, prefix: string): ImportFolder => ({
  async find(name) {
    const inner = innerPath(name)
    if (!inner) return undefined
    const byteSize = await app.buckets.sizeOf(bucket, prefix + inner)
    return byteSize === undefined ? undefined : bucketFile(app, bucket, prefix + inner, inner, byteSize)
  },
  async *list() {
    for await (const { key, byteSize } of app.buckets.list(bucket, prefix)) {
      if (!key.endsWith('/')) yield bucketFile(app, bucket, key, key.slice(prefix.length), byteSize)
    }
  },
})

/** A manifest, an archive, or everything below a prefix of a bucket that IMPORT_BUCKETS allows. */
export async function sourceFromBucket(app: App, url: string): Promise<ImportSource> {
  const { bucket, key } = parseBucketUrl(url)
  checkAllowed(app, bucket, key)
  const where = `s3://${bucket}`
  if (key === '' || key.endsWith('/')) {
    return { name: key.split('/').at(-2) ?? bucket, folder: bucketFolder(app, bucket, key), where }
  }
  const byteSize = await app.buckets.sizeOf(bucket, key)
  const name = key.split('/').at(-1) as string
  if (byteSize === undefined) {
    throw refuse(`no object at ${url} in the buckets that IMPORT_BUCKETS allows; a prefix must end in a slash`)
  }
  return {
    name,
    file: bucketFile(app, bucket, key, name, byteSize),
    folder: bucketFolder(app, bucket, key.slice(0, key.length - name.length)),
    where,
  }
}

/** One picture by its s3: address, from a row of any manifest. */
export async function openBucketImage(app: App, url: string): Promise<ImportFile> {
  const { bucket, key } = parseBucketUrl(url)
  checkAllowed(app, bucket, key)
  const byteSize = await app.buckets.sizeOf(bucket, key)
  if (byteSize === undefined) throw new DomainError('INVALID', `there is no object at ${url}`)
  return bucketFile(app, bucket, key, key, byteSize)
}
