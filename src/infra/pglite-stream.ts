import { Duplex } from 'node:stream'
import type { Worker } from 'node:worker_threads'

/** Messages between the stream and the thread that runs PGlite. */
export type ToThread =
  | { op: 'query'; id: number; message: Uint8Array }
  | { op: 'reset' }
  | { op: 'dump' }
  | { op: 'close' }
export type FromThread =
  | { op: 'ready' }
  | { op: 'data'; id: number; data: Uint8Array }
  | { op: 'dump'; data: Uint8Array }
  | { op: 'closed' }

const TERMINATE = 'X'.charCodeAt(0)
let streams = 0

/**
 * A pg "socket" whose peer is a PGlite in a worker thread. It cuts the byte stream into whole protocol messages: the first
 * (startup) has no type byte.
 */
export class PgliteStream extends Duplex {
  readonly #id = ++streams
  #pending: Buffer = Buffer.alloc(0)
  #isStarted = false
  #isTerminated = false
  readonly #listen: (message: FromThread) => void
  readonly #onExit = () => this.destroy(this.stopped())

  /** @param stopped why the thread no longer runs; undefined while it does. */
  constructor(
    readonly thread: Worker,
    readonly stopped: () => Error | undefined,
  ) {
    super()
    this.#listen = (message) => {
      if (message.op === 'data' && message.id === this.#id) this.push(Buffer.from(message.data))
    }
    thread.on('message', this.#listen)
    thread.on('exit', this.#onExit)
  }

  // What pg expects of a net.Socket.
  connect(): this {
    process.nextTick(() => (this.stopped() ? this.#onExit() : this.emit('connect')))
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#pending = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk
    for (;;) {
      const head = this.#isStarted ? 5 : 4
      if (this.#pending.length < head) break
      const length = this.#isStarted ? 1 + this.#pending.readInt32BE(1) : this.#pending.readInt32BE(0)
      if (this.#pending.length < length) break
      const isTerminate = this.#isStarted && this.#pending[0] === TERMINATE
      const message = new Uint8Array(this.#pending.subarray(0, length))
      this.#pending = this.#pending.subarray(length)
      this.#isStarted = true
      if (isTerminate) {
        this.#reset()
        this.push(null)
      } else {
        this.thread.postMessage({ op: 'query', id: this.#id, message } satisfies ToThread, [message.buffer])
      }
    }
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.thread.off('message', this.#listen)
    this.thread.off('exit', this.#onExit)
    this.#reset()
    done(error)
  }

  /** PGlite has one session, which the next client takes over: Terminate must not reach it, nor a transaction outlive its client. */
  #reset(): void {
    if (this.#isStarted && !this.#isTerminated) this.thread.postMessage({ op: 'reset' } satisfies ToThread)
    this.#isTerminated = true
  }
}
