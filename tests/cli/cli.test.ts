import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { readFeatures } from '../../src/cli/feature-files.ts'
import { readLabels, writeLabels } from '../../src/cli/label-files.ts'
import { blobs } from '../engine/support/data.ts'
import { run } from './run-in-process.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'tributary-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => path.join(folder, name)
const bytes = (values: Float32Array | Int32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)

for (const [name, seed] of [
  ['train', 1],
  ['test', 2],
] as const) {
  const { features, labels } = blobs({ classes: 12, each: 10, d: 16, noise: 0.35, seed })
  writeFileSync(at(`${name}.f32`), bytes(features.data))
  writeFileSync(at(`${name}.i32`), bytes(labels))
}

describe('the command line', () => {
  it('trains, clusters and evaluates files', async () => {
    const trained = await run(
      'train',
      '--features',
      at('train.f32'),
      '--dim',
      '16',
      '--labels',
      at('train.i32'),
      '--method',
      'gcn-ve',
      '--out',
      at('model'),
      '--json',
    )
    expect(trained.status).toBe(0)
    expect(trained.json).toMatchObject({ images: 120, identities: 12, seconds: { knn: expect.any(Number) } })
    const clustered = await run(
      'cluster',
      '--features',
      at('test.f32'),
      '--dim',
      '16',
      '--method',
      'gcn-ve',
      '--model',
      at('model'),
      '--out',
      at('labels.i32'),
      '--json',
    )
    expect(clustered.json).toMatchObject({
      rows: 120,
      clusters: expect.any(Number),
      seconds: { gcn_ve: expect.any(Number) },
      parameters: { tau: expect.any(Number) },
    })
    expect(clustered.json.peakBytes).toBeGreaterThan(1e6)
    const scored = await run('evaluate', '--pred', at('labels.i32'), '--labels', at('test.i32'), '--json')
    expect(scored.json).toMatchObject({
      pairwise: { f: expect.any(Number) },
      bcubed: { precision: expect.any(Number) },
      n: 120,
      classes: 12,
    })
    expect(scored.json.bcubed.f).toBeGreaterThan(0.8)
    const people = await run('evaluate', '--pred', at('labels.i32'), '--labels', at('test.i32'))
    expect(people.out).toMatch(/pairwise +\d+\.\d +\d+\.\d +\d+\.\d\n.*BCubed/)
  }, 180_000)

  it('trains among rows whose label is below 0, and says how many kept company', async () => {
    const labels = await readLabels(at('train.i32'), 120)
    writeFileSync(at('partly.i32'), bytes(labels.map((label) => (label < 5 ? label : -1)) as Int32Array))
    const args = ['--features', at('train.f32'), '--dim', '16', '--labels', at('partly.i32')]
    const trained = await run('train', ...args, '--method', 'gcn-v', '--epochs', '1', '--out', at('partly'), '--json')
    expect(trained.json).toMatchObject({ images: 50, identities: 5, company: 70 })
  }, 180_000)

  it('compares methods and ablates, for people, machines and documents', async () => {
    const files = [
      '--train-features',
      at('train.f32'),
      '--train-labels',
      at('train.i32'),
      '--test-features',
      at('test.f32'),
      '--test-labels',
      at('test.i32'),
      '--dim',
      '16',
    ]
    const compared = await run('compare', ...files, '--methods', 'auto,infomap,k-means,gcn-v', '--seeds', '2', '--json')
    const rows = compared.json.rows as { method: string; title: string; meanF: number; seeds: number; note?: string }[]
    expect(rows.map(({ title }) => title).sort()).toEqual([
      'GCN-V',
      'GCN-V, raw graph',
      'Infomap',
      'K-means',
      'K-means, mini-batches',
      'auto',
      'auto without labels',
    ])
    expect(rows.map(({ meanF }) => meanF)).toEqual([...rows.map(({ meanF }) => meanF)].sort((a, b) => b - a))
    expect(rows.find(({ method }) => method === 'K_MEANS')).toMatchObject({
      note: 'told the true number of clusters',
      seeds: 1,
    })
    expect(compared.json.choices).toHaveLength(2)
    const resumable = ['compare', ...files, '--methods', 'threshold', '--seeds', '1', '--resume', at('parts')]
    const markdown = await run(...resumable, '--markdown')
    // What has been kept is not computed again: the seconds are the same to the last digit.
    expect((await run(...resumable, '--markdown')).out).toBe(markdown.out)
    expect((await run(...resumable, '--json')).json.rows[0]).toMatchObject({ method: 'THRESHOLD', seeds: 1 })
    expect(markdown.out).toMatch(/^\| method \| parameters \|.*\n\| --- \| ---: \|/)
    const ablated = await run('ablate', ...files, '--k', '9', '--connectivity-k', '15', '--plot', at('curves.svg'))
    expect(ablated.out).toMatch(/s_nbr\^F.*\n[\s\S]*rho = 0\.3[\s\S]*candidate sets off/)
    expect(readFileSync(at('curves.svg'), 'utf8')).toMatch(/^<svg [\s\S]*polyline[\s\S]*<\/svg>\n$/)
  }, 240_000)

  it('says what is wrong in one sentence, with status 2, and writes nothing', async () => {
    const cluster = (...more: string[]) => run('cluster', '--out', at('never.i32'), ...more)
    for (const [args, message] of [
      [['--features', at('none.f32'), '--dim', '16'], /^error: no such file: .*none\.f32\n$/],
      [['--features', at('test.f32')], /--dim is needed/],
      [
        ['--features', at('test.f32'), '--dim', '17'],
        /whole rows of 17 float32 values: got 7680 bytes.*is --dim right\?/,
      ],
      [['--features', at('test.f32'), '--dim', 'x'], /--dim must be a whole number of at least 1: got x/],
      [
        ['--features', at('test.f32'), '--dim', '16', '--method', 'magic'],
        /--method must be one of auto, gcn-v, .*got magic/,
      ],
      [['--features', at('test.f32'), '--dim', '16', '--method', 'gcn-v'], /GCN_V needs a trained model/],
      [['--features', at('test.f32'), '--dim', '16', '--model', at('nowhere')], /no model at .*nowhere/],
      [['--features', at('test.f32'), '--dim', '16', '--set', 'tau'], /--set must be name=value: got tau/],
      [
        ['--features', at('test.f32'), '--dim', '16', '--method', 'threshold', '--set', 'tau=3'],
        /tau must be a number, -1 to 1: got 3/,
      ],
    ] as const) {
      const { status, err } = await cluster(...args)
      expect(err).toMatch(message)
      expect(status).toBe(2)
    }
    await expect(readFeatures(at('never.i32'), 4)).rejects.toThrow(/no such file/)
    expect((await run('train')).status).toBe(2)
    expect((await run('--help')).status).toBe(0)
  }, 30_000)

  it('reads and writes every format of labels and features, and names the line that is wrong', async () => {
    const labels = Int32Array.from([3, -1, 2_000_000_000])
    for (const name of ['l.i32', 'l.npy', 'l.meta']) {
      await writeLabels(at(name), labels)
      expect(await readLabels(at(name), 3)).toEqual(labels)
      await expect(readLabels(at(name), 4)).rejects.toThrow(/one label a row: got 3, expected 4/)
    }
    writeFileSync(at('bad.meta'), '1\n2\nx\n')
    await expect(readLabels(at('bad.meta'))).rejects.toThrow(/bad\.meta, line 3 must be an integer: got "x"/)
    const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.padEnd(117)
    const head = Buffer.concat([
      Buffer.from('\u0093NUMPY\u0001\u0000', 'latin1'),
      Buffer.from([118, 0]),
      Buffer.from(`${header}\n`),
    ])
    const npy = Buffer.concat([head, bytes(Float32Array.from([1, 2, 3, 4, 5, 6]))])
    writeFileSync(at('x.npy'), npy)
    expect(await readFeatures(at('x.npy'), undefined)).toEqual({
      data: Float32Array.from([1, 2, 3, 4, 5, 6]),
      rows: 2,
      cols: 3,
    })
    await expect(readFeatures(at('x.npy'), 4)).rejects.toThrow(/--dim must fit .*got 4, expected 3/)
    writeFileSync(at('cut.npy'), npy.subarray(0, npy.length - 4))
    await expect(readFeatures(at('cut.npy'), undefined)).rejects.toThrow(/cut short/)
    writeFileSync(at('fake.npy'), 'hello, world')
    await expect(readFeatures(at('fake.npy'), undefined)).rejects.toThrow(/must be an \.npy file/)
  })

  it('is the program `tributary` of the package', async () => {
    const { stdout } = await promisify(execFile)('node', ['bin/tributary.mjs', 'cluster', '--help'])
    expect(stdout).toMatch(/Usage: tributary cluster[\s\S]*Examples:/)
  }, 30_000)
})
