import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DataFolderLockedError, lockDataFolder } from '../../src/infra/data-folder-lock.ts'

const MODULE = path.resolve('src/infra/data-folder-lock.ts')
/** Above every pid that a system gives. */
const NOBODY = 2 ** 30

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tributary-lock-'))
  file = path.join(folder, 'tributary.lock')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A process that takes the lock at `atMs`, says so, and keeps it until its input ends. */
function contender(atMs = 0) {
  const code = `
    import { lockDataFolder } from ${JSON.stringify(MODULE)}
    while (Date.now() < ${atMs});
    try { lockDataFolder(${JSON.stringify(folder)}); console.log('held') } catch (error) { console.log(error.name + ': ' + error.message) }
    process.stdin.resume().on('end', () => process.exit())`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const said = new Promise<string>((resolve) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()))
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return { child, said, ended }
}

test('names the process that holds the folder, and what to do', async () => {
  const { child, said, ended } = contender()
  expect(await said).toBe('held')
  expect(() => lockDataFolder(folder)).toThrow(DataFolderLockedError)
  expect(() => lockDataFolder(folder)).toThrow(
    new RegExp(`in use by process ${child.pid}: stop that server first, or set TRIBUTARY_DATA_DIR`),
  )
  child.stdin.end()
  await ended
  expect(existsSync(file)).toBe(false)
})

test('the lock of a killed process is taken over', async () => {
  const { child, said, ended } = contender()
  expect(await said).toBe('held')
  child.kill('SIGKILL')
  await ended
  expect(existsSync(file)).toBe(true)
  lockDataFolder(folder)()
  expect(readdirSync(folder)).toEqual([])
})

test('one process cannot take a folder twice, and can once it gave it back', () => {
  const release = lockDataFolder(folder)
  expect(() => lockDataFolder(path.join(folder, '.'))).toThrow(/in use by this very process/)
  release()
  release()
  lockDataFolder(folder)()
})

test('a pid that was given to another process since does not hold the folder', () => {
  writeFileSync(file, `${process.ppid} 1\n`)
  if (process.platform === 'linux') lockDataFolder(folder)()
  else expect(() => lockDataFolder(folder)).toThrow(DataFolderLockedError)
})

test('an empty or broken lock file holds nothing', () => {
  for (const text of ['', 'nonsense', `${NOBODY}\n`]) {
    writeFileSync(file, text)
    const release = lockDataFolder(folder)
    expect(Number.parseInt(readFileSync(file, 'utf8'), 10)).toBe(process.pid)
    release()
  }
})

test('of four processes that take over a dead lock at once, one gets it', async () => {
  writeFileSync(file, `${NOBODY}\n`)
  const contenders = Array.from({ length: 4 }, () => contender(Date.now() + 3_000))
  const said = await Promise.all(contenders.map((each) => each.said))
  expect(said.filter((line) => line === 'held')).toHaveLength(1)
  for (const { child } of contenders) child.stdin.end()
  await Promise.all(contenders.map((each) => each.ended))
  expect(readdirSync(folder)).toEqual([])
})
