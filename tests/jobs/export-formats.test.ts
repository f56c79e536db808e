import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { tableFromIPC } from 'apache-arrow'
import { readParquet } from 'parquet-wasm/node'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ExportFormat } from '../../src/generated/prisma/client.ts'
import { freezeDataset } from '../../src/jobs/freeze-dataset.ts'
import type { JobHandler } from '../../src/jobs/implement-job.ts'
import { writeExport } from '../../src/jobs/write-export.ts'
import type { DatasetRow } from '../../src/services/dataset-manifest.ts'
import { createDatasetVersion } from '../../src/services/dataset-versions.ts'
import { identityLabel } from '../../src/services/export-format.ts'
import { EXPORT_WRITERS } from '../../src/services/export-formats.ts'
import { createExport } from '../../src/services/exports.ts'
import { newId } from '../../src/services/id.ts'
import { collect } from '../../src/services/import-file.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { importer, picture } from '../support/imports.ts'

/** Python reads what we wrote without a line of ours; where there is none, those tests say so. */
const hasPython = spawnSync('python3', ['--version']).status === 0

let t: TestApp
let i: ReturnType<typeof importer>
let projectId: string
let versionId: string

const both = { x: 0, y: 0, width: 0.5, height: 1 }
const items = [
  { externalKey: 'anna/1 "quoted", ü', image: 'red.png', label: 'anna', embedding: [1, 0], metadata: { age: 3 } },
  { externalKey: '=2+2', image: 'blue.png', label: 'anna', embedding: [0.6, 0.8] },
  { externalKey: 'left', image: 'pair.png', box: both, label: 'anna', embedding: [0.8, 0.6] },
  { externalKey: 'right', image: 'pair.png', box: { ...both, x: 0.5 }, label: 'bert\n/..', embedding: [0, 1] },
  { externalKey: 'vector', label: 'bert\n/..', embedding: [-1, 0] },
  { externalKey: 'free', embedding: [0, -1] },
]
const labelled = items.filter(({ label }) => label)
const pictured = labelled.filter(({ image }) => image)
const byKey = <Row extends { externalKey: string }>(rows: readonly Row[]) =>
  new Map(rows.map((row) => [row.externalKey, row]))
/** By key, as bytes: the order of the manifest. */
const sorted = [...labelled].sort((a, b) => Buffer.compare(Buffer.from(a.externalKey), Buffer.from(b.externalKey)))

async function freeze(): Promise<string> {
  const { datasetVersion, job } = await createDatasetVersion(t.app, await i.getViewer(), {
    projectId,
    identityStates: ['CONFIRMED'],
    idempotencyKey: key(),
  })
  await i.run(projectId, job.id, freezeDataset)
  return datasetVersion.id
}

const readVersion = (id: string) =>
  t.app.prisma.datasetVersion.findUniqueOrThrow({ where: { projectId_id: { projectId, id } } })

async function begin(format: ExportFormat, includeEmbeddings = true) {
  const input = { projectId, datasetVersionId: versionId, format, includeEmbeddings, idempotencyKey: key() }
  return createExport(t.app, await i.getViewer(), input)
}

/** The files of an export, written into a folder; each is held against its size and SHA-256. */
async function download(exportId: string): Promise<string[]> {
  const folder = path.join(t.folder, exportId)
  mkdirSync(folder)
  const files = await t.app.prisma.exportFile.findMany({ where: { projectId, exportId }, orderBy: { part: 'asc' } })
  const paths: string[] = []
  for (const { name, fileKey, sha256, byteSize } of files) {
    const bytes = await collect(await t.app.files.open(fileKey))
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
    expect(BigInt(bytes.length)).toBe(byteSize)
    paths.push(path.join(folder, name))
    writeFileSync(path.join(folder, name), bytes)
  }
  return paths
}

async function exportAs(format: ExportFormat, includeEmbeddings = true) {
  const { id, jobId } = await begin(format, includeEmbeddings)
  await i.run(projectId, jobId, writeExport)
  const { job } = await i.outcome(projectId, jobId)
  return { job, files: await download(id) }
}

