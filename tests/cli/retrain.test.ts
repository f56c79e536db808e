import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { readLabels } from '../../src/cli/label-files.ts'
import { syntheticVectors } from '../engine/recognition/synthetic-pictures.ts'
import { run } from './run-in-process.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'tributary-retrain-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (...names: string[]) => path.join(folder, ...names)
const bytes = (values: Float32Array | Int32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)

/** Ten labelled identities of six rows, ten without labels. */
const { samples, labels } = syntheticVectors(20, 6, 12, 3, 0.7)
const vectors = samples.data as Float32Array
writeFileSync(at('known.f32'), bytes(vectors.slice(0, 60 * 12)))
writeFileSync(at('known.i32'), bytes(labels.slice(0, 60)))
writeFileSync(at('more.f32'), bytes(vectors.slice(60 * 12)))
const vectorFiles = ['--features', at('known.f32'), '--dim', '12', '--labels', at('known.i32')]
const more = ['--unlabelled-features', at('more.f32')]

/** What a retraining leaves behind, without the seconds. */
const results = (out: string) =>
  [
    'recognition.weights',
    'embeddings.f32',
    'pseudo-labels.i32',
    'first/recognition.weights',
    'first/model.weights',
  ].map((file) => readFileSync(path.join(out, file)))

describe('tributary retrain', () => {
  it('learns from folders of pictures, and leaves behind what embed, cluster and evaluate work with', async () => {
    const shapes = (c: number, i: number) =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><rect width="24" height="24" fill="rgb(${(c * 53) % 256},${(c * 101) % 256},${(c * 197) % 256})"/><circle cx="${6 + 3 * i}" cy="12" r="${2 + (c % 4)}" fill="white"/></svg>`
    for (let c = 0; c < 16; c++) {
      const home = c < 8 ? at('labelled', `c${c}`) : at('unlabelled', c % 2 ? 'a/b' : '.')
      mkdirSync(home, { recursive: true })
      for (let i = 0; i < 4; i++) writeFileSync(path.join(home, `${c}-${i}.svg`), shapes(c, i))
    }
    writeFileSync(at('unlabelled', 'broken.png'), 'no picture')
    writeFileSync(at('unlabelled', 'notes.txt'), 'not looked at')
    const pictures = ['--images', at('labelled'), '--unlabelled-images', at('unlabelled'), '--edge', '12']
    const { status, json, err } = await run(
      'retrain',
      ...pictures,
      '--steps',
      '40',
      '--head',
      'softmax',
      '--out',
      at('p'),
      '--json',
    )
    expect(err).toBe('')
    expect(status).toBe(0)
    expect(json).toMatchObject({
      labelled: { images: 32, identities: 8 },
      dimension: 128,
      unreadable: [{ file: 'broken.png', problem: expect.stringContaining('can not be used') }],
      isResumed: false,
      seconds: { read_pictures: expect.any(Number), train_first: expect.any(Number), train_final: expect.any(Number) },
    })
    expect(json.pseudo.images + json.pseudo.dropped).toBe(32)
    const lines = readFileSync(at('p', 'rows.csv'), 'utf8').trim().split('\n')
    expect(lines).toHaveLength(65)
    expect(lines[0]).toBe('row,file,label,pseudo_label')
    expect(lines[1]).toBe(`0,${at('labelled')}/c0/0-0.svg,c0,`)
    const pseudo = await readLabels(at('p', 'pseudo-labels.i32'), 64)
    expect(pseudo.subarray(0, 32).every((label) => label === -1)).toBe(true)
    expect(lines[64]).toBe(`63,${at('unlabelled')}/a/b/9-3.svg,,${pseudo[63] < 0 ? '' : pseudo[63]}`)
    expect(existsSync(at('p', 'steps'))).toBe(false)

    // Embedding the same pictures again gives the rows that are there already.
    const embedded = await run(
      'embed',
      '--model',
      at('p'),
      '--images',
      at('labelled'),
      '--out',
      at('again.f32'),
      '--json',
    )
    expect(embedded.json).toMatchObject({ rows: 32, cols: 128 })
    expect(readFileSync(at('again.f32'))).toEqual(readFileSync(at('p', 'embeddings.f32')).subarray(0, 32 * 128 * 4))
    const clustered = await run(
      'cluster',
      '--features',
      at('p', 'first', 'embeddings.f32'),
      '--dim',
      '128',
      '--model',
      at('p', 'first'),
      '--out',
      at('clusters.i32'),
      '--json',
    )
    expect(clustered.json.rows).toBe(64)
  }, 180_000)

  it('killed in the middle of an epoch, goes on to the same bytes as one that was never stopped', async () => {
    const args = (out: string) => ['retrain', ...vectorFiles, ...more, '--steps', '500', '--out', at(out)]
    expect((await run(...args('straight'))).status).toBe(0)
    const child = spawn(process.execPath, ['bin/tributary.mjs', ...args('killed')], { stdio: 'ignore' })
    const exited = once(child, 'exit')
    while (!existsSync(at('killed', 'steps', 'final.checkpoint')) && child.exitCode === null) await wait(10)
    child.kill('SIGKILL')
    expect(await exited).toEqual([null, 'SIGKILL'])
    expect(readdirSync(at('killed'))).toEqual(['steps'])
    const { status, json } = await run(...args('killed'), '--json')
    expect(status).toBe(0)
    expect(json.isResumed).toBe(true)
    expect(json.seconds).not.toHaveProperty('train_first')
    expect(json.seconds).toHaveProperty('train_final')
    expect(results(at('killed'))).toEqual(results(at('straight')))
  }, 240_000)

  it.skipIf(!existsSync('/dev/full'))(
    'on a full disk says so, keeps what is there, and goes on when there is room',
    async () => {
      mkdirSync(at('full', 'steps'), { recursive: true })
      writeFileSync(at('full', 'recognition.weights'), 'the former model')
      symlinkSync('/dev/full', at('full', 'steps', 'first.checkpoint.part'))
      const args = ['retrain', ...vectorFiles, ...more, '--steps', '150', '--out', at('full')]
      const { status, err } = await run(...args)
      expect(err).toBe(
        `error: ${at('full')} cannot be written: its disk is full: free space, then run the same command again; finished steps are kept\n`,
      )
      expect(status).toBe(2)
      expect(readFileSync(at('full', 'recognition.weights'), 'utf8')).toBe('the former model')
      // What was half written is gone.
      expect(readdirSync(at('full', 'steps'))).toEqual(['of.json'])
      expect((await run(...args)).status).toBe(0)
      expect(readFileSync(at('full', 'recognition.weights')).length).toBeGreaterThan(1000)
    },
    120_000,
  )

  it('refuses in one sentence, with status 2, what nothing can be learnt from, and leaves no model', async () => {
    const write = (name: string, values: number[]) => {
      writeFileSync(at(name), `${values.join('\n')}\n`)
      return at(name)
    }
    const known = Array.from(labels.subarray(0, 60))
    const withLabels = (file: string) => ['--features', at('known.f32'), '--dim', '12', '--labels', file, ...more]
    const broken = vectors.slice(0, 60 * 12)
    broken[25] = Number.NaN
    writeFileSync(at('nan.f32'), bytes(broken))
    const huge = vectors.slice(60 * 12)
    const most = huge.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    // Finite themselves, but their sums are not.
    writeFileSync(at('huge.f32'), bytes(huge.map((value) => (value / most) * 3.3e38)))
    mkdirSync(at('flat'), { recursive: true })
    writeFileSync(at('flat', 'x.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    mkdirSync(at('empty'))
    for (const [args, message] of [
      [
        withLabels(
          write(
            'two.txt',
            known.map((label) => (label < 2 ? label : -1)),
          ),
        ),
        /at least 4 labelled identities: got 2/,
      ],
      [
        withLabels(
          write(
            'one.txt',
            known.map(() => 7),
          ),
        ),
        /at least 4 labelled identities: got 1/,
      ],
      [
        withLabels(
          write(
            'alone.txt',
            known.map((_, i) => i),
          ),
        ),
        /task labelled must have a class of 2 samples or more: got 60 samples/,
      ],
      [vectorFiles, /needs samples without a label to learn from: got 0 of 60/],
      [
        ['--features', at('nan.f32'), '--dim', '12', '--labels', at('known.i32')],
        /nan\.f32 must hold finite numbers: got NaN in row 2/,
      ],
      [
        ['--features', at('huge.f32'), '--dim', '12', '--labels', at('known.i32'), ...more],
        /must stay finite: .*; lower the learning rate/,
      ],
      [[], /--images with --unlabelled-images, or --features with --labels, must be given: one of the two/],
      [['--images', at('flat')], /--unlabelled-images is needed beside --images/],
      [
        ['--images', at('flat'), '--unlabelled-images', at('flat')],
        /flat must hold one folder a label: x\.svg lies outside of any/,
      ],
      [['--images', at('empty'), '--unlabelled-images', at('flat')], /empty must hold pictures .*: got none/],
      [['--images', at('none'), '--unlabelled-images', at('flat')], /no such folder: .*none/],
      [['--features', at('known.f32'), '--dim', '12'], /--labels is needed beside --features/],
      [[...vectorFiles, ...more, '--head', 'hat'], /--head must be one of cosface, arcface, softmax: got hat/],
      [[...vectorFiles, ...more, '--min-probability', '2'], /--min-probability must be a number from 0 to 1: got 2/],
    ] as const) {
      const { status, err } = await run('retrain', ...args, '--steps', '20', '--out', at('never'))
      expect(err).toMatch(message)
      expect(err.trim().split('\n')).toHaveLength(1)
      expect(status).toBe(2)
      rmSync(at('never', 'steps'), { recursive: true, force: true })
    }
    expect(existsSync(at('never', 'recognition.weights'))).toBe(false)
    expect((await run('embed', '--model', at('never'), '--images', at('flat'), '--out', at('x.f32'))).err).toMatch(
      /no recognition model at .*never/,
    )
  }, 60_000)

  it('refuses clusters that are all too small, and steps of other data or options', async () => {
    const args = ['retrain', ...vectorFiles, ...more, '--steps', '20', '--out', at('small')]
    const { status, err } = await run(...args, '--min-size', '50')
    expect(err).toMatch(
      /at least 2 clusters of 50 samples or more: [A-Z_]+ gave 0 among 60 unlabelled samples.*confirm more/,
    )
    expect(status).toBe(2)
    expect((await run(...args)).err).toMatch(
      /small\/steps holds steps of a retraining on other data or with other options/,
    )
  }, 60_000)
})
