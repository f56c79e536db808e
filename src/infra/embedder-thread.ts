import { parentPort } from 'node:worker_threads'
import { embedFaces, FACE_DIMENSION, loadFaces } from './embed-faces.ts'
import { dropModel, embedWithModel, inspectModel, loadModel } from './embed-with-model.ts'
import type { EmbedderCallName, EmbedderCalls, EmbedderReply, EmbedderRequest } from './embedder-messages.ts'
import { UnusableModel } from './unusable-model.ts'

/** The thread that pictures are embedded in: one call at a time. */

type Implementation = {
  [Name in EmbedderCallName]: (input: EmbedderCalls[Name]['input']) => Promise<EmbedderCalls[Name]['output']>
}

const calls: Implementation = {
  loadFaces: async () => {
    await loadFaces()
    return { dimension: FACE_DIMENSION }
  },
  loadModel: ({ id, bundle }) => loadModel(id, bundle),
  dropModel: async ({ id }) => {
    dropModel(id)
    return undefined
  },
  inspectModel: (bundle) => inspectModel(bundle),
  embedFaces: async (pictures) => {
    const found: EmbedderCalls['embedFaces']['output'] = []
    for (const { picture, isCrop } of pictures) found.push(await embedFaces(picture, isCrop))
    return found
  },
  embedModel: ({ id, pictures }) => embedWithModel(id, pictures),
}

if (!parentPort) throw new Error('embedder-thread.ts runs as a worker thread only: start it through embedder-host.ts')
const port = parentPort
let last: Promise<void> = Promise.resolve()
port.on('message', (request: EmbedderRequest) => {
  last = last.then(() => answer(request))
})

async function answer({ id, name, input }: EmbedderRequest): Promise<void> {
  const reply = (message: EmbedderReply) => port.postMessage(message)
  try {
    reply({ id, result: await calls[name](input as never) })
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    reply({ id, error: { message, stack, isRefusal: error instanceof UnusableModel } })
  }
}
