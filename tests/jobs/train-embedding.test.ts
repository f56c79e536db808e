import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { recoverLostJobs } from '../../src/jobs/run-job.ts'
import type { App } from '../../src/services/app.ts'
import { DomainError } from '../../src/services/errors.ts'
import { openTestApp, type TestApp } from '../support/app.ts'
import { NUISANCE, nuisanceItems } from '../support/nuisance-items.ts'
import { quickEngine } from '../support/quick-engine.ts'
import { handlers, openTrainingProject, type TrainingLine } from '../support/training-project.ts'

const DIMENSION = NUISANCE.signal + NUISANCE.noise

let t: TestApp
afterEach(() => t?.close())

/** A training of an embedding model that waits for a worker. */
async function openTraining(
  lines: TrainingLine[],
  embedding: Parameters<Awaited<ReturnType<typeof openTrainingProject>>['start']>[1],
) {
  const opened = await openTrainingProject(t, { ...t.app, engine: quickEngine(t.app.engine) }, lines, DIMENSION)
  const { jobId } = await opened.start('EMBEDDING', embedding)
  return { ...opened, jobId }
}

/** `classes` identities of which the first ones have a label. */
const vectorLines = (classes: number, labelled: number, perClass = 5): TrainingLine[] =>
  nuisanceItems({ classes, perClass }).map(({ externalKey, truth, embedding }, i) => ({
    externalKey,
    embedding,
    ...(i < labelled * perClass && { label: truth }),
  }))

