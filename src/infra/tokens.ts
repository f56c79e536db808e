import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import path from 'node:path'
import type { MintedKey, Tokens } from '../services/ports.ts'
import { readOrMakeSecret } from './secret-file.ts'

const API_KEY = 'trb'
const PERSONAL = 'trp'
const SECRET_BYTES = 32
/** Signatures of the same path are the same within such a window, so that browsers cache what they name. */
const WINDOW_SECONDS = 300

/** AES-GCM's own sizes. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

const bytesOf = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex')

function uuidOf(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

const sha256 = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())

/** Credentials are `<kind>_<where to look>_<secret>`: only the hash of the whole is kept. */
function mint(kind: string, where: Buffer): MintedKey {
  const random = randomBytes(SECRET_BYTES).toString('base64url')
  const secret = `${kind}.${where.toString('base64url')}.${random}`
  return { secret, prefix: random.slice(0, 8), hash: sha256(secret) }
}

function parse(
  kind: string,
  secret: string,
  length: number,
): { where: Buffer; hash: Uint8Array<ArrayBuffer> } | undefined {
  const [head, place, random, ...rest] = secret.split('.')
  if (head !== kind || !place || !random || rest.length > 0) return undefined
  const where = Buffer.from(place, 'base64url')
  return where.length === length ? { where, hash: sha256(secret) } : undefined
}

/** The secret that signs addresses: given, or made once and kept where only this server reads. */
export const loadSigningSecret = (given: string | undefined, dataDir: string): string =>
  given ?? readOrMakeSecret(path.join(dataDir, 'signing-secret'))

export function createTokens(
  signingSecret: string,
  { nowMs = Date.now, adminToken }: { nowMs?: () => number; adminToken?: string } = {},
): Tokens {
  const adminHash = adminToken === undefined ? undefined : sha256(adminToken)
  // A page of pictures has hundreds of addresses: a text would be made a key for each.
  const signingKey = createSecretKey(signingSecret, 'utf8')
  const sign = (path: string, expiry: number) =>
    createHmac('sha256', signingKey).update(`${path}\n${expiry}`).digest('base64url')
  const equal = (a: Uint8Array, b: Uint8Array) => a.length === b.length && timingSafeEqual(a, b)
  const sessionKey = new Uint8Array(hkdfSync('sha256', signingSecret, '', 'tributary session', 32))

  return {
    mintApiKey: (projectId, keyId) => mint(API_KEY, Buffer.concat([bytesOf(projectId), bytesOf(keyId)])),
    mintPersonalToken: (tokenId) => mint(PERSONAL, bytesOf(tokenId)),
    parseApiKey(secret) {
      const parsed = parse(API_KEY, secret, 32)
      if (!parsed) return undefined
      const { where, hash } = parsed
      return { projectId: uuidOf(where.subarray(0, 16)), keyId: uuidOf(where.subarray(16)), hash }
    },
    parsePersonalToken(secret) {
      const parsed = parse(PERSONAL, secret, 16)
      return parsed && { tokenId: uuidOf(parsed.where), hash: parsed.hash }
    },
    equalHashes: equal,
    isAdminToken: (secret) => adminHash !== undefined && equal(sha256(secret), adminHash),
    signPath(path, lifeSeconds) {
      const windowEnd = Math.ceil(nowMs() / 1000 / WINDOW_SECONDS) * WINDOW_SECONDS
      const expiry = windowEnd + lifeSeconds
      return `${path}?e=${expiry}&s=${sign(path, expiry)}`
    },
    verifyPath(path, { e, s }) {
      const expiry = Number(e)
      if (typeof s !== 'string' || !Number.isSafeInteger(expiry)) return 'forged'
      if (!equal(Buffer.from(sign(path, expiry)), Buffer.from(s))) return 'forged'
      return expiry * 1000 > nowMs() ? 'ok' : 'expired'
    },
    sealSession(credential, lifeSeconds) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', sessionKey, nonce)
      const expiry = Math.ceil(nowMs() / 1000) + lifeSeconds
      const body = Buffer.concat([cipher.update(`${expiry} ${credential}`, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')
    },
    openSession(sealed) {
      const bytes = Buffer.from(sealed, 'base64url')
      if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined
      const decipher = createDecipheriv('aes-256-gcm', sessionKey, bytes.subarray(0, NONCE_BYTES))
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      let text: string
      try {
        text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      } catch {
        return undefined
      }
      const space = text.indexOf(' ')
      return Number(text.slice(0, space)) * 1000 > nowMs() ? text.slice(space + 1) : undefined
    },
  }
}
