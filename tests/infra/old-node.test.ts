import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Runs the install step as if this were another Node. */
function installOn(version: string) {
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`
  const load = `data:text/javascript,${encodeURIComponent(pretend)}`
  return spawnSync(process.execPath, ['--import', load, 'scripts/postinstall.mjs'], { encoding: 'utf8' })
}

test.each(['18.20.4', '20.18.1'])('an install on Node %s is refused with what is needed', (version) => {
  const { status, stderr } = installOn(version)
  expect(status).toBe(1)
  expect(stderr.trim()).toBe(`Tributary needs Node 20.19 or later: this is ${version}`)
})
