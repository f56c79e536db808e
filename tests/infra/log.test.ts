import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { expect, test } from 'vitest'

/** What a log of this level writes, in a process of its own. */
function linesOf(level: string, calls: string): { stdout: string; lines: Record<string, unknown>[] } {
  const code = `
    import { createLog } from ${JSON.stringify(path.resolve('src/infra/log.ts'))}
    const log = createLog('${level}')
    ${calls}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    encoding: 'utf8',
  })
  return {
    stdout,
    lines: stderr
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  }
}

test('writes one JSON object a line to standard error, with what the child logger carries', () => {
  const { stdout, lines } = linesOf(
    'info',
    `log.child({ requestId: 'r-1' }).info({ rows: 3 }, 'read'); log.debug('unsaid')`,
  )
  expect(stdout).toBe('')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatchObject({ requestId: 'r-1', rows: 3, msg: 'read' })
})

test('keeps credentials out', () => {
  const { lines } = linesOf(
    'info',
    `log.info({ secret: 'hunter2', req: { headers: { authorization: 'Bearer hunter2' } } }, 'signed in')`,
  )
  expect(lines).toHaveLength(1)
  expect(JSON.stringify(lines)).not.toContain('hunter2')
})

test('errors keep their stack and cause', () => {
  const { lines } = linesOf('error', `log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed')`)
  expect(JSON.stringify(lines[0])).toMatch(/outer.*inner/)
})
