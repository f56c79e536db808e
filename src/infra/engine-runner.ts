import { Worker } from 'node:worker_threads'
import { type BackendChoice, EngineError } from '../engine/index.ts'
import type { EngineControl, EngineRunner } from '../services/engine-port.ts'
import type { EngineCallName, EngineReply, EngineRequest } from './engine-messages.ts'

/** How long a cancelled call may take to stop by itself before its thread is ended. */
const CANCEL_GRACE_MS = 2000

interface Call {
  readonly id: number
  readonly name: EngineCallName
  readonly input: unknown
  readonly control: EngineControl
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  /** Stops listening to the caller's signal. */
  release(): void
}

/**
 * Runs the engine in a worker thread, one call after the other; the thread starts with the first call.
 *
 * Inputs are copied to the thread (put large ones on a SharedArrayBuffer to share them), results are moved. A cancelled
 * call that does not stop within two seconds costs its thread; the next call starts a new one.
 */
export function openEngineRunner(): EngineRunner {
  const waiting: Call[] = []
  let worker: Worker | undefined
  let active: Call | undefined
  let nextId = 1
  let isClosed = false
  let backend: Promise<BackendChoice> | undefined

  function call<T>(name: EngineCallName, input: unknown, control: EngineControl = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (isClosed) return reject(new EngineError('ABORTED', 'the engine is closed: the server is shutting down'))
      if (control.signal?.aborted) return reject(aborted())
      const entry: Call = {
        id: nextId++,
        name,
        input,
        control,
        resolve: (result) => resolve(result as T),
        reject,
        release: () => control.signal?.removeEventListener('abort', onAbort),
      }
      const onAbort = () => cancel(entry)
      control.signal?.addEventListener('abort', onAbort, { once: true })
      waiting.push(entry)
      startNext()
    })
  }

  function startNext(): void {
    if (active || waiting.length === 0) {
      if (!active) worker?.unref()
      return
    }
    active = waiting.shift() as Call
    worker ??= startWorker()
    // A thread at work keeps the process alive, an idle one does not.
    worker.ref()
    post({ kind: 'call', id: active.id, name: active.name, input: active.input })
  }

  function post(request: EngineRequest): void {
    try {
      worker?.postMessage(request)
    } catch (error) {
      finish((entry) => entry.reject(error as Error))
    }
  }

  function finish(settle: (entry: Call) => void): void {
    const entry = active
    if (!entry) return
    active = undefined
    entry.release()
    settle(entry)
    startNext()
  }

  function cancel(entry: Call): void {
    const at = waiting.indexOf(entry)
    if (at >= 0) {
      waiting.splice(at, 1)
      entry.release()
      entry.reject(aborted())
      return
    }
    if (active !== entry) return
    post({ kind: 'cancel', id: entry.id })
    setTimeout(() => {
      if (active !== entry) return
      dropWorker()
      finish((stuck) => stuck.reject(aborted()))
    }, CANCEL_GRACE_MS).unref()
  }

  function startWorker(): Worker {
    const started = new Worker(new URL('./engine-thread-start.mjs', import.meta.url))
    started.on('message', (reply: EngineReply) => {
      if (reply.id !== active?.id) return
      if (reply.kind === 'progress') return active.control.onProgress?.(reply.progress)
      if (reply.kind === 'checkpoint') return active.control.onCheckpoint?.(reply.bytes)
      finish((entry) => (reply.kind === 'result' ? entry.resolve(reply.result) : entry.reject(errorOf(reply))))
    })
    const onEnd = (error: Error) => {
      if (worker !== started) return
      worker = undefined
      finish((entry) => entry.reject(error))
    }
    started.on('error', onEnd)
    started.on('exit', (code) =>
      onEnd(new Error(`the engine's thread ended in the middle of a call: exit code ${code}`)),
    )
    return started
  }

  function dropWorker(): Promise<number> | undefined {
    const dropped = worker
    worker = undefined
    return dropped?.terminate()
  }

  return {
    cluster: (input, control) => call('cluster', input, control),
    place: (input, control) => call('place', input, control),
    train: (input, control) => call('train', input, control),
    choose: (input, control) => call('choose', input, control),
    evaluate: (input, control) => call('evaluate', input, control),
    neighbours: (input, control) => call('neighbours', input, control),
    trainRecognition: (input, control) => call('trainRecognition', input, control),
    embed: (input, control) => call('embed', input, control),
    backend() {
      backend ??= call<BackendChoice>('backend', undefined).catch((error) => {
        backend = undefined
        throw error
      })
      return backend
    },
    async close() {
      isClosed = true
      const ended = dropWorker()
      for (const entry of [...(active ? [active] : []), ...waiting.splice(0)]) {
        entry.release()
        entry.reject(aborted())
      }
      active = undefined
      await ended
    },
  }
}

const aborted = () => new EngineError('ABORTED', 'the computation was cancelled')

function errorOf({ error }: Extract<EngineReply, { kind: 'error' }>): Error {
  const { message, stack, code } = error
  const restored = code ? new EngineError(code, message) : new Error(message)
  if (stack) restored.stack = stack
  return restored
}
