// Builds the review page into web/dist: types and names of its documents, the site, its compressed copies. Nothing is done
// when what is there was made from the same files; with --limit the script that a browser loads is weighed too.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

// Tests run under another name, and React would come with its development build.
process.env.NODE_ENV = 'production'

const root = path.resolve(import.meta.dirname, '..')
const dist = path.join(root, 'web/dist')
const site = path.join(dist, 'site')
const stamp = path.join(dist, 'built-from')
/** All script of the page, compressed: a promise to whoever waits for it. */
const MAX_SCRIPT_BYTES = 150_000

/** One hash of everything that the built page depends on. */
function hashInputs() {
  const hash = createHash('sha256')
  const inputs = readdirSync(path.join(root, 'web'), { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(dist) && !file.includes(`${path.sep}generated${path.sep}`))
  for (const file of [
    ...inputs.sort(),
    ...['schema.graphql', 'package-lock.json', 'scripts/generate-web-documents.mjs', 'scripts/build-web.mjs'].map(
      (name) => path.join(root, name),
    ),
  ]) {
    hash.update(file.slice(root.length)).update(readFileSync(file))
  }
  return hash.digest('hex')
}

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((file) => /\.(js|css|html|svg)$/.test(file))

function scriptBytes() {
  return filesOf(site)
    .filter((file) => file.endsWith('.js'))
    .reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0)
}

const inputs = hashInputs()
const isFresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs
if (!isFresh) {
  let vite
  try {
    vite = await import('vite')
  } catch {
    console.error('the review page is not built: its tools are development dependencies, and they are not installed')
    process.exit(0)
  }
  await import('./generate-web-documents.mjs')
  await vite.build({ configFile: path.join(root, 'web/vite.config.ts'), logLevel: 'warn' })
  for (const file of filesOf(site)) {
    const bytes = readFileSync(file)
    writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }))
    writeFileSync(
      `${file}.br`,
      brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
    )
  }
  writeFileSync(
    path.join(dist, 'trusted-documents.json'),
    readFileSync(path.join(root, 'web/src/generated/trusted-documents.json')),
  )
  writeFileSync(stamp, inputs)
}
if (!isFresh || process.argv.includes('--limit')) {
  const bytes = scriptBytes()
  console.log(`review page: ${(bytes / 1000).toFixed(1)} kB of script, gzipped`)
  if (bytes > MAX_SCRIPT_BYTES) {
    console.error(`the review page has ${bytes} bytes of script, gzipped: at most ${MAX_SCRIPT_BYTES} are allowed`)
    process.exit(1)
  }
}
