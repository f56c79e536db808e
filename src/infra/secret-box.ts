import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import path from 'node:path'
import type { Config } from '../config.ts'
import { DomainError } from '../services/errors.ts'
import type { SecretBox } from '../services/secret-box-port.ts'
import { readOrMakeSecret } from './secret-file.ts'

const CIPHER = 'aes-256-gcm'
/** AES-GCM's own sizes. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Of all that is sealed; the id of its key and the sealed bytes follow. */
const MARK = 'sealed:v1:'

/** Keys of ENCRYPTION_KEYS; the embedded database, which belongs to one folder, has one in a file beside it. */
export function loadEncryptionKeys({ encryptionKeys, databaseUrl, dataDir }: Config): Uint8Array[] {
  const texts = databaseUrl
    ? encryptionKeys
    : [...encryptionKeys, readOrMakeSecret(path.join(dataDir, 'encryption-key'))]
  return texts.map((text) => new Uint8Array(Buffer.from(text, 'base64')))
}

const idOf = (key: Uint8Array) => createHash('sha256').update(key).digest('hex').slice(0, 8)

/**
 * AES-256-GCM with a nonce a secret, its context authenticated too: a row's secret does not open in another row. The first
 * key seals, all of them open.
 */
export function createSecretBox(keys: readonly Uint8Array[]): SecretBox {
  const [current] = keys
  const byId = new Map(keys.map((key) => [idOf(key), key]))
  const problem =
    'ENCRYPTION_KEYS is not set: webhooks can not be made until it is, with the same keys for every server and worker (make one with: openssl rand -base64 32)'
  return {
    problem: current ? undefined : problem,
    currentPrefix: current && `${MARK}${idOf(current)}:`,
    seal(secret, context) {
      if (!current) throw new DomainError('INVALID_STATE', problem)
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, current, nonce).setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
      return `${MARK}${idOf(current)}:${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
    },
    open(stored, context) {
      if (!stored.startsWith(MARK)) return stored
      const [id = '', sealed = ''] = stored.slice(MARK.length).split(':')
      const key = byId.get(id)
      if (!key) {
        throw new DomainError('INVALID_STATE', `the secret is sealed with the key ${id}, which ENCRYPTION_KEYS lacks`)
      }
      const bytes = Buffer.from(sealed, 'base64url')
      try {
        const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
        decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
        return decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      } catch {
        throw new DomainError('INVALID_STATE', 'the sealed secret was altered, or belongs to another row')
      }
    },
  }
}
