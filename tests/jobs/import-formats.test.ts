import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importItems } from '../../src/jobs/import-items.ts'
import { openTestApp, type TestApp } from '../support/app.ts'
import { bytesOf, importer, npy, picture, zipOf } from '../support/imports.ts'

const MAX_UPLOAD_BYTES = 1_000_000

let t: TestApp
let i: ReturnType<typeof importer>
let red: Buffer
let blue: Buffer

beforeAll(async () => {
  t = await openTestApp({ works: false, env: { MAX_UPLOAD_BYTES: String(MAX_UPLOAD_BYTES) } })
  i = importer(t)
  red = await picture('#cc0000')
  blue = await picture('#0000cc')
})
afterAll(() => t?.close())

const three = new Float32Array([1, 0, 0, 1, 0.6, 0.8])
const vectors = [
  [1, 0],
  [0, 1],
  [0.6, 0.8],
]

describe('matrices', () => {
  it('an .npy file with keys, labels by name and pictures beside it', async () => {
    const url = i.place('named.npy', npy('<f4', [3, 2], bytesOf(three)))
    i.place('named.keys.txt', 'a\nb\r\nc')
    i.place('named.labels.txt', 'anna\n\nbert\n')
    i.place('red.png', red)
    i.place('named.images.txt', 'red.png\n\nred.png\n')
    const { job, items, failed } = await i.importFrom(url)
    expect(job).toMatchObject({ state: 'SUCCEEDED', completed: 3, total: 3, failedRowCount: 0 })
    expect(failed).toEqual([])
    expect(items.map(({ key, label, vector, width }) => [key, label, vector, width])).toEqual([
      ['a', 'anna', vectors[0], 16],
      ['b', null, vectors[1], 0],
      ['c', 'bert', vectors[2], 16],
    ])
  })

  it('float64 and float16 are taken too; without keys rows are numbered as arrays are', async () => {
    const double = i.place('double.npy', npy('<f8', [3, 2], bytesOf(Float64Array.from(three))))
    // 1, 0, 0, 1, -2, 2^-24 in half precision.
    const half = Uint16Array.from([0x3c00, 0, 0, 0x3c00, 0xc000, 0x0001])
    const small = i.place('half.npy', npy('<f2', [3, 2], bytesOf(half)))
    const { items } = await i.importFrom(double)
    expect(items.map(({ key, vector }) => [key, vector])).toEqual([
      ['double/0', vectors[0]],
      ['double/1', vectors[1]],
      ['double/2', vectors[2]],
    ])
    expect((await i.importFrom(small)).items.map(({ vector }) => vector)).toEqual([
      [1, 0],
      [0, 1],
      [-2, 5.9604645e-8],
    ])
  })

  it('learn-to-cluster: .bin and .meta; each file counts its labels anew, and a negative number is none', async () => {
    i.place('part0.bin', bytesOf(three))
    const url = i.place('part0.meta', '7\n-1\n7\n')
    const { items } = await i.importFrom(url)
    expect(items.map(({ key, label }) => [key, label])).toEqual([
      ['part0/0', 'part0/7'],
      ['part0/1', null],
      ['part0/2', 'part0/7'],
    ])
    i.place('part1.labels.npy', npy('<i8', [3], bytesOf(new BigInt64Array([7n, 8n, -1n]))))
    const other = await i.importFrom(i.place('part1.f32', bytesOf(three)))
    expect(other.items.map(({ label }) => label)).toEqual(['part1/7', 'part1/8', null])
  })

  it.each([
    [
      'cut short',
      'cut.npy',
      () => npy('<f4', [3, 2], bytesOf(three).subarray(0, 20)),
      /^INVALID: cut\.npy is cut short in row 3 of 3: got 148 bytes, expected 152/,
    ],
    [
      'another type',
      'int.npy',
      () => npy('<i4', [3, 2], bytesOf(three)),
      /int\.npy must hold float16, float32 or float64.*got <i4/,
    ],
    [
      'another dimension',
      'wide.npy',
      () => npy('<f4', [2, 3], bytesOf(three)),
      /wide\.npy must have 2 columns, the project's dimension: got the shape \(2, 3\)/,
    ],
    ['a vector', 'flat.npy', () => npy('<f4', [6], bytesOf(three)), /flat\.npy must be a matrix: got the shape \(6\)/],
    [
      'Fortran order',
      'columns.npy',
      () => npy('<f4', [3, 2], bytesOf(three), 'True'),
      /must be in C order: got Fortran order/,
    ],
    ['no .npy at all', 'text.npy', () => 'hello, this is text', /must be an \.npy file: got other first bytes/],
    [
      'half a row',
      'odd.bin',
      () => bytesOf(three).subarray(0, 20),
      /odd\.bin must hold whole rows of 2 float32 values.*got 20 bytes, which is no multiple of 8/,
    ],
    ['nothing', 'none.bin', () => '', /none\.bin must hold whole rows/],
  ])('%s is refused before the first row, with what was got and expected', async (_what, name, content, message) => {
    const { job, items } = await i.importFrom(i.place(name, content()))
    expect(job).toMatchObject({ state: 'FAILED', failure: expect.stringMatching(message) })
    expect(items).toEqual([])
  })

  it('labels and keys of another length are refused, whichever is longer', async () => {
    i.place('less.meta', '1\n2\n')
    const less = await i.importFrom(i.place('less.bin', bytesOf(three)))
    expect(less.job.failure).toBe('INVALID: less.meta must have one line a row of less.bin: got 2, expected 3')
    i.place('more.keys.txt', 'a\nb\nc\nd\n')
    const more = await i.importFrom(i.place('more.bin', bytesOf(three)))
    expect(more.job.failure).toBe('INVALID: more.keys.txt must have one line a row of more.bin: got 4, expected 3')
    expect(more.items).toEqual([])
    // The last label is empty, as a list joined by line breaks leaves it.
    i.place('joined.labels.txt', 'anna\nbert\n')
    const joined = await i.importFrom(i.place('joined.bin', bytesOf(three)))
    expect(joined.job.failure).toBe(
      'INVALID: joined.labels.txt must have one line a row of joined.bin: got 2, expected 3; a last line that is empty needs its line break too',
    )
    const alone = await i.importFrom(i.place('alone.meta', '1\n'))
    expect(alone.job.failure).toBe('INVALID: alone.meta needs its features beside it: there is no alone.bin')
  })

  it('one bad row is its own problem', async () => {
    i.place('mixed.meta', '1\nanna\n1\n')
    const url = i.place('mixed.bin', bytesOf(new Float32Array([1, 0, 0, 1, Number.NaN, 1])))
    const { job, items, failed } = await i.importFrom(url)
    expect(job).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 2 })
    expect(items).toHaveLength(1)
    expect(failed).toEqual([
      { row: 2, externalKey: 'mixed/1', problem: 'the label must be a whole number: got "anna"' },
      { row: 3, externalKey: 'mixed/2', problem: 'embedding must be finite: got NaN at position 0' },
    ])
  })
})

