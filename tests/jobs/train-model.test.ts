import { afterEach, expect, it } from 'vitest'
import type { EvaluationInput, TrainingInput } from '../../src/engine/index.ts'
import { createRng } from '../../src/engine/rng.ts'
import type { App } from '../../src/services/app.ts'
import { activeHoldoutOf } from '../../src/services/model-versions.ts'
import { activateModel } from '../../src/services/training-runs.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { NUISANCE, nuisanceItems } from '../support/nuisance-items.ts'
import { openTrainingProject, type TrainingLine } from '../support/training-project.ts'

const DIMENSION = NUISANCE.signal + NUISANCE.noise

let t: TestApp
afterEach(() => t?.close())

/** Names dealt out anew among the rows that have one. */
function shuffleNames(labels: Int32Array): Int32Array {
  const rows = Int32Array.from(labels.keys()).filter((row) => (labels[row] as number) >= 0)
  const names = createRng(1).shuffle(rows.map((row) => labels[row] as number))
  const shuffled = Int32Array.from(labels)
  rows.forEach((row, i) => {
    shuffled[row] = names[i] as number
  })
  return shuffled
}

/** Classes of which the first ones have a label. */
const linesOf = (classes: number, perClass: number, labelled = classes): TrainingLine[] =>
  nuisanceItems({ classes, perClass }).map(({ externalKey, truth, embedding }, i) => ({
    externalKey,
    embedding,
    ...(i < labelled * perClass && { label: truth }),
  }))

it('the gate refuses a clustering model that is worse on the frozen hold-out, and the active one stays', async () => {
  t = await openTestApp({ works: false })
  const p = await openTrainingProject(t, t.app, linesOf(46, 4, 40), DIMENSION)
  const train = async (by: App) => {
    const { jobId } = await p.start('CLUSTERING')
    await p.run(jobId, by)
    expect(await p.job(jobId)).toMatchObject({ state: 'SUCCEEDED', failure: null })
    return (await p.models()).at(-1) as Awaited<ReturnType<typeof p.models>>[number]
  }
  const activate = (id: string) => activateModel(p.app, p.viewer, { projectId: p.projectId, id, idempotencyKey: key() })

  const measured: EvaluationInput[] = []
  const learnt: TrainingInput[] = []
  const good = await train({
    ...p.app,
    engine: {
      ...p.app.engine,
      train: (input, control) => {
        learnt.push(input)
        return p.app.engine.train(input, control)
      },
      evaluate: (input, control) => {
        measured.push(input)
        return p.app.engine.evaluate(input, control)
      },
    },
  })
  // The hold-out is measured among all items of the project, by the new model and as runs do without one.
  expect(measured.map(({ model, features }) => [model !== undefined, features.rows])).toEqual([
    [true, 46 * 4],
    [false, 46 * 4],
  ])
  const held = measured[0]?.labels.filter((label) => label >= 0) ?? []
  expect(held.length).toBe(4 * new Set(held).size)
  expect(held.length).toBeLessThan(40 * 4)
  // Methods are chosen in the company of what has no label; the hold-out is in neither.
  const [training] = learnt as [TrainingInput]
  expect(training).toMatchObject({ inCompany: true, features: { rows: 46 * 4 - held.length } })
  expect(training.labels.filter((label) => label < 0)).toHaveLength(6 * 4)
  expect(training.labels.some((label) => held.includes(label))).toBe(false)
  expect(good).toMatchObject({ number: 1, target: 'CLUSTERING', state: 'EVALUATED' })
  await activate(good.id)

  // The same training on names that are dealt out anew: all of it is real, and what it learns is wrong.
  const misled: App = {
    ...p.app,
    engine: {
      ...p.app.engine,
      train: (input, control) => p.app.engine.train({ ...input, labels: shuffleNames(input.labels) }, control),
    },
  }
  const worse = await train(misled)
  const meanF = ({ holdout }: typeof good) => {
    const { pairwiseF, bcubedF } = holdout as unknown as Record<'pairwiseF' | 'bcubedF', { value: number }>
    return (pairwiseF.value + bcubedF.value) / 2
  }
  expect(worse).toMatchObject({ number: 2, state: 'REJECTED' })
  // Both were measured on the same identities.
  expect(activeHoldoutOf(worse)).toEqual(good.holdout)
  expect(meanF(worse)).toBeLessThan(meanF(good))
  await expect(activate(worse.id)).rejects.toMatchObject({
    code: 'INVALID_STATE',
    message: expect.stringContaining('measured worse than the active one'),
  })
  expect((await p.project()).activeModelId).toBe(good.id)

  // As good is not worse: it may be activated, and the former one taken back.
  const again = await train(p.app)
  expect(again).toMatchObject({ number: 3, state: 'EVALUATED' })
  await activate(again.id)
  expect((await p.project()).activeModelId).toBe(again.id)
  await activate(good.id)
  expect((await p.models()).map(({ state }) => state)).toEqual(['ACTIVE', 'REJECTED', 'ARCHIVED'])
}, 400_000)

it.each([
  [
    'too few identities',
    linesOf(8, 5),
    /training needs at least 10 identities with embeddings beside the frozen hold-out/,
  ],
  ['identities of one item each', linesOf(60, 1), /4 identities/],
])(
  'a clustering model is not trained on %s: a sentence says why, and the active model stays',
  async (_name, lines, message) => {
    t = await openTestApp({ works: false })
    const p = await openTrainingProject(t, t.app, lines, DIMENSION)
    const before = await p.project()
    const { jobId } = await p.start('CLUSTERING')
    await p.run(jobId)
    const { state, failure } = await p.job(jobId)
    expect(state).toBe('FAILED')
    expect(failure).toMatch(message)
    expect(await p.models()).toEqual([])
    expect(await p.project()).toEqual(before)
  },
)
