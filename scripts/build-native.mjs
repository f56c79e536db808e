/**
 * Compiles the native kernels with the system's C++ compiler, without node-gyp. Runs when the package is installed.
 *
 * The kernels are optional: without a compiler or Node's headers this prints one line and succeeds, and the portable
 * WebAssembly kernels are used. `--strict` fails instead; a build newer than its sources is left alone; `--emulate` builds
 * a test addon whose AVX-512 and AMX instructions are plain code; CXX names another compiler, NODE_INCLUDE other headers.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const strict = process.argv.includes('--strict')
const emulate = process.argv.includes('--emulate')
const output = join(root, 'native', 'build', emulate ? 'kernels-emulated.node' : 'kernels.node')

function main() {
  if (process.platform === 'win32') return giveUp('Windows has no build recipe yet')
  const include = findHeaders()
  if (!include) return giveUp('node_api.h was found neither beside this Node nor in the node-gyp cache')
  if (isUpToDate()) return
  mkdirSync(dirname(output), { recursive: true })

  // Built beside its place and moved, so that a process that has the old file loaded keeps it whole.
  const temporary = `${output}.${process.pid}`
  const compiler = process.env.CXX ?? 'c++'
  const flags = ['-O3', '-std=c++17', '-fPIC', '-shared', '-pthread', '-fno-math-errno', '-Wall', '-Wno-psabi']
  if (process.platform === 'darwin') flags.push('-undefined', 'dynamic_lookup')
  if (emulate) flags.push('-DTRIBUTARY_EMULATE=1')
  const run = spawnSync(compiler, [...flags, `-I${include}`, '-o', temporary, join(root, 'native', 'addon.cc')], {
    encoding: 'utf8',
  })
  if (run.error) return giveUp(`${compiler} could not be started (${run.error.code})`)
  if (run.status !== 0) {
    if (strict) process.stderr.write(run.stderr)
    return giveUp(`${compiler} failed: ${run.stderr.split('\n').find((line) => /error/.test(line)) ?? run.status}`)
  }
  renameSync(temporary, output)
}

function isUpToDate() {
  if (!existsSync(output)) return false
  const sources = readdirSync(join(root, 'native')).filter((name) => /\.(cc|hpp)$/.test(name))
  const inputs = [
    ...sources.map((name) => join(root, 'native', name)),
    fileURLToPath(import.meta.url),
    process.execPath,
  ]
  return inputs.every((input) => statSync(input).mtimeMs < statSync(output).mtimeMs)
}

/** Beside the Node binary, as in every official build; else where an earlier node-gyp has put them. */
function findHeaders() {
  const beside = resolve(dirname(process.execPath), '..', 'include', 'node')
  const caches = [join(homedir(), '.cache', 'node-gyp'), join(homedir(), 'Library', 'Caches', 'node-gyp')]
  const cached = caches
    .filter(existsSync)
    .flatMap((cache) => readdirSync(cache).map((version) => join(cache, version, 'include', 'node')))
  return [process.env.NODE_INCLUDE, beside, '/usr/include/node', ...cached].find(
    (folder) => folder && existsSync(join(folder, 'node_api.h')),
  )
}

function giveUp(reason) {
  console.warn(`tributary: native kernels not built, the portable ones are used: ${reason}`)
  process.exitCode = strict ? 1 : 0
}

main()