describe('CSV and JSONL', () => {
  it('CSV: quotes, lists, base64, metadata and a byte order mark', async () => {
    const packed = bytesOf(new Float32Array([0, 1])).toString('base64')
    const url = i.place(
      'table.csv',
      `\uFEFFexternalKey,embedding,label,metadata,box\r\n"a,1","[1, 0]",anna,"{""age"": 3}","{""x"":0,""y"":0,""width"":0.5,""height"":1}"\r\nb,${packed},,,\r\nc,"[1]",,,\r\n`,
    )
    const { items, failed } = await i.importFrom(url)
    expect(items).toMatchObject([
      { key: 'a,1', label: 'anna', vector: [1, 0], metadata: { age: 3 }, box: { width: 0.5 } },
      { key: 'b', label: null, vector: [0, 1] },
    ])
    expect(failed).toEqual([{ row: 4, externalKey: 'c', problem: 'embedding must have 2 values: got 1' }])
  })

  it('CSV without a column that names items, or with a quote that never ends, is refused', async () => {
    const nameless = await i.importFrom(i.place('nameless.csv', 'name,label\na,b\n'))
    expect(nameless.job.failure).toBe(
      'INVALID: nameless.csv must have a column externalKey or image or file_name: got name, label',
    )
    const open = await i.importFrom(i.place('open.csv', 'externalKey,embedding\na,"[1,0]"\nb,"[1,0]\n'))
    expect(open.job.failure).toMatch(/^INVALID: open\.csv is no readable CSV after row 2: Quote Not Closed/)
  })

  it('JSONL: pictures beside it, a picture twice, one that is none, one that leads out', async () => {
    i.place('blue.png', blue)
    i.place('no-picture.png', 'hello')
    const rows = [
      { image: 'blue.png' },
      { externalKey: 'left', image: './blue.png', box: { x: 0, y: 0, width: 0.5, height: 1 } },
      { file_name: 'no-picture.png' },
      { externalKey: 'out', image: '../../../etc/passwd' },
      { externalKey: 'wide', image: 'blue.png', box: { x: 0.8, y: 0, width: 0.5, height: 1 } },
      { externalKey: 'neither' },
      { label: 'nameless' },
      { externalKey: 'nul\0', embedding: [1, 0] },
      { externalKey: 'half', embedding: [1, 0], metadata: { deep: ['\ud800'] } },
    ]
    const { items, failed, job } = await i.importFrom(
      i.place('pictures.jsonl', rows.map((row) => JSON.stringify(row)).join('\n')),
    )
    expect(job.state).toBe('SUCCEEDED')
    expect(items.map(({ key, vector }) => [key, vector])).toEqual([
      ['blue.png', null],
      ['left', null],
    ])
    expect(items[0]?.imageKey).toBe(items[1]?.imageKey)
    expect(failed.map(({ row, problem }) => [row, problem])).toEqual([
      [3, expect.stringMatching(/^the image can not be used/)],
      [4, 'image ../../../etc/passwd is not in the folder of the manifest'],
      [5, 'box: reaches out of the picture'],
      [6, 'a row needs an image or an embedding: got neither'],
      [7, 'externalKey is missing, and there is no image to name the item by'],
      [8, 'externalKey: has the character NUL or half a character'],
      [9, 'metadata: has the character NUL or half a character in a text'],
    ])
  })

  it('a cell that should be JSON and is not names its column; a row that is no object is told so', async () => {
    const table = ['externalKey,embedding,metadata,box', 'a,"[1,",,', 'b,"[1,0]",{x,', 'c,"[1,0]",,{', 'd,"[1,0]",,']
    const csv = await i.importFrom(i.place('cells.csv', table.join('\n')))
    expect(csv.failed.map(({ row, externalKey, problem }) => [row, externalKey, problem])).toEqual([
      [2, 'a', expect.stringMatching(/^embedding must be JSON: /)],
      [3, 'b', expect.stringMatching(/^metadata must be JSON: /)],
      [4, 'c', expect.stringMatching(/^box must be JSON: /)],
    ])
    expect(csv.items.map((item) => item.key)).toEqual(['d'])
    // How many there were is known at the end.
    expect(csv.job).toMatchObject({ completed: 5, total: 5 })
    const jsonl = await i.importFrom(
      i.place('lines.jsonl', '[1, 2]\n"text"\n{"externalKey": "a", "embedding": [1, 0]}'),
    )
    expect(jsonl.failed.map(({ problem }) => problem)).toEqual([
      'the row must be an object of columns and values',
      'the row must be an object of columns and values',
    ])
  })

  it('a label is a name: trimmed, of 200 characters at most; what is neither text nor number is none', async () => {
    const line = (externalKey: string, label: unknown) => JSON.stringify({ externalKey, embedding: [1, 0], label })
    const rows = [
      line('a', '  red '),
      line('b', ' '),
      line('c', 'x'.repeat(201)),
      line('d', { of: 'what' }),
      line('e', 7),
    ]
    const { items, failed } = await i.importFrom(i.place('labels.jsonl', rows.join('\n')))
    expect(items.map(({ key, label }) => [key, label])).toEqual([
      ['a', 'red'],
      ['e', '7'],
    ])
    expect(failed.map(({ externalKey, problem }) => [externalKey, problem])).toEqual([
      ['b', 'label: must have 1 to 200 characters'],
      ['c', 'label: must have 1 to 200 characters'],
      ['d', 'label: must be a text or a number'],
    ])
  })

  it('a vector that is too long or too short for the database to compare is its row’s problem, as is a hole in it', async () => {
    const line = (externalKey: string, embedding: unknown) => JSON.stringify({ externalKey, embedding })
    const rows = [
      line('long', [3e38, 3e38]),
      line('short', [1e-44, 0]),
      line('hole', [1, null]),
      line('ok', [1e14, 1e-14]),
    ]
    const { items, failed } = await i.importFrom(i.place('lengths.jsonl', rows.join('\n')))
    expect(items.map(({ key }) => key)).toEqual(['ok'])
    expect(failed.map(({ problem }) => problem)).toEqual([
      expect.stringMatching(/^embedding must have a length of 1e-15 to 1000000000000000: got 4\.2\d+e\+38$/),
      expect.stringMatching(/^embedding must have a length of 1e-15 to 1000000000000000: got 9\.8\d+e-45$/),
      'embedding: must be a list of finite numbers, or base64',
    ])
  })

  it('a text that is not UTF-8 is refused with its line: its letters would be lost', async () => {
    const latin = (text: string) => Buffer.from(text, 'latin1')
    const rows = '{"externalKey":"a","embedding":[1,0]}\n{"externalKey":"caf\xe9","embedding":[1,0]}\n'
    const jsonl = await i.importFrom(i.place('latin.jsonl', latin(rows)))
    expect(jsonl.job.failure).toBe('INVALID: latin.jsonl, line 2 is not UTF-8: save the file as UTF-8')
    const csv = await i.importFrom(i.place('latin.csv', latin('externalKey,embedding\ncaf\xe9,"[1,0]"\nb,"[1,0]"\n')))
    expect(csv.failed.map(({ row, problem }) => [row, problem])).toEqual([
      [2, 'the row is not UTF-8: save the file as UTF-8'],
    ])
    expect(csv.items.map(({ key }) => key)).toEqual(['b'])
  })

  it('a file without rows is refused', async () => {
    const { job } = await i.importFrom(i.place('empty.jsonl', '\n\n'))
    expect(job.failure).toBe('INVALID: empty.jsonl holds no rows: there is nothing to import')
  })

  it('rejects, skips or replaces what exists', async () => {
    const line = (key: string, embedding: number[], more: object = {}) =>
      JSON.stringify({ externalKey: key, embedding, ...more })
    const projectId = await i.makeProject(2)
    await i.importFrom(i.place('first.jsonl', line('a', [1, 0], { metadata: { v: 1 } })), { projectId })
    const again = i.place('again.jsonl', [line('a', [0, 1], { metadata: { v: 2 } }), line('b', [1, 0])].join('\n'))
    const rejected = await i.importFrom(again, { projectId, onExisting: 'REJECT' })
    expect(rejected.failed).toEqual([{ row: 1, externalKey: 'a', problem: 'externalKey a exists already' }])
    expect(rejected.items).toMatchObject([{ key: 'a', vector: [1, 0], metadata: { v: 1 } }, { key: 'b' }])
    const skipped = await i.importFrom(again, { projectId, onExisting: 'SKIP' })
    expect(skipped.failed).toEqual([])
    expect(skipped.items).toMatchObject([{ key: 'a', vector: [1, 0], metadata: { v: 1 } }, { key: 'b' }])
    const replaced = await i.importFrom(again, { projectId, onExisting: 'REPLACE' })
    expect(replaced.items).toMatchObject([{ key: 'a', vector: [0, 1], metadata: { v: 2 } }, { key: 'b' }])
  })

  it('a replacing row labels what belongs nowhere, and does not overrule where people or runs put an item', async () => {
    const projectId = await i.makeProject(2)
    const line = (name: string, label?: string) => JSON.stringify({ externalKey: name, embedding: [1, 0], label })
    await i.importFrom(
      i.place('before.jsonl', [line('free'), line('same', 'anna'), line('other', 'bert')].join('\n')),
      {
        projectId,
      },
    )
    const rows = [line('free', 'anna'), line('same', 'anna'), line('other', 'anna')].join('\n')
    const { items, failed } = await i.importFrom(i.place('after.jsonl', rows), { projectId, onExisting: 'REPLACE' })
    expect(items.map(({ key, label }) => [key, label])).toEqual([
      ['free', 'anna'],
      ['other', 'bert'],
      ['same', 'anna'],
    ])
    expect(failed).toEqual([
      {
        row: 3,
        externalKey: 'other',
        problem:
          'stored without its label anna: the item belongs to bert, which an import does not overrule; decide it in the review',
      },
    ])
  })
})

