import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'

const root = mkdtempSync(join(tmpdir(), 'install-'))
mkdirSync(join(root, 'scripts'))
cpSync('scripts/build-native.mjs', join(root, 'scripts', 'build-native.mjs'))
cpSync('native', join(root, 'native'), { recursive: true, filter: (path) => !path.includes('build') })
afterAll(() => rmSync(root, { recursive: true }))

const install = (environment: Record<string, string>, ...flags: string[]) =>
  spawnSync(process.execPath, ['scripts/build-native.mjs', ...flags], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  })

it('succeeds with one line when there is no compiler', () => {
  const { status, stdout, stderr } = install({ CXX: 'no-such-compiler' })
  expect(status).toBe(0)
  expect(stdout + stderr).toMatch(/^tributary: native kernels not built, the portable ones are used: .*ENOENT\)\n$/)
})

it('succeeds with one line when the compiler fails', () => {
  const { status, stderr } = install({ CXX: 'false' })
  expect(status).toBe(0)
  expect(stderr.trim().split('\n')).toHaveLength(1)
})

it('fails when asked to be strict', () => {
  expect(install({ CXX: 'no-such-compiler' }, '--strict').status).toBe(1)
})
