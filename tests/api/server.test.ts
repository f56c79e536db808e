import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { startServer } from '../../src/server.ts'

it('a port in use is one clear sentence, and leaves the data folder free', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'server-'))
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  const config = loadConfig({ TRIBUTARY_DATA_DIR: folder, PORT: String(port), LOG_LEVEL: 'silent' })
  await expect(startServer(config)).rejects.toThrow(
    `port ${port} on 127.0.0.1 is in use: stop what listens there, or set PORT to another one`,
  )
  await new Promise((resolve) => taken.close(resolve))
  const server = await startServer(config)
  expect(await (await fetch(server.url.replace('/graphql', '/healthz'))).json()).toEqual({ status: 'ok' })
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})
