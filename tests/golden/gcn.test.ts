import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { chooseBackend } from '../../src/engine/gcn/backend.ts'
import { candidateSets, subgraphBatch } from '../../src/engine/gcn/candidate-sets.ts'
import { gcnEForward, gcnEPredict, gcnEStep } from '../../src/engine/gcn/gcn-e.ts'
import { gcnVInput, gcnVPredict, gcnVStep } from '../../src/engine/gcn/gcn-v.ts'
import { createOptimiser } from '../../src/engine/gcn/optimiser.ts'
import { disposeParameters, toParameters, toWeightArrays } from '../../src/engine/gcn/parameters.ts'
import { normalizeRows } from '../../src/engine/knn/normalize-rows.ts'
import { treePartition } from '../../src/engine/partition/tree-partition.ts'
import { expectClose, golden, hasGolden, matrix, samePartition, weightsOf, withoutSelf } from './golden.ts'

describe.skipIf(!hasGolden)('networks against the released code', () => {
  beforeAll(async () => {
    await chooseBackend()
  })

  describe('GCN-V', () => {
    const reference = hasGolden ? golden('gcnv') : undefined
    const load = async () => {
      const graph = golden('knn')
      const x = normalizeRows(matrix(golden('input').features))
      return gcnVInput(x, withoutSelf(graph.nbrs, graph.dists))
    }

    it('aggregates and predicts the same', async () => {
      const input = await load()
      const half = input.cols / 2
      const aggregate = Float32Array.from({ length: input.rows * half }, (_, i) => {
        return input.data[Math.floor(i / half) * input.cols + half + (i % half)]
      })
      expectClose(aggregate, reference.AX.flat(), 1e-5, 'A x')
      const parameters = toParameters(weightsOf(reference.weights))
      const { confidence, hidden } = await gcnVPredict(parameters, input)
      expectClose(confidence, reference.output, 1e-5, 'output')
      expectClose(hidden.data, reference.hidden_F_L.flat(), 1e-5, 'F_L')
      disposeParameters(parameters)
    })

    it('has the same loss, gradients and parameters over 20 steps of SGD', async () => {
      const { data, rows, cols } = await load()
      const before = tf.memory().numTensors
      const input = tf.tensor2d(data, [rows, cols])
      const target = tf.tensor1d(Float32Array.from(reference.target_s_nbr))
      const parameters = toParameters(weightsOf(reference.weights))
      const { lr, momentum, weight_decay: weightDecay, params_after: after } = reference.sgd
      const optimiser = createOptimiser({ kind: 'sgd', learningRate: lr, momentum, weightDecay })
      for (let step = 1; step <= 20; step++) {
        const { loss, gradients } = gcnVStep(parameters, input, target)
        const expectedLoss = reference.sgd.loss_before_step_1_to_20_then_final[step - 1]
        expectClose(loss.dataSync(), [expectedLoss], 1e-4, `loss before step ${step}`)
        if (step === 1) expectAllClose(toWeightArrays(gradients), weightsOf(reference.grads), 1e-4)
        loss.dispose()
        optimiser.step(parameters, gradients, (step - 1) / 20)
        if (after[step]) expectAllClose(toWeightArrays(parameters), weightsOf(after[step]), step === 20 ? 1e-3 : 1e-4)
      }
      optimiser.dispose()
      disposeParameters(parameters)
      tf.dispose([input, target])
      expect(tf.memory().numTensors).toBe(before)
    })
  })

  describe('GCN-E', () => {
    const reference = hasGolden ? golden('gcne') : undefined
    const setsFor = (ignoreRatio: number) => {
      const features = matrix(reference.features_F_L_l2norm)
      const lists = withoutSelf(reference.nbrs, reference.dists)
      const confidence = Float32Array.from(reference.confidence as number[])
      return candidateSets(lists, features, confidence, { rho: 1 - ignoreRatio, ties: 'never' })
    }

    it('cuts the same subgraphs and predicts the same log-probabilities', () => {
      const parameters = toParameters(weightsOf(reference.weights))
      for (const [ratio, record] of entries(reference.ignore_ratio)) {
        const sets = setsFor(Number(ratio))
        expect(sets.vertices.length).toBe(record.n_subgraphs)
        for (const subgraph of record.subgraphs) {
          const batch = subgraphBatch(sets, Int32Array.of(subgraph.i))
          expect([...batch.nodes]).toEqual(subgraph.nbrs)
          const got = gcnEForward(parameters, batch)
          expectClose(
            got,
            subgraph.log_prob.map((row: number[]) => row[1]),
            1e-5,
            `subgraph ${subgraph.i}`,
          )
        }
      }
      disposeParameters(parameters)
    })

    it('has the same mean loss and gradients', () => {
      const parameters = toParameters(weightsOf(reference.weights))
      const record = reference.ignore_ratio['0.0'] ?? reference.ignore_ratio['0']
      const sets = setsFor(0)
      const centres = Int32Array.from(record.subgraphs.slice(0, 8).map(({ i }: { i: number }) => i))
      const before = tf.memory().numTensors
      const { loss, gradients } = gcnEStep(
        parameters,
        subgraphBatch(sets, centres),
        Int32Array.from(golden('input').labels),
      )
      expectClose(loss.dataSync(), [record.first8_mean_loss], 1e-5, 'loss')
      expectAllClose(toWeightArrays(gradients), weightsOf(record.first8_mean_loss_grads), 1e-4)
      loss.dispose()
      disposeParameters(gradients)
      expect(tf.memory().numTensors).toBe(before)
      disposeParameters(parameters)
    })

    it('chooses the same candidates and ends in the same partitions', async () => {
      const parameters = toParameters(weightsOf(reference.weights))
      const confidence = Float32Array.from(reference.confidence as number[])
      for (const [ratio, record] of entries(reference.ignore_ratio)) {
        const sets = setsFor(Number(ratio))
        const { preferred } = await gcnEPredict(parameters, sets)
        const whole = treePartition(sets.lists, confidence, { tau: -1, ties: 'never', preferred })
        expect([...whole.parent], `ignore ratio ${ratio}`).toEqual(record.peak)
        for (const [tau, expected] of entries(record.labels)) {
          const { labels } = treePartition(sets.lists, confidence, { tau: Number(tau), ties: 'never', preferred })
          expect(samePartition(labels, expected), `ignore ratio ${ratio}, tau ${tau}`).toBe(true)
        }
      }
      disposeParameters(parameters)
    })
  })
})

// biome-ignore lint/suspicious/noExplicitAny: the shape is whatever the reference wrote
const entries = (object: object): [string, any][] => Object.entries(object)

function expectAllClose(
  got: ReturnType<typeof toWeightArrays>,
  expected: ReturnType<typeof weightsOf>,
  tolerance: number,
): void {
  expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort())
  for (const name of Object.keys(expected)) expectClose(got[name].data, expected[name].data, tolerance, name)
}
