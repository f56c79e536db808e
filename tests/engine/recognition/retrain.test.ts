import { describe, expect, it } from 'vitest'
import {
  chooseAcrossSpaces,
  clusterVertices,
  embeddingHead,
  embedSamples,
  identificationScores,
  type RetrainInput,
  type RetrainMemory,
  type RetrainSteps,
  retrain,
  selectSamples,
  trainRecognition,
} from '../../../src/engine/index.ts'
import { standInModel } from '../support/stand-in-model.ts'
import { syntheticVectors } from './synthetic-pictures.ts'

/** The engine's own steps; the clustering model is a stand-in, and clusters come from the map equation. */
const steps: RetrainSteps = {
  trainRecognition,
  embed: ({ model, samples }, control) => embedSamples(model, samples, control),
  train: async ({ features, embedderId }) =>
    ({ model: standInModel(features.cols, embedderId) }) as Awaited<ReturnType<RetrainSteps['train']>>,
  choose: (given, control) => chooseAcrossSpaces({ ...given, contenders: ['INFOMAP', 'THRESHOLD'] }, control),
  cluster: ({ model: _, ...input }, control) =>
    clusterVertices({ ...input, method: 'INFOMAP', parameters: { k: 5 } }, control),
}

/** Ten labelled identities, ten without labels. */
function input(change: Partial<RetrainInput> = {}): RetrainInput & { truth: Int32Array } {
  const { samples, labels } = syntheticVectors(20, 6, 12, 3, 0.7)
  return {
    samples,
    truth: labels,
    labels: labels.map((label) => (label < 10 ? label : -1)),
    shape: embeddingHead(12, 12, 24),
    recipe: { steps: 24, batchSize: 24, evaluateEvery: 8 },
    seed: 4,
    ...change,
  }
}

function inMemory(onSave: (name: string) => void = () => {}): RetrainMemory & { files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>()
  return {
    files,
    load: async (name) => files.get(name)?.slice(),
    save: async (name, bytes) => {
      onSave(name)
      files.set(name, bytes.slice())
    },
  }
}

describe('retraining on labels and pseudo-labels', () => {
  it('goes through its four steps and says what it did', async () => {
    const phases = new Set<string>()
    const given = input()
    const { pseudo, first, final, report } = await retrain(given, steps, {
      onProgress: ({ phase }) => phases.add(phase),
    })
    expect([...phases].filter((phase) => /^(train|embed)/.test(phase))).toEqual([
      'train_first',
      'embed_labelled',
      // Halves of the labelled identities, to choose by what clusters.
      'train_half',
      'embed_half',
      'embed_unlabelled',
      'train_final',
    ])
    expect(report.labelled).toEqual({ images: 60, identities: 10, heldOutIdentities: 2 })
    expect(report.pseudo.images + report.pseudo.dropped).toBe(60)
    expect(report.epochs.map(({ task }) => task)).toEqual(['labelled', 'pseudo-labelled'])
    expect(report.sentence).toMatch(/^Learnt from 60 labelled samples of 10 identities and \d+ pseudo-labelled ones/)
    // Labelled samples have no pseudo-label, and no cluster mixes many identities on data this easy.
    expect(pseudo.subarray(0, 60).every((label) => label === -1)).toBe(true)
    expect(report.pseudo.classes).toBeGreaterThan(5)
    expect(final).not.toEqual(first)
  })

  it('gives the same model again for the same seed, and another for another', async () => {
    const first = await retrain(input(), steps)
    expect(await retrain(input(), steps)).toEqual(first)
    expect((await retrain(input({ seed: 5 }), steps)).final).not.toEqual(first.final)
  })

  it('without enough identities to hold any out, trains to the end', async () => {
    const given = input()
    const few = given.labels.map((label) => (label < 5 ? label : -1))
    const { report } = await retrain({ ...given, labels: few }, steps)
    expect(report.labelled.heldOutIdentities).toBe(0)
    expect(report.heldOut).toBeUndefined()
  })

  it('killed anywhere, it goes on from what it remembers to the same model', async () => {
    const straight = await retrain(input(), steps, {}, inMemory())
    const memory = inMemory()
    const dieAt: [string, number][] = [
      ['train_first', 10],
      ['embed_labelled', 1],
      ['train_final', 10],
      ['train_final', 22],
    ]
    for (const [phase, completed] of dieAt) {
      const killed = new AbortController()
      const run = retrain(
        input(),
        steps,
        {
          signal: killed.signal,
          onProgress: (progress) => {
            if (progress.phase === phase && progress.completed >= completed) killed.abort()
          },
        },
        memory,
      )
      if (phase === 'embed_labelled') await run.catch(() => {})
      else await expect(run, `${phase} ${completed}`).rejects.toMatchObject({ code: 'ABORTED' })
    }
    expect([...memory.files.keys()]).toContain('final.checkpoint')
    const done: string[] = []
    const resumed = await retrain(input(), steps, { onProgress: ({ phase }) => done.push(phase) }, memory)
    expect(resumed).toEqual(straight)
    expect(done).not.toContain('train_first')
    // From step 16 on: the checkpoint after it is the last one before the kill.
    expect(done.filter((phase) => phase === 'train_final')).toHaveLength(8)
  })

  it('a full disk stops it at once with the error of the disk, and nothing half written stays', async () => {
    const full = new Error('the disk is full')
    const seen: string[] = []
    const memory = inMemory((name) => {
      seen.push(name)
      if (name === 'final.checkpoint') throw full
    })
    let last = 0
    const run = retrain(
      input({ recipe: { steps: 400, batchSize: 24, evaluateEvery: 8 }, heldOutShare: 0 }),
      steps,
      {
        onProgress: ({ phase, completed }) => {
          if (phase === 'train_final') last = completed
        },
      },
      memory,
    )
    await expect(run).rejects.toBe(full)
    expect(last).toBeLessThan(40)
    expect(seen.at(-1)).toBe('final.checkpoint')
    expect(memory.files.has('final')).toBe(false)
  })
})

