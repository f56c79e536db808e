import { expect, it } from 'vitest'
import { createStatementNames } from '../../src/infra/statement-names.ts'

const twice = (names: ReturnType<typeof createStatementNames>, sql: string) => {
  names.nameOf({ sql })
  return names.nameOf({ sql })
}

it('names a statement that comes again, always alike', () => {
  const names = createStatementNames()
  expect(names.nameOf({ sql: 'SELECT 1' })).toBeUndefined()
  const name = names.nameOf({ sql: 'SELECT 1' })
  expect(name).toMatch(/^t0_/)
  expect(names.nameOf({ sql: 'SELECT 1' })).toBe(name)
  names.renew()
  expect(twice(names, 'SELECT 1')).toMatch(/^t1_/)
})

it('names no COPY and nothing that sets a session', () => {
  const names = createStatementNames()
  expect(twice(names, '/* copy 7 */ COPY "Item" FROM STDIN')).toBeUndefined()
  expect(twice(names, 'SET LOCAL synchronous_commit = off')).toBeUndefined()
})

it('leaves names for others where statements hold the ids of thousands of spaces', () => {
  const names = createStatementNames()
  const inSpace = (i: number) =>
    `/* findSimilar */ SELECT '019b0000-0000-7000-8000-${String(i).padStart(12, '0')}'::uuid`
  const named = Array.from({ length: 1_000 }, (_, i) => twice(names, inSpace(i))).filter(Boolean)
  expect(named).toHaveLength(100)
  expect(twice(names, 'SELECT 2')).toBeDefined()
  expect(twice(names, inSpace(0))).toBe(named[0])
})
