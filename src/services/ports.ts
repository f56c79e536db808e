import type { Readable } from 'node:stream'

/** A stored file, named by its content. */
export interface StoredFile {
  /** `sha256/ab/cd/<hex>` */
  readonly key: string
  readonly sha256: string
  readonly byteSize: number
}

/** Where bytes live: a local folder, or S3-compatible storage. Everything is content-addressed and never changes. */
export interface FileStore {
  /** Stores the bytes under their SHA-256; storing the same again costs nothing. Whole or not at all. */
  put(content: Readable | Uint8Array): Promise<StoredFile>
  /** Stores bytes that are derived from others under a key of their own. */
  putAt(key: string, content: Readable | Uint8Array): Promise<void>
  /** Streams a file, or a range of it (both ends included). */
  open(key: string, range?: { start: number; end: number }): Promise<Readable>
  /** Size of a file, or undefined when there is none. */
  sizeOf(key: string): Promise<number | undefined>
  /** When a file was last put, also with the bytes it had; undefined when there is none. */
  writtenAt(key: string): Promise<Date | undefined>
  delete(key: string): Promise<void>
}

export interface ImageFacts {
  /** After EXIF orientation. */
  readonly width: number
  readonly height: number
  readonly format: string
}

/** Rectangle in fractions of the image. */
export interface CropBox {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Decodes pictures and makes small ones. Refuses what it can not decode with a DomainError that says why. */
export interface ImageCodec {
  inspect(bytes: Uint8Array): Promise<ImageFacts>
  /** A square WebP of the picture or of a crop, upright. */
  thumbnail(bytes: Uint8Array, edge: number, box?: CropBox | null): Promise<Buffer>
  /** A PNG of a part of the picture, upright and in its own size. */
  crop(bytes: Uint8Array, box: CropBox): Promise<Buffer>
  /** Upright RGB pixels, 8 bits each, of the picture or a part of it: stretched to a size, or as large as `maxEdge` allows. */
  pixels(
    bytes: Uint8Array,
    size: { width: number; height: number } | { maxEdge: number },
    box?: CropBox | null,
  ): Promise<{ data: Uint8Array; width: number; height: number }>
}

export interface Clock {
  now(): Date
}

/** A new credential: the secret is shown once, the hash is kept. */
export interface MintedKey {
  readonly secret: string
  /** First eight characters of the random part, to recognise it by. */
  readonly prefix: string
  readonly hash: Uint8Array<ArrayBuffer>
}

/** Keys and signed addresses. */
export interface Tokens {
  mintApiKey(projectId: string, keyId: string): MintedKey
  mintPersonalToken(tokenId: string): MintedKey
  parseApiKey(secret: string): { projectId: string; keyId: string; hash: Uint8Array<ArrayBuffer> } | undefined
  parsePersonalToken(secret: string): { tokenId: string; hash: Uint8Array<ArrayBuffer> } | undefined
  equalHashes(a: Uint8Array, b: Uint8Array): boolean
  /** Whether this is the ADMIN_TOKEN of the environment; never without one. */
  isAdminToken(secret: string): boolean
  /** The path with an expiry and a signature; stable for some minutes, so that browsers can cache what it names. */
  signPath(path: string, lifeSeconds: number): string
  /** Whether a signed path and query are ours and still valid. */
  verifyPath(path: string, query: { e?: unknown; s?: unknown }): 'ok' | 'expired' | 'forged'
  /** A credential encrypted for a browser's cookie, useless after the life given. */
  sealSession(credential: string, lifeSeconds: number): string
  /** The credential of a sealed session; undefined when it is not ours, was altered, or has ended. */
  openSession(sealed: string): string | undefined
}
