import { Worker } from 'node:worker_threads'
import type { EmbeddedSubject, Embedder, EmbedderHost, EmbedderSpec, ModelFacts } from '../services/embedder-port.ts'
import { DomainError } from '../services/errors.ts'
import type { CropBox, ImageCodec } from '../services/ports.ts'
import type { EmbedderCallName, EmbedderCalls, EmbedderReply, RawPicture } from './embedder-messages.ts'

/** Longest edge of a picture that faces are looked for in: small faces are still about 40 pixels wide. */
const FACE_SEARCH_EDGE = 1024
/** A box around a face is often tight; the detector wants to see the head. */
const FACE_MARGIN = 0.3
/** Models that stay loaded. */
const MAX_MODELS = 2

/** A call that takes longer hangs, and costs its thread: a model may hold a loop that never ends. */
const CALL_LIMIT_MS = 10 * 60_000

export const FACE_EMBEDDER_ID = 'face-api'

interface Pending {
  resolve(result: unknown): void
  reject(error: Error): void
}

/** The thread of embedders: starts with the first call, keeps the process alive only while it has work. */
function openThread() {
  const pending = new Map<number, Pending>()
  let worker: Worker | undefined
  let nextId = 1

  function fail(error: Error): void {
    for (const { reject } of pending.values()) reject(error)
    pending.clear()
  }

  function start(): Worker {
    const started = new Worker(new URL('./embedder-thread-start.mjs', import.meta.url))
    started.on('message', (reply: EmbedderReply) => {
      const call = pending.get(reply.id)
      pending.delete(reply.id)
      if (pending.size === 0) started.unref()
      if ('result' in reply) return call?.resolve(reply.result)
      const { message, stack, isRefusal } = reply.error
      const error = isRefusal ? new DomainError('INVALID', message) : new Error(message)
      if (stack) error.stack = stack
      call?.reject(error)
    })
    const onEnd = (error: Error) => {
      if (worker !== started) return
      worker = undefined
      fail(error)
    }
    started.on('error', onEnd)
    started.on('exit', (code) =>
      onEnd(new Error(`the thread of embedders ended in the middle of a call: exit code ${code}`)),
    )
    return started
  }

  function call<Name extends EmbedderCallName>(
    name: Name,
    input: EmbedderCalls[Name]['input'],
  ): Promise<EmbedderCalls[Name]['output']> {
    return new Promise((resolve, reject) => {
      worker ??= start()
      worker.ref()
      const id = nextId++
      const limit = setTimeout(() => {
        const stuck = worker
        worker = undefined
        fail(new DomainError('INVALID', `the embedder gave no answer within ${CALL_LIMIT_MS / 60_000} minutes`))
        void stuck?.terminate()
      }, CALL_LIMIT_MS).unref()
      const settle =
        <Value>(then: (value: Value) => void) =>
        (value: Value) => {
          clearTimeout(limit)
          then(value)
        }
      pending.set(id, { resolve: settle(resolve as Pending['resolve']), reject: settle(reject) })
      worker.postMessage({ id, name, input })
    })
  }

  return {
    call,
    isRunning: () => worker !== undefined,
    async close() {
      const ended = worker
      worker = undefined
      fail(new Error('the embedder is closed: the server is shutting down'))
      await ended?.terminate()
    },
  }
}

/** A box with some of what is around it, and where the box lies in that. */
function withMargin(box: CropBox): CropBox {
  const left = Math.max(0, box.x - FACE_MARGIN * box.width)
  const top = Math.max(0, box.y - FACE_MARGIN * box.height)
  return {
    x: left,
    y: top,
    width: Math.min(1, box.x + (1 + FACE_MARGIN) * box.width) - left,
    height: Math.min(1, box.y + (1 + FACE_MARGIN) * box.height) - top,
  }
}

function toUnitLength(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return vector.map((value) => value / length)
}

type Outcome = Awaited<ReturnType<Embedder['embed']>>[number]

/** Decodes what can be decoded; the others keep the words of their refusal. */
async function decodeAll<Decoded>(
  pictures: Parameters<Embedder['embed']>[0],
  decode: (picture: (typeof pictures)[number]) => Promise<Decoded>,
): Promise<(Decoded | { problem: string })[]> {
  return Promise.all(
    pictures.map((picture) =>
      decode(picture).catch((error) => {
        if (error instanceof DomainError) return { problem: error.message }
        throw error
      }),
    ),
  )
}

const isProblem = (value: object): value is { problem: string } => 'problem' in value

/** Runs face-api and models of teams in one thread of their own; pictures are decoded here, by `images`. */
export function openEmbedderHost(images: ImageCodec): EmbedderHost {
  const thread = openThread()
  const models = new Map<string, Promise<ModelFacts>>()

  const faces: Embedder = {
    id: FACE_EMBEDDER_ID,
    dimension: 128,
    subject: 'face',
    async embed(pictures, signal) {
      const decoded = await decodeAll(pictures, async ({ bytes, box }) => ({
        picture: await images.pixels(bytes, { maxEdge: FACE_SEARCH_EDGE }, box && withMargin(box)),
        isCrop: box !== undefined,
      }))
      const outcomes: Outcome[] = []
      for (const one of decoded) {
        signal?.throwIfAborted()
        if (isProblem(one)) outcomes.push(one)
        else {
          const [found = []] = await thread.call('embedFaces', [one])
          outcomes.push(
            found.map(({ vector, box }): EmbeddedSubject => ({ vector: toUnitLength(vector), ...(box && { box }) })),
          )
        }
      }
      return outcomes
    },
  }

  function loadModel({ modelVersionId: id, load }: EmbedderSpec & { kind: 'model' }): Promise<ModelFacts> {
    if (!thread.isRunning()) models.clear()
    const loading =
      models.get(id) ??
      load()
        .then((bundle) => thread.call('loadModel', { id, bundle }))
        .catch((error) => {
          models.delete(id)
          throw error
        })
    // The one used last is the last to go.
    models.delete(id)
    models.set(id, loading)
    for (const old of [...models.keys()].slice(0, -MAX_MODELS)) {
      models.delete(old)
      void thread.call('dropModel', { id: old }).catch(() => {})
    }
    return loading
  }

  async function openModel(spec: EmbedderSpec & { kind: 'model' }): Promise<Embedder> {
    const { modelVersionId } = spec
    const { dimension, width, height } = await loadModel(spec)
    return {
      id: `model:${modelVersionId}`,
      dimension,
      async embed(pictures, signal) {
        const decoded = await decodeAll(pictures, ({ bytes, box }) => images.pixels(bytes, { width, height }, box))
        signal?.throwIfAborted()
        const usable = decoded.filter((one): one is RawPicture => !isProblem(one))
        await loadModel(spec)
        const vectors = await thread.call('embedModel', { id: modelVersionId, pictures: usable })
        const byPicture = new Map(usable.map((picture, i) => [picture, vectors[i] as Float32Array]))
        return decoded.map((one): Outcome => {
          if (isProblem(one)) return one
          const vector = byPicture.get(one) as Float32Array
          return vector.length > 0
            ? [{ vector }]
            : { problem: 'the model gives this picture no vector with a direction' }
        })
      },
    }
  }

  return {
    async open(spec) {
      if (spec.kind === 'model') return openModel(spec)
      await thread.call('loadFaces', undefined)
      return faces
    },
    inspect: (bundle) => thread.call('inspectModel', bundle),
    close: () => thread.close(),
  }
}
