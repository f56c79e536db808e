import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config.ts'
import { createSecretBox, loadEncryptionKeys } from '../../src/infra/secret-box.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'secrets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const key = () => new Uint8Array(randomBytes(32))

describe('a box of secrets', () => {
  const [old, next] = [key(), key()]

  it('gives back what was put in, to the same row only; the same secret never looks the same', () => {
    const box = createSecretBox([next])
    const sealed = box.seal('whsec_ü', 'Row/1')
    expect(sealed).not.toContain('whsec')
    expect(sealed).toMatch(/^sealed:v1:[0-9a-f]{8}:[\w-]+$/)
    expect(sealed.startsWith(box.currentPrefix as string)).toBe(true)
    expect(box.open(sealed, 'Row/1')).toBe('whsec_ü')
    expect(box.seal('whsec_ü', 'Row/1')).not.toBe(sealed)
    expect(() => box.open(sealed, 'Row/2')).toThrow('was altered, or belongs to another row')
  })

  it('refuses a single changed bit, a shortened tag and an empty secret text', () => {
    const box = createSecretBox([next])
    const sealed = box.seal('secret', 'Row')
    const start = (box.currentPrefix as string).length
    const bytes = Buffer.from(sealed.slice(start), 'base64url')
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ 1
      expect(() => box.open(box.currentPrefix + changed.toString('base64url'), 'Row')).toThrow('was altered')
    }
    for (const length of [0, 5, 12, 20]) {
      const cut = bytes.subarray(0, length).toString('base64url')
      expect(() => box.open(box.currentPrefix + cut, 'Row')).toThrow('was altered')
    }
  })

  it('opens with every key, seals with the first, and names the key that it lacks', () => {
    const sealed = createSecretBox([old]).seal('secret', 'Row')
    const both = createSecretBox([next, old])
    expect(both.open(sealed, 'Row')).toBe('secret')
    expect(sealed.startsWith(both.currentPrefix as string)).toBe(false)
    const id = sealed.split(':')[2]
    expect(() => createSecretBox([next]).open(sealed, 'Row')).toThrow(
      `the secret is sealed with the key ${id}, which ENCRYPTION_KEYS lacks`,
    )
  })

  it('without a key opens what was never sealed, and says what to do instead of sealing', () => {
    const box = createSecretBox([])
    expect(box.open('whsec_plain', 'Row')).toBe('whsec_plain')
    expect(box.problem).toMatch(/^ENCRYPTION_KEYS is not set: webhooks can not be made/)
    expect(() => box.seal('secret', 'Row')).toThrow(box.problem)
    expect(box.currentPrefix).toBeUndefined()
  })
})

describe('its keys', () => {
  it('are made once beside the embedded database, readable by its user only, and stay able to open once the setting takes over', () => {
    const [made] = loadEncryptionKeys(loadConfig({ TRIBUTARY_DATA_DIR: folder }))
    expect(made).toHaveLength(32)
    const file = path.join(folder, 'encryption-key')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(new Uint8Array(Buffer.from(readFileSync(file, 'utf8'), 'base64'))).toEqual(made)
    const given = randomBytes(32).toString('base64')
    const keys = loadEncryptionKeys(loadConfig({ TRIBUTARY_DATA_DIR: folder, ENCRYPTION_KEYS: given }))
    expect(keys.map((one) => Buffer.from(one).toString('base64'))).toEqual([
      given,
      Buffer.from(made as Uint8Array).toString('base64'),
    ])
  })

  it('are never made for a database server, which several machines share', () => {
    const DATABASE_URL = 'postgresql://localhost/tributary'
    expect(loadEncryptionKeys(loadConfig({ DATABASE_URL, TRIBUTARY_DATA_DIR: folder }))).toEqual([])
  })

  it('are 32 bytes each, and never repeated in a message', () => {
    const good = randomBytes(32).toString('base64')
    expect(loadConfig({ ENCRYPTION_KEYS: `${good}, ${good}` }).encryptionKeys).toEqual([good, good])
    const short = randomBytes(31).toString('base64')
    expect(() => loadConfig({ ENCRYPTION_KEYS: `${good},${short}` })).toThrow(ConfigError)
    try {
      loadConfig({ ENCRYPTION_KEYS: short })
    } catch (error) {
      expect((error as Error).message).toContain('ENCRYPTION_KEYS: must be 32 bytes in base64 each, got (not shown)')
      expect((error as Error).message).not.toContain(short)
    }
  })
})