describe('Parquet', () => {
  it('lists, labels, structs of JSON, and pictures inside as Hugging Face keeps them', async () => {
    const file = parquetWriteBuffer({
      columnData: [
        { name: 'externalKey', data: ['a', 'b', 'c', 'd'], type: 'STRING' },
        { name: 'embedding', data: [[1, 0], [0, 1], [1], null] },
        { name: 'label', data: [1n, 2n, null, 2n], type: 'INT64' },
        { name: 'metadata', data: [{ age: 3 }, null, null, null], type: 'JSON' },
        { name: 'image', data: [null, null, null, red], type: 'BYTE_ARRAY' },
      ],
      rowGroupSize: 3,
    })
    const { items, failed, job } = await i.importFrom(i.place('table.parquet', new Uint8Array(file)))
    expect(job).toMatchObject({ state: 'SUCCEEDED', failure: null, total: 4 })
    expect(items).toMatchObject([
      { key: 'a', label: '1', vector: [1, 0], metadata: { age: 3 } },
      { key: 'b', label: '2', vector: [0, 1], metadata: null },
      { key: 'd', label: '2', vector: null, width: 16 },
    ])
    expect(failed).toEqual([{ row: 3, externalKey: 'c', problem: 'embedding must have 2 values: got 1' }])
  })

  it('a missing column, a file cut short and no Parquet at all are refused', async () => {
    const whole = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'name', data: ['a'], type: 'STRING' }] }))
    const missing = await i.importFrom(i.place('missing.parquet', whole))
    expect(missing.job.failure).toBe(
      'INVALID: missing.parquet must have a column externalKey or image or file_name: got name',
    )
    const cut = await i.importFrom(i.place('cut.parquet', whole.subarray(0, whole.length - 9)))
    expect(cut.job.failure).toMatch(/^INVALID: cut\.parquet is no readable Parquet file/)
    const text = await i.importFrom(i.place('text.parquet', 'hello, this is text'))
    expect(text.job.failure).toMatch(/^INVALID: text\.parquet is no readable Parquet file/)
  })
})

