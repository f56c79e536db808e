import * as tf from '@tensorflow/tfjs-core'
import { disposeParameters, type Parameters, toParameters, toWeightArrays, type WeightArrays } from './parameters.ts'

export interface OptimiserOptions {
  readonly kind: 'sgd' | 'adam'
  readonly learningRate: number
  /** Of SGD. Default 0.9. */
  readonly momentum?: number
  /** L2: added to every gradient, biases and slopes included, as torch does. Default 0. */
  readonly weightDecay?: number
  /**
   * Shares of all steps at which the rate is divided by 10, ascending. Default none.
   */
  readonly milestones?: readonly number[]
  /** Instead of milestones: what the rate is multiplied by at a share of all steps. */
  readonly schedule?: (progress: number) => number
}

/** What an optimiser remembers between steps, so that a training can go on where it stopped. */
export interface OptimiserMemory {
  readonly steps: number
  readonly first: WeightArrays
  /** Empty for SGD. */
  readonly second: WeightArrays
}

export interface Optimiser {
  /** Replaces every parameter; old tensors and the gradients are disposed of. */
  step(parameters: Parameters, gradients: Parameters, progress: number): void
  memory(): OptimiserMemory
  dispose(): void
}

const ADAM_BETA1 = 0.9
const ADAM_BETA2 = 0.999
const ADAM_EPSILON = 1e-8

/**
 * SGD with momentum as in torch (v = m v + g, p = p - lr v), or Adam.
 *
 * @param progress of `step`: the share of all steps done before this one, 0..1
 * @param from goes on with this memory
 */
export function createOptimiser(options: OptimiserOptions, from?: OptimiserMemory): Optimiser {
  const { kind, learningRate, momentum = 0.9, weightDecay = 0, milestones = [] } = options
  const { schedule = (progress) => 0.1 ** milestones.filter((share) => progress >= share).length } = options
  const first: Parameters = toParameters(from?.first ?? {})
  const second: Parameters = toParameters(from?.second ?? {})
  let steps = from?.steps ?? 0

  function replace(slot: Parameters, name: string, value: tf.Tensor): tf.Tensor {
    slot[name]?.dispose()
    slot[name] = value
    return value
  }

  function move(name: string, gradient: tf.Tensor, rate: number): tf.Tensor {
    const held = first[name]
    if (kind === 'sgd') {
      const velocity = replace(
        first,
        name,
        tf.keep(held ? tf.add(tf.mul(held, momentum), gradient) : tf.clone(gradient)),
      )
      return tf.mul(velocity, rate)
    }
    const mean = tf.mul(gradient, 1 - ADAM_BETA1)
    const spread = tf.mul(tf.square(gradient), 1 - ADAM_BETA2)
    const m = replace(first, name, tf.keep(held ? tf.add(tf.mul(held, ADAM_BETA1), mean) : mean))
    const v = replace(second, name, tf.keep(second[name] ? tf.add(tf.mul(second[name], ADAM_BETA2), spread) : spread))
    const scale = rate * (Math.sqrt(1 - ADAM_BETA2 ** steps) / (1 - ADAM_BETA1 ** steps))
    return tf.mul(tf.div(m, tf.add(tf.sqrt(v), ADAM_EPSILON)), scale)
  }

  return {
    step(parameters, gradients, progress) {
      steps++
      const rate = learningRate * schedule(progress)
      for (const name of Object.keys(parameters)) {
        const next = tf.tidy(() => {
          const raw = gradients[name]
          const gradient = weightDecay === 0 ? raw : tf.add(raw, tf.mul(parameters[name], weightDecay))
          return tf.keep(tf.sub(parameters[name], move(name, gradient, rate)))
        })
        parameters[name].dispose()
        parameters[name] = next
      }
      disposeParameters(gradients)
    },
    memory: () => ({ steps, first: toWeightArrays(first), second: toWeightArrays(second) }),
    dispose() {
      disposeParameters(first)
      disposeParameters(second)
    },
  }
}
