import { EngineError } from '../errors.ts'

/**
 * The only door from the engine to Node: what the accelerated kernels need to load their binary, start their threads
 * and read a feature file. In a browser every function here refuses, and the reference kernels are used.
 *
 * The engine compiles without Node's types, so the few shapes in use are written out.
 */

export interface FileHandle {
  read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }>
  write(from: Uint8Array, at: number, length: number, position: number): Promise<{ bytesWritten: number }>
  sync(): Promise<void>
  close(): Promise<void>
}

interface FileSystem {
  open(path: string, flags: 'r' | 'r+' | 'w'): Promise<FileHandle>
  readFile(path: URL): Promise<Uint8Array<ArrayBuffer>>
  readFile(path: string, encoding: 'utf8'): Promise<string>
  rename(from: string, to: string): Promise<void>
  stat(path: string): Promise<{ size: number }>
  rm(path: string, options: { force: true }): Promise<void>
  mkdir(path: string, options: { recursive: true }): Promise<unknown>
}

export interface HostWorker {
  postMessage(message: unknown): void
  on(event: 'message' | 'error', listener: (value: unknown) => void): void
  off(event: 'message' | 'error', listener: (value: unknown) => void): void
  terminate(): Promise<number>
}

/** WebAssembly as far as it is used: its types are the browser's in one configuration and Node's in the other. */
interface WebAssemblyHost {
  compile(bytes: Uint8Array<ArrayBuffer>): Promise<object>
  Instance: new (module: object, imports: object) => { readonly exports: object }
  Memory: new (size: { initial: number; maximum: number; shared: boolean }) => { readonly buffer: ArrayBufferLike }
}

interface Process {
  getBuiltinModule?(name: string): unknown
  versions?: { node?: string }
}

const host = (globalThis as { process?: Process }).process

export const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyHost }).WebAssembly

/** `require`, for files that `import` cannot load: the native addon. */
export function hostRequire(): (path: string) => unknown {
  const { createRequire } = builtin('module') as { createRequire(from: string): (path: string) => unknown }
  return createRequire(import.meta.url)
}

export function filePath(url: URL): string {
  return (builtin('url') as { fileURLToPath(url: URL): string }).fileURLToPath(url)
}

export function fileSystem(): FileSystem {
  return (builtin('fs') as { promises: FileSystem }).promises
}

export function startWorker(script: string, workerData: unknown): HostWorker {
  const { Worker } = builtin('worker_threads') as {
    Worker: new (script: string, options: { eval: true; workerData: unknown }) => HostWorker
  }
  return new Worker(script, { eval: true, workerData })
}

export function cores(): number {
  return (builtin('os') as { availableParallelism(): number }).availableParallelism()
}

function builtin(name: string): unknown {
  const module = host?.getBuiltinModule?.(name)
  if (!module) {
    throw new EngineError(
      'KERNEL_UNAVAILABLE',
      `this step needs Node 20.16 or later: got ${host?.versions?.node ? `Node ${host.versions.node}` : 'no Node'}`,
    )
  }
  return module
}