describe('folders and archives', () => {
  const pictures = () => ({ 'anna/1.png': red, 'anna/2.PNG': blue, 'bert/deep/3.png': red, 'free.png': blue })
  const expected = [
    ['anna/1.png', 'anna'],
    ['anna/2.PNG', 'anna'],
    ['bert/deep/3.png', 'bert'],
    ['free.png', null],
  ]

  it('a folder of the server: one folder a label', async () => {
    const folder = path.join(t.folder, 'people')
    for (const [name, bytes] of Object.entries({ ...pictures(), 'notes.md': 'no picture', '.hidden.png': red })) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
      writeFileSync(path.join(folder, name), bytes)
    }
    const { items, job } = await i.importFrom(pathToFileURL(folder).href)
    expect(job).toMatchObject({ state: 'SUCCEEDED', total: 4 })
    expect(items.map(({ key, label }) => [key, label])).toEqual(expected)
  })

  it('an archive of the same, with what operating systems add, and wrapped in one folder', async () => {
    const litter = { '__MACOSX/anna/._1.png': 'x', 'anna/.DS_Store': 'x', 'anna/Thumbs.db': 'x' }
    const plain = await i.importFrom(i.place('plain.zip', await zipOf({ ...pictures(), ...litter })))
    expect(plain.items.map(({ key, label }) => [key, label])).toEqual(expected)
    const wrapped = Object.fromEntries(Object.entries(pictures()).map(([name, bytes]) => [`people/${name}`, bytes]))
    const stored = await i.importFrom(i.place('wrapped.zip', await zipOf(wrapped, false)))
    expect(stored.items.map(({ key, label }) => [key, label])).toEqual(expected)
    const split = await i.importFrom(
      i.place('split.zip', await zipOf({ 'train/anna/1.png': red, 'test/bert/2.png': blue })),
    )
    expect(split.items.map(({ label }) => label)).toEqual(['bert', 'anna'])
  })

  it('an archive with a manifest, its pictures and its vectors inside', async () => {
    const manifest = [
      { externalKey: 'a', image: 'pictures/a.png', label: 'anna', embedding: [1, 0] },
      { externalKey: 'b', image: 'pictures/none.png' },
    ]
    const text = manifest.map((row) => JSON.stringify(row)).join('\n')
    const listed = await i.importFrom(
      i.place(
        'listed.zip',
        await zipOf({ 'set/manifest.jsonl': text, 'set/pictures/a.png': red, 'set/other.csv': 'x' }),
      ),
    )
    expect(listed.items).toMatchObject([{ key: 'a', label: 'anna', vector: [1, 0], width: 16 }])
    expect(listed.failed).toEqual([
      { row: 2, externalKey: 'b', problem: 'image pictures/none.png is not in the archive listed.zip' },
    ])
    const matrix = await i.importFrom(
      i.place('matrix.zip', await zipOf({ 'x.npy': npy('<f4', [3, 2], bytesOf(three)), 'x.meta': '1\n1\n2\n' })),
    )
    expect(matrix.items.map(({ key, label }) => [key, label])).toEqual([
      ['x/0', 'x/1'],
      ['x/1', 'x/1'],
      ['x/2', 'x/2'],
    ])
  })

  it.each([
    [
      'a name that leads out',
      'evil.zip',
      async () => replaced(await zipOf({ 'aa/evil.png': red }), 'aa/evil.png', '../evil.png'),
      /evil\.zip is no readable zip archive: invalid relative path: \.\.\/evil\.png/,
    ],
    [
      'an archive that unpacks to more than is taken',
      'bomb.zip',
      () => zipOf({ 'a.jsonl': Buffer.alloc(MAX_UPLOAD_BYTES + 1) }),
      /bomb\.zip must unpack to at most 1000000 bytes \(MAX_UPLOAD_BYTES\): with a\.jsonl it is 1000001/,
    ],
    [
      'one cut short',
      'cut.zip',
      async () => (await zipOf({ 'a.png': red })).subarray(0, 90),
      /cut\.zip is no readable zip archive: End of central directory record signature not found/i,
    ],
    [
      'two manifests',
      'two.zip',
      () => zipOf({ 'a.jsonl': '{}', 'b.csv': 'x' }),
      /two\.zip holds 2 files that could be its manifest: a\.jsonl, b\.csv; name one of them manifest/,
    ],
    [
      'nothing of use',
      'useless.zip',
      () => zipOf({ 'readme.md': 'hello' }),
      /useless\.zip holds neither a manifest nor pictures/,
    ],
  ])('%s is refused', async (_what, name, content, message) => {
    const { job, items } = await i.importFrom(i.place(name, await content()))
    expect(job).toMatchObject({ state: 'FAILED', failure: expect.stringMatching(message) })
    expect(items).toEqual([])
  })

  it('an entry that unpacks to more than it says breaks off', async () => {
    const lines = Buffer.from(`${JSON.stringify({ externalKey: 'a', embedding: [1, 0] })}\n`.repeat(20_000))
    const zip = await zipOf({ 'a.jsonl': lines })
    // The size is told twice, in the central directory and by the local header or the descriptor after the data.
    const told = Buffer.alloc(4)
    told.writeUInt32LE(lines.length)
    const lie = Buffer.alloc(4)
    lie.writeUInt32LE(100)
    for (let at = zip.indexOf(told); at >= 0; at = zip.indexOf(told, at + 1)) lie.copy(zip, at)
    const { job } = await i.importFrom(i.place('lie.zip', zip))
    expect(job.state).toBe('FAILED')
    expect(job.failure).toMatch(/INVALID: lie\.zip, entry a\.jsonl can not be unpacked: too many bytes in the stream/)
  })
})

