/**
 * Compiles the portable kernels to src/engine/kernels/portable.wasm, which is committed: only who changes them needs
 * this. Takes clang and wasm-ld, 14 or later (Debian: clang lld); CLANG names another.
 */
import { spawnSync } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const flags = [
  '--target=wasm32',
  '-O3',
  '-std=c++17',
  '-msimd128',
  '-matomics',
  '-mbulk-memory',
  '-mmutable-globals',
  '-nostdlib',
  '-ffreestanding',
  '-fno-exceptions',
  '-fno-rtti',
  '-Wl,--no-entry',
  '-Wl,--import-memory',
  '-Wl,--shared-memory',
  '-Wl,--max-memory=4294967296',
  '-Wl,--export=__stack_pointer',
  '-Wl,--strip-all',
]
const output = join(root, 'src', 'engine', 'kernels', 'portable.wasm')
const run = spawnSync(process.env.CLANG ?? 'clang', [...flags, '-o', output, join(root, 'native', 'portable.cc')], {
  stdio: 'inherit',
})
if (run.error)
  console.error(`clang could not be started (${run.error.code}); install clang and lld, or name one in CLANG`)
process.exitCode = run.status ?? 1