// biome-ignore lint/suspicious/noExplicitAny: rows of another program
function readWithPython(format: ExportFormat, files: string[]): any {
  const output = execFileSync('python3', ['tests/support/read_exports.py', format, ...files], { encoding: 'utf8' })
  return JSON.parse(output)
}

beforeAll(async () => {
  t = await openTestApp({ works: false })
  i = importer(t)
  i.place('red.png', await picture('#cc0000'))
  i.place('blue.png', await picture('#0000cc', 20, 10))
  i.place('pair.png', await picture('#00cc00', 40, 30))
  const url = i.place('items.jsonl', items.map((item) => JSON.stringify(item)).join('\n'))
  projectId = await i.makeProject(2)
  expect((await i.importFrom(url, { projectId })).job).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 0 })
  versionId = await freeze()
})
afterAll(() => t?.close())
afterEach(() => vi.restoreAllMocks())

describe('a dataset version', () => {
  it('has the same content hash as long as the content is the same, and says of which moment it is', async () => {
    const first = await readVersion(versionId)
    expect(first).toMatchObject({
      itemCount: labelled.length,
      identityCount: 2,
      contentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    const again = await readVersion(await freeze())
    expect(again.contentHash).toBe(first.contentHash)
    await i.importFrom(
      i.place('more.jsonl', JSON.stringify({ externalKey: 'new', label: 'anna', embedding: [1, 1] })),
      { projectId },
    )
    const grown = await readVersion(await freeze())
    expect(grown.contentHash).not.toBe(first.contentHash)
    expect(grown).toMatchObject({ itemCount: labelled.length + 1, ledgerRevision: first.ledgerRevision + 1 })
  })

  it('is of one moment: what is decided while its rows are read is not in it, and its revision says so', async () => {
    const { datasetVersion, job } = await createDatasetVersion(t.app, await i.getViewer(), {
      projectId,
      identityStates: ['CONFIRMED'],
      idempotencyKey: key(),
    })
    // Decided between the wish and the job: in it, and named by its revision.
    const url = i.place('late.jsonl', JSON.stringify({ externalKey: 'late', label: 'anna', embedding: [1, 1] }))
    await i.importFrom(url, { projectId })
    await i.run(projectId, job.id, freezeDataset)
    const frozen = await readVersion(datasetVersion.id)
    const { ledgerRevision } = await t.app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
    expect(frozen).toMatchObject({ itemCount: labelled.length + 2, ledgerRevision })
    expect(frozen.ledgerRevision).toBe(datasetVersion.ledgerRevision + 1)
  })
})

describe('Parquet', () => {
  it('is read by the Rust implementation of Arrow', async () => {
    const { job, files } = await exportAs('PARQUET')
    expect(job).toMatchObject({ state: 'SUCCEEDED', failure: null })
    const { readFileSync } = await import('node:fs')
    const table = tableFromIPC(readParquet(readFileSync(files[0] as string)).intoIPCStream())
    const rows = table.toArray().map((row) => row.toJSON())
    expect(rows.map((row) => row.externalKey)).toEqual(sorted.map(({ externalKey }) => externalKey))
    const wanted = byKey(items)
    for (const row of rows) {
      const item = wanted.get(row.externalKey) as (typeof items)[number]
      expect(row.identityName).toBe(item.label)
      expect(Array.from(row.embedding as Iterable<number>)).toEqual(item.embedding.map(Math.fround))
      expect(row.metadata === null ? undefined : JSON.parse(row.metadata)).toEqual(item.metadata)
      expect(row.box === null ? undefined : JSON.parse(row.box)).toEqual(item.box)
      expect(row.width > 0).toBe(item.image !== undefined)
    }
    const without = await exportAs('PARQUET', false)
    const bare = tableFromIPC(readParquet(readFileSync(without.files[0] as string)).intoIPCStream())
    expect(bare.schema.fields.map(({ name }) => name)).not.toContain('embedding')
  })
})

describe.skipIf(!hasPython)('formats that python3, if there is one, reads by itself', () => {
  it('JSONL and CSV', async () => {
    const wanted = byKey(items)
    const jsonl = readWithPython('JSONL', (await exportAs('JSONL')).files)
    expect(jsonl).toHaveLength(labelled.length)
    for (const row of jsonl) {
      const item = wanted.get(row.externalKey) as (typeof items)[number]
      expect(row).toMatchObject({
        identityName: item.label,
        source: 'HUMAN',
        metadata: item.metadata ?? null,
        box: item.box ?? null,
      })
      expect(row.embedding.map(Math.fround)).toEqual(item.embedding.map(Math.fround))
    }
    const csv = readWithPython('CSV', (await exportAs('CSV')).files)
    expect(csv).toHaveLength(labelled.length)
    for (const row of csv) {
      // A spreadsheet must not run a key as a formula.
      const item = wanted.get(row.externalKey.replace(/^'/, '')) as (typeof items)[number]
      expect(row.identityName).toBe(item.label)
      expect(row.embedding).toEqual(item.embedding.map(Math.fround))
      expect(row.metadata).toBe(item.metadata ? JSON.stringify(item.metadata) : '')
    }
    expect(csv.some(({ externalKey }: { externalKey: string }) => externalKey === "'=2+2")).toBe(true)
  })

  it('ImageFolder: one folder an identity, parts of pictures cut out', async () => {
    const rows = readWithPython('IMAGE_FOLDER', (await exportAs('IMAGE_FOLDER')).files)
    expect(rows.map((row: { externalKey: string }) => row.externalKey).sort()).toEqual(
      pictured.map(({ externalKey }) => externalKey).sort(),
    )
    for (const row of rows) expect(row.folder).toBe(row.label)
    expect(new Set(rows.map((row: { folder: string }) => row.folder)).size).toBe(2)
    const sizes = Object.fromEntries(
      rows.map((row: { externalKey: string; size: number[] }) => [row.externalKey, row.size]),
    )
    expect(sizes).toEqual({ 'anna/1 "quoted", ü': [16, 12], '=2+2': [20, 10], left: [20, 30], right: [20, 30] })
  })

  it('COCO: a picture once, its items as annotations, identities as attributes', async () => {
    const rows = readWithPython('COCO', (await exportAs('COCO')).files)
    const found = byKey(
      rows.map((row: { attributes: object }) => ({ ...row, ...row.attributes })) as {
        externalKey: string
        bbox: number[]
        file_name: string
        identityName: string
      }[],
    )
    expect(found.size).toBe(pictured.length)
    expect(found.get('left')).toMatchObject({ bbox: [0, 0, 20, 30], identityName: 'anna', category: 'item' })
    expect(found.get('right')).toMatchObject({ bbox: [20, 0, 20, 30], file_name: found.get('left')?.file_name })
    expect(found.get('=2+2')?.bbox).toEqual([0, 0, 20, 10])
  })

  it('FiftyOne: detections by picture', async () => {
    const rows = readWithPython('FIFTYONE', (await exportAs('FIFTYONE')).files)
    expect(rows).toHaveLength(pictured.length)
    const found = new Map<string, { stem: string; label: string; bounding_box: number[] }>(
      rows.map((row: { attributes: { externalKey: string } }) => [row.attributes.externalKey, row]),
    )
    expect(found.get('left')).toMatchObject({ bounding_box: [0, 0, 0.5, 1], label: expect.stringMatching(/^anna-/) })
    expect(found.get('right')?.stem).toBe(found.get('left')?.stem)
    expect(found.get('=2+2')?.bounding_box).toEqual([0, 0, 1, 1])
  })

  it('learn-to-cluster: labels, features, keys and nearest neighbours', async () => {
    const read = readWithPython('LEARN_TO_CLUSTER', (await exportAs('LEARN_TO_CLUSTER', false)).files)
    expect(read.keys).toEqual(sorted.map(({ externalKey }) => externalKey))
    expect(read.features).toEqual(sorted.map(({ embedding }) => embedding.map(Math.fround)))
    const classes = sorted.map(({ label }) => label)
    const numbers = [...new Set(classes)]
    expect(read.labels).toEqual(classes.map((label) => numbers.indexOf(label)))
    const n = sorted.length
    expect(read.shape).toEqual([n, 2, n])
    // By hand: cosines of every pair.
    sorted.forEach(({ embedding: [a = 0, b = 0] }, row) => {
      const distances = sorted.map(({ embedding: [c = 0, d = 0] }) => 1 - (a * c + b * d))
      const ids = read.neighbours.slice(row * 2 * n, row * 2 * n + n)
      const kept = read.neighbours.slice(row * 2 * n + n, (row + 1) * 2 * n)
      expect(ids[0]).toBe(row)
      expect([...ids].sort()).toEqual([...distances.keys()])
      for (const [j, id] of ids.entries()) expect(kept[j]).toBeCloseTo(distances[id] as number, 5)
      expect(kept).toEqual([...kept].sort((x: number, y: number) => x - y))
    })
  })
})

describe('an export', () => {
  it('keeps identities without a name apart, however many there are', () => {
    const row = { identityName: null } as DatasetRow
    const labels = Array.from({ length: 50_000 }, () => identityLabel({ ...row, identityId: newId() }))
    expect(new Set(labels).size).toBe(50_000)
  })

  it('of pictures comes back in as it went out', async () => {
    const [file] = (await exportAs('IMAGE_FOLDER')).files
    const back = await i.importFrom(pathToFileURL(file as string).href)
    expect(back.failed).toEqual([])
    const label = (text: string) => expect.stringMatching(new RegExp(`^${text}-[0-9a-f]{12}$`))
    expect(back.items.map(({ key: name, label, width, box }) => [name, label, width, box])).toEqual([
      ['=2+2', label('anna'), 20, null],
      ['anna/1 "quoted", ü', label('anna'), 16, null],
      ['left', label('anna'), 20, null],
      ['right', label('bert_..'), 20, null],
    ])
  })

  it('in parts goes on after the last one that was stored, and shows its files together', async () => {
    vi.spyOn(EXPORT_WRITERS.JSONL as { rowsPerPart: number }, 'rowsPerPart', 'get').mockReturnValue(2)
    const { id, jobId } = await begin('JSONL', false)
    let checkpoints = 0
    const dying: JobHandler = {
      ...writeExport,
      run: (context) =>
        writeExport.run({
          ...context,
          checkpoint: async (tx, value) => {
            await context.checkpoint(tx, value)
            if (++checkpoints === 2) throw new Error('power cut')
          },
        }),
    }
    await i.run(projectId, jobId, dying)
    expect((await i.outcome(projectId, jobId)).job).toMatchObject({ state: 'QUEUED', checkpoint: { parts: 1 } })
    expect(await t.app.prisma.exportFile.count({ where: { projectId, exportId: id } })).toBe(0)
    const put = vi.spyOn(t.app.files, 'put')
    await i.run(projectId, jobId, writeExport)
    expect(put).toHaveBeenCalledTimes(2)
    const files = await download(id)
    expect(files.map((file) => path.basename(file).replace(/^.*-(\d{4})/, '$1'))).toEqual([
      '0001.jsonl',
      '0002.jsonl',
      '0003.jsonl',
    ])
    const { readFileSync } = await import('node:fs')
    const keys = files.flatMap((file) =>
      readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).externalKey),
    )
    expect(keys).toEqual(sorted.map(({ externalKey }) => externalKey))
  })

  it('of pictures is refused where there are none, and leaves out what was erased since', async () => {
    const own = await i.makeProject(2)
    const outer = [projectId, versionId] as const
    try {
      projectId = own
      await i.importFrom(
        i.place(
          'bare.jsonl',
          ['a', 'b'].map((name) => JSON.stringify({ externalKey: name, label: 'x', embedding: [1, 0] })).join('\n'),
        ),
        { projectId },
      )
      versionId = await freeze()
      expect((await exportAs('COCO')).job.failure).toMatch(
        /^INVALID_STATE: COCO needs pictures: no item of version .* has one; take JSONL/,
      )
      await t.app.prisma.item.updateMany({ where: { projectId, externalKey: 'a' }, data: { erasedAt: new Date() } })
      const { files } = await exportAs('JSONL', false)
      const { readFileSync } = await import('node:fs')
      expect(
        readFileSync(files[0] as string, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line).externalKey),
      ).toEqual(['b'])
    } finally {
      ;[projectId, versionId] = outer
    }
  })
})
