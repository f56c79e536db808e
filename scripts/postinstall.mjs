// After npm install: the Prisma client is generated, the native kernels are compiled and the review page is built. None of
// them needs a network.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import process from 'node:process'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Tributary needs Node 20.19 or later: this is ${process.versions.node}`)
  process.exit(1)
}

const require = createRequire(import.meta.url)

/** The path of a package's file, or undefined when the package is not installed (as with --omit=dev). */
function find(name) {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

const prisma = find('prisma/build/index.js')
if (prisma) {
  // Generating needs no schema engine, yet the command insists on a file being there.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [prisma, 'generate'], { env, encoding: 'utf8' })
  if (status !== 0) {
    console.error(`the Prisma client could not be generated:\n${stdout}\n${stderr}`)
    process.exit(1)
  }
}

// A container image copies the page's sources after it has installed packages.
if (existsSync('web/src')) {
  const { status } = spawnSync(process.execPath, ['scripts/build-web.mjs'], { stdio: 'inherit' })
  if (status !== 0) console.error('the review page was not built: "npm run build:web" says why')
}

const { status } = spawnSync(process.execPath, ['scripts/build-native.mjs'], { stdio: 'inherit' })
// Without a compiler the portable kernels are used; the build says so itself.
if (status !== 0) console.error('the native kernels were not built: the portable ones are used')