describe('what retraining refuses', () => {
  const refused = (change: Partial<RetrainInput>, message: RegExp, by = steps) =>
    expect(retrain(input(change), by)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringMatching(message),
    })
  const { labels } = input()

  it('too few identities', () =>
    refused({ labels: labels.map((l) => (l < 2 ? l : -1)) }, /at least 4 labelled identities: got 2/))
  it('one class', () =>
    refused({ labels: labels.map((l) => (l < 0 ? l : 0)) }, /at least 4 labelled identities: got 1/))
  it('nothing without a label', () => refused({ labels: input().truth }, /samples without a label.*got 0 of 120/))
  it('labelled samples that are all alone', () =>
    refused({ labels: labels.map((l, i) => (l < 0 ? l : i)) }, /task labelled must have a class of 2 samples/))

  it('clusters of which each is a singleton', () =>
    refused({}, /at least 2 clusters of 2 samples or more: .* gave 0 among 60 unlabelled samples.*confirm more/, {
      ...steps,
      cluster: async (given, control) => {
        const result = await steps.cluster(given, control)
        return { ...result, labels: Int32Array.from(result.labels.keys()), parent: result.parent.map(() => -1) }
      },
    }))

  it('labels for other samples', async () => {
    await expect(retrain(input({ labels: new Int32Array(3) }), steps)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' })
  })
})

describe('pseudo-labels of a good clustering', () => {
  it('make the model better on identities that nobody has seen', async () => {
    const { samples, labels } = syntheticVectors(70, 6, 24, 5, 1.1)
    const known = labels.map((label) => (label < 6 ? label : label < 50 ? -1 : -2))
    const seen = Int32Array.from(labels.keys()).filter((row) => known[row] > -2)
    const unseen = Int32Array.from(labels.keys()).filter((row) => known[row] === -2)
    const { first, final } = await retrain(
      {
        samples: selectSamples(samples, seen),
        labels: seen.map((row) => known[row]),
        shape: embeddingHead(24, 16, 48),
        recipe: { steps: 150, batchSize: 48, evaluateEvery: 50, head: { kind: 'softmax' } },
        heldOutShare: 0,
        seed: 1,
      },
      {
        ...steps,
        // As good as a clustering can be, so that the test is of the training alone.
        cluster: async (given, control) => {
          const result = await steps.cluster(given, control)
          const truth = seen.filter((row) => known[row] === -1).map((row) => labels[row])
          return { ...result, labels: truth }
        },
      },
    )
    const score = async (model: typeof first) => {
      const embeddings = await embedSamples(model, selectSamples(samples, unseen))
      const none = { data: new Float32Array(0), rows: 0, cols: embeddings.cols }
      return identificationScores(
        embeddings,
        unseen.map((row) => labels[row]),
        none,
      ).tarAtFar['0.01']
    }
    expect(await score(final)).toBeGreaterThan((await score(first)) + 0.05)
  })
})
