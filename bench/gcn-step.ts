import * as tf from '@tensorflow/tfjs-core'
import { chooseBackend } from '../src/engine/gcn/backend.ts'
import type { SubgraphBatch } from '../src/engine/gcn/candidate-sets.ts'
import { gcnEStep, initGcnE } from '../src/engine/gcn/gcn-e.ts'
import { gcnVStep, initGcnV } from '../src/engine/gcn/gcn-v.ts'
import { toParameters } from '../src/engine/gcn/parameters.ts'
import { createRng } from '../src/engine/rng.ts'
import { cpuSeconds } from './clock.ts'

/** The shapes that bench/peers.py gives torch. */
const V = { batch: 2048, features: 256, hidden: 512 }
const E = { graphs: 64, size: 80, features: 512, convolutions: [512, 512, 256, 256] } as const

/** CPU seconds of one loss-and-gradients of each network on random data, the best of `runs`, after one to warm up. */
export async function timeGcnSteps(runs: number): Promise<{ gcnV: number; gcnE: number; backend: string }> {
  const backend = await chooseBackend()
  return { gcnV: best(gcnVRun(), runs), gcnE: best(gcnERun(), runs), backend: backend.name }
}

function gcnVRun(): () => void {
  const parameters = toParameters(initGcnV(V, 1))
  const x = tf.tensor2d(noise(V.batch * 2 * V.features, 2), [V.batch, 2 * V.features])
  const target = tf.tensor1d(noise(V.batch, 3))
  return () => {
    const { loss, gradients } = gcnVStep(parameters, x, target)
    loss.dataSync()
    tf.dispose([loss, gradients])
  }
}

function gcnERun(): () => void {
  const parameters = toParameters(initGcnE({ ...E, convolutions: [...E.convolutions], loss: 'nll' }, 1))
  const { graphs, size, features } = E
  const adjacency = noise(graphs * size * size, 4).map((value) => Math.abs(value) / size)
  const batch: SubgraphBatch = {
    centres: Int32Array.from({ length: graphs }, (_, s) => s),
    size,
    nodes: Int32Array.from({ length: graphs * size }, (_, row) => row % 50),
    features: noise(graphs * size * features, 5),
    adjacency,
    transposed: adjacency,
  }
  const labels = Int32Array.from({ length: graphs * size }, (_, v) => v % 7)
  return () => {
    const { loss, gradients } = gcnEStep(parameters, batch, labels)
    loss.dataSync()
    tf.dispose([loss, gradients])
  }
}

function best(run: () => void, runs: number): number {
  run()
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    const start = cpuSeconds()
    run()
    least = Math.min(least, cpuSeconds() - start)
  }
  return least
}

function noise(length: number, seed: number): Float32Array {
  const rng = createRng(seed)
  return Float32Array.from({ length }, () => 2 * rng.next() - 1)
}