describe('a training of an embedding model', () => {
  it('whose worker is killed in the middle of an epoch goes on from its checkpoint, and leaves no file behind', async () => {
    t = await openTestApp({ works: false })
    const p = await openTraining(vectorLines(34, 22), { steps: 260 })
    // The worker dies without a word: nothing of the job's own clean-up runs.
    const died = new Error('killed')
    const steps: number[] = []
    const dying: App = {
      ...p.app,
      engine: {
        ...p.app.engine,
        trainRecognition: (input, control) =>
          new Promise((resolve, reject) => {
            const isFinal = input.tasks.length === 2
            p.app.engine
              .trainRecognition(input, {
                ...control,
                onCheckpoint: (bytes) => {
                  control?.onCheckpoint?.(bytes)
                  if (isFinal) setTimeout(() => reject(died), 200)
                },
              })
              .then(resolve, reject)
          }),
      },
    }
    await p.run(p.jobId, dying)
    const { files } = (await p.job(p.jobId)).checkpoint as { files: Record<string, string> }
    expect(Object.keys(files).sort()).toEqual(
      ['choice', 'clustering', 'clusters', 'final.checkpoint', 'first', 'first.checkpoint', 'items'].sort(),
    )
    expect(await p.models()).toEqual([])
    await p.app.prisma.job.update({
      where: { projectId_id: { projectId: p.projectId, id: p.jobId } },
      data: { state: 'RUNNING', heartbeatAt: new Date(0), startedAt: new Date(0) },
    })
    expect(await recoverLostJobs(p.app, handlers, new Set())).toBe(1)
    const looking: App = {
      ...p.app,
      engine: {
        ...p.app.engine,
        trainRecognition: (input, control) => {
          steps.push(input.tasks.length, input.checkpoint?.length ?? 0)
          return p.app.engine.trainRecognition(input, control)
        },
      },
    }
    await p.run(p.jobId, looking)
    expect(await p.job(p.jobId)).toMatchObject({ state: 'SUCCEEDED', failure: null })
    // Only the second training, and not from its beginning.
    expect(steps).toEqual([2, expect.any(Number)])
    expect(steps[1]).toBeGreaterThan(1000)
    const [model] = await p.models()
    expect(model).toMatchObject({ number: 1, target: 'EMBEDDING', state: expect.stringMatching(/EVALUATED|REJECTED/) })
    // Which identities are held out follows from their ids, and so does what the gate says: a rejected model gets no space.
    expect(await p.spaces()).toHaveLength(model?.state === 'EVALUATED' ? 2 : 1)
    expect((await p.project()).activeSpaceId).toBe(p.activeSpaceId)
    for (const fileKey of Object.values(files)) expect(await p.app.files.sizeOf(fileKey)).toBeUndefined()
  })

  it('on a full disk fails with a sentence, and the active space and model stay', async () => {
    t = await openTestApp({ works: false })
    const p = await openTraining(vectorLines(34, 22), { steps: 150 })
    let written = 0
    const full: App = {
      ...p.app,
      files: {
        ...p.app.files,
        put: async (content) => {
          if (++written > 2)
            throw new DomainError('LIMIT_EXCEEDED', 'the disk of the file store is full: free space, then repeat')
          return p.app.files.put(content)
        },
      },
    }
    const before = await p.project()
    await p.run(p.jobId, full)
    expect(await p.job(p.jobId)).toMatchObject({
      state: 'FAILED',
      failure: 'LIMIT_EXCEEDED: the disk of the file store is full: free space, then repeat',
    })
    expect(await p.models()).toEqual([])
    expect(await p.spaces()).toHaveLength(1)
    expect(await p.project()).toEqual(before)
  })

  it.each([
    [
      'too few identities',
      vectorLines(20, 6),
      /training needs at least 10 identities with embeddings beside the frozen hold-out/,
    ],
    ['one identity alone', vectorLines(20, 1), /training needs at least 10 identities with embeddings/],
    [
      'nothing without a label',
      vectorLines(22, 22),
      /needs items without an identity: every item with embeddings is in dataset version/,
    ],
    [
      'identities of one item each',
      vectorLines(60, 40, 1),
      /task labelled must have a class of 2 samples or more: got \d+ samples, each a class of its own/,
    ],
  ])('is refused with a sentence for %s, and changes nothing', async (_name, lines, message) => {
    t = await openTestApp({ works: false })
    const p = await openTraining(lines, { steps: 20 })
    await p.run(p.jobId)
    const { state, failure } = await p.job(p.jobId)
    expect(state).toBe('FAILED')
    expect(failure).toMatch(message)
    expect(await p.models()).toEqual([])
    expect((await p.project()).activeSpaceId).toBe(p.activeSpaceId)
  })

  it('fails with a sentence when all clusters are singletons, or when its weights are no longer numbers', async () => {
    t = await openTestApp({ works: false })
    const p = await openTraining(vectorLines(34, 22), { steps: 20 })
    const before = await p.project()
    const alone: App = {
      ...p.app,
      engine: {
        ...p.app.engine,
        cluster: async (input, control) => {
          const result = await p.app.engine.cluster(input, control)
          return { ...result, labels: Int32Array.from(result.labels.keys()), parent: result.parent.map(() => -1) }
        },
      },
    }
    await p.run(p.jobId, alone)
    expect(await p.job(p.jobId)).toMatchObject({
      state: 'FAILED',
      failure: expect.stringMatching(
        /at least 2 clusters of 2 samples or more: .* gave 0 among \d+ unlabelled samples.*confirm more identities first/,
      ),
    })
    // Finite themselves, but their sums are not.
    const huge: App = {
      ...p.app,
      engine: {
        ...p.app.engine,
        trainRecognition: (input, control) => {
          const data = Float32Array.from(input.samples.data, (value) => value * 5e37)
          return p.app.engine.trainRecognition({ ...input, samples: { ...input.samples, data } }, control)
        },
      },
    }
    const { jobId } = await p.start('EMBEDDING', { steps: 200 })
    await p.run(jobId, huge)
    expect(await p.job(jobId)).toMatchObject({
      state: 'FAILED',
      failure: expect.stringMatching(/the training must stay finite: got .*; lower the learning rate/),
    })
    expect(await p.models()).toEqual([])
    expect(await p.spaces()).toHaveLength(1)
    expect(await p.project()).toEqual(before)
  })

  it('learns from pictures where items have no vectors', async () => {
    t = await openTestApp({ works: false })
    const folder = path.join(t.folder, 'pictures')
    mkdirSync(folder)
    const colours = Array.from({ length: 24 }, (_, c) => [(c * 53) % 256, (c * 101) % 256, (c * 197) % 256])
    const lines: TrainingLine[] = []
    for (const [c, [r, g, b]] of colours.entries()) {
      for (let i = 0; i < 3; i++) {
        const name = `${c}-${i}.png`
        const shapes = `<rect width="40" height="40" fill="rgb(${r},${g},${b})"/><circle cx="${8 + 6 * i}" cy="20" r="${3 + (c % 5)}" fill="white"/>`
        const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">${shapes}</svg>`
        writeFileSync(path.join(folder, name), await sharp(Buffer.from(svg)).png().toBuffer())
        lines.push({ externalKey: name, image: `pictures/${name}`, ...(c < 18 && { label: `c${c}` }) })
      }
    }
    const p = await openTraining(lines, { steps: 30 })
    await p.run(p.jobId)
    expect(await p.job(p.jobId)).toMatchObject({ state: 'SUCCEEDED', failure: null })
    const [model] = await p.models()
    expect(model?.summary).toMatchObject({ looksAt: { kind: 'pictures', edge: 32 } })
    const [, space] = await p.spaces()
    await p.run(space?.jobId as string)
    const { projectId } = p
    expect(await p.app.prisma.embedding.count({ where: { projectId, spaceId: space?.id } })).toBe(lines.length)
  })
})
