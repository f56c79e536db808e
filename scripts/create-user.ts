/**
 * Makes a user and prints their personal token, which is not shown again. Uses the database of the environment; the embedded
 * one only while its server is stopped.
 * Usage: npm run user -- --name NAME [--service]
 */
import { parseArgs } from 'node:util'
import { loadConfig, readEnvironment } from '../src/config.ts'
import { openApp } from '../src/open-app.ts'
import { encodeRoot } from '../src/resolvers/global-id.ts'
import { exitWith } from '../src/server.ts'
import { createUserWithToken } from '../src/services/users.ts'

const { values } = parseArgs({ options: { name: { type: 'string' }, service: { type: 'boolean', default: false } } })
const name = values.name?.trim()
if (!name) {
  console.error('who is it? npm run user -- --name "Ada Lovelace"')
  process.exit(2)
}
try {
  const { app, close } = await openApp(loadConfig(readEnvironment()))
  const { user, secret } = await createUserWithToken(app, name, { isServiceAccount: values.service })
  await close()
  console.log(
    `${user.displayName} is ${encodeRoot('User', user.id)}, with this token (it is not shown again):\n\n  ${secret}\n`,
  )
} catch (error) {
  exitWith(error)
}
