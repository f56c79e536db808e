import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'
import { expect, test } from 'vitest'
import { CONFIG_KEYS, ConfigError, loadConfig } from '../../src/config.ts'

const example = readFileSync('.env.example', 'utf8')

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('the configuration was accepted')
}

test('.env.example lists every key, and no other', () => {
  expect(Object.keys(parseEnv(example)).sort()).toEqual([...CONFIG_KEYS].sort())
})

test('.env.example as it stands is the default configuration', () => {
  expect(loadConfig(parseEnv(example) as NodeJS.ProcessEnv)).toEqual(loadConfig({}))
})

test('an empty environment gives the embedded database, local files and a worker of its own', () => {
  const config = loadConfig({})
  expect(config.databaseUrl).toBeUndefined()
  expect(config.s3).toBeUndefined()
  expect(config.worksInProcess).toBe(true)
  expect(config.allowedNetworks).toEqual([])
  expect(config.dataDir).toBe(path.resolve('data'))
  expect(config.publicUrl).toBe('http://127.0.0.1:4000')
  expect(Object.isFrozen(config)).toBe(true)
})

test('with a database server jobs run elsewhere unless asked for', () => {
  const DATABASE_URL = 'postgresql://localhost/tributary'
  expect(loadConfig({ DATABASE_URL }).worksInProcess).toBe(false)
  expect(loadConfig({ DATABASE_URL, WORKER: 'in-process' }).worksInProcess).toBe(true)
})

test('0 is a value, not the default', () => {
  expect(loadConfig({ PORT: '0' }).port).toBe(0)
  expect(problemsOf({ MAX_QUERY_DEPTH: '0' })).toHaveLength(1)
})

test('every problem is reported at once, each with its key and what was given', () => {
  const problems = problemsOf({
    PORT: 'eighty',
    LOG_LEVEL: 'loud',
    FILE_STORE: 's3',
    S3_ACCESS_KEY_ID: 'only-half',
    STATEMENT_TIMEOUT_MS: '1',
  })
  expect(problems).toHaveLength(5)
  expect(problems.join('\n')).toMatch(/PORT: .*got eighty/)
  expect(problems.join('\n')).toMatch(/LOG_LEVEL: .*got loud/)
  expect(problems.join('\n')).toMatch(/STATEMENT_TIMEOUT_MS: .*got 1/)
  expect(problems).toContain('S3_BUCKET: is needed when FILE_STORE is s3')
})

test('a secret is never repeated', () => {
  const problems = problemsOf({ DATABASE_URL: 'mysql://me:hunter2@host/db', SIGNING_SECRET: 'hunter2' })
  expect(problems).toHaveLength(2)
  expect(problems.join('\n')).not.toContain('hunter2')
})

test('private networks are allowed all, by name, or not at all', () => {
  const networksOf = (ALLOW_PRIVATE_NETWORKS: string) => loadConfig({ ALLOW_PRIVATE_NETWORKS }).allowedNetworks
  expect(networksOf('true')).toBe('all')
  expect(networksOf('false')).toEqual([])
  expect(networksOf('10.2.0.0/16, fd00::/8')).toEqual(['10.2.0.0/16', 'fd00::/8'])
  expect(problemsOf({ ALLOW_PRIVATE_NETWORKS: '10.2.0.0' })[0]).toMatch(
    /networks such as 10\.2\.0\.0\/16.*got 10\.2\.0\.0/,
  )
})