const replaced = (bytes: Buffer, from: string, to: string): Buffer =>
  Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1')

describe('an import that dies', () => {
  it('goes on after its last batch: no row is stored twice, and no failure is forgotten', async () => {
    const rows = 9_000
    const lines = Array.from({ length: rows }, (_, n) =>
      n % 1000 === 7 ? `{"externalKey":"bad-${n}","embedding":[1]}` : `{"externalKey":"k${n}","embedding":[1,${n}]}`,
    )
    const projectId = await i.makeProject(2)
    const job = await i.begin(projectId, i.place('long.jsonl', lines.join('\n')))
    let checkpoints = 0
    const dying = {
      ...importItems,
      run: (context: Parameters<typeof importItems.run>[0]) =>
        importItems.run({
          ...context,
          checkpoint: async (tx, value) => {
            if (++checkpoints === 2) throw new Error('power cut')
            await context.checkpoint(tx, value)
          },
        }),
    }
    await i.run(projectId, job.id, dying)
    const halfway = await i.outcome(projectId, job.id)
    expect(halfway.job).toMatchObject({ state: 'QUEUED', checkpoint: { row: 4096 } })
    expect(halfway.items).toHaveLength(4096 - 5)
    await i.run(projectId, job.id)
    const { job: done, items, failed } = await i.outcome(projectId, job.id)
    expect(done).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 9, attempts: 2 })
    expect(items).toHaveLength(rows - 9)
    expect(failed.map(({ row }) => row)).toEqual([8, 1008, 2008, 3008, 4008, 5008, 6008, 7008, 8008])
    expect(await t.app.prisma.jobFailedRow.count({ where: { projectId } })).toBe(0)
  })
})
