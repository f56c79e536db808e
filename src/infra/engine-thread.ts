import { type MessagePort, parentPort, type TransferListItem } from 'node:worker_threads'
import {
  type AcrossSpacesInput,
  type ClusterInput,
  type Control,
  chooseAcrossSpaces,
  chooseBackend,
  clusterVertices,
  EngineError,
  type EvaluationInput,
  embedSamples,
  evaluateModel,
  knn,
  type Matrix,
  type PlacementInput,
  type Progress,
  placeVertices,
  type RecognitionInput,
  type RecognitionModel,
  type Samples,
  type TrainingInput,
  trainClusteringModel,
  trainRecognition,
} from '../engine/index.ts'
import type { EngineCallName, EngineReply, EngineRequest } from './engine-messages.ts'

/** The thread that the engine computes in: one call at a time, answered by one result or one error. */

const MS_BETWEEN_PROGRESS = 250

const calls: Record<EngineCallName, (input: never, control: Control) => Promise<unknown>> = {
  cluster: (input: ClusterInput, control) => clusterVertices(input, control),
  place: (input: PlacementInput, control) => placeVertices(input, control),
  train: (input: TrainingInput, control) => trainClusteringModel(input, control),
  choose: (input: AcrossSpacesInput, control) => chooseAcrossSpaces(input, control),
  evaluate: (input: EvaluationInput, control) => evaluateModel(input, control),
  neighbours: ({ x, k }: { x: Matrix; k: number }, control) => knn(x, k, control),
  trainRecognition: (input: RecognitionInput, control) => trainRecognition(input, control),
  embed: (input: { model: RecognitionModel; samples: Samples }, control) =>
    embedSamples(input.model, input.samples, control),
  backend: () => chooseBackend(),
}

if (!parentPort) throw new Error('engine-thread.ts runs as a worker thread only: start it through engine-runner.ts')
serve(parentPort)

function serve(port: MessagePort): void {
  const running = new Map<number, AbortController>()
  port.on('message', async (request: EngineRequest) => {
    if (request.kind === 'cancel') {
      running.get(request.id)?.abort()
      return
    }
    const { id, name, input } = request
    const controller = new AbortController()
    running.set(id, controller)
    try {
      const control: Control = {
        signal: controller.signal,
        onProgress: throttled((progress) => reply({ kind: 'progress', id, progress })),
        onCheckpoint: (bytes) => reply({ kind: 'checkpoint', id, bytes }, buffersOf(bytes)),
        now: () => performance.now(),
        rss: () => process.memoryUsage.rss(),
      }
      const result = await calls[name](input as never, control)
      reply({ kind: 'result', id, result }, buffersOf(result))
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error))
      const code = error instanceof EngineError ? error.code : undefined
      reply({ kind: 'error', id, error: { message, stack, code } })
    } finally {
      running.delete(id)
    }
  })

  function reply(message: EngineReply, transfer: TransferListItem[] = []): void {
    port.postMessage(message, transfer)
  }
}

/** At most four a second, but always the last of a phase and the first of the next. */
function throttled(send: (progress: Progress) => void): (progress: Progress) => void {
  let lastMs = Number.NEGATIVE_INFINITY
  let phase = ''
  return (progress) => {
    const now = performance.now()
    const isLast = progress.completed === progress.total
    if (now - lastMs < MS_BETWEEN_PROGRESS && progress.phase === phase && !isLast) return
    lastMs = now
    phase = progress.phase
    send(progress)
  }
}

/** Every buffer of a result, so that it moves instead of being copied. */
function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer)
  } else if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) buffersOf(part, found)
  }
  return [...found]
}
