import { tableFromIPC } from 'apache-arrow'
import { parquetReadObjects } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { readParquet } from 'parquet-wasm/node'
import { describe, expect, it } from 'vitest'
import { createRng } from '../../src/engine/rng.ts'
import { appendVectorColumn, VECTOR_SCHEMA } from '../../src/services/parquet-vectors.ts'

type Vectors = (Float32Array | undefined)[]

/** A file of these row groups, with a column of keys before the vectors. */
function write(groups: readonly Vectors[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
  const parquet = new ParquetWriter({
    writer,
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'key', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      ...VECTOR_SCHEMA,
    ],
  })
  for (const [g, vectors] of groups.entries()) {
    const data = vectors.map((_, i) => `${g}/${i}`)
    parquet.write({ columnData: [{ name: 'key', data }], rowGroupSize: vectors.length })
    appendVectorColumn(parquet, writer, vectors)
  }
  parquet.finish()
  return new Uint8Array(writer.getBuffer())
}

interface Row {
  key: string
  embedding: number[] | null
}

const wanted = (groups: readonly Vectors[]): Row[] =>
  groups.flatMap((vectors, g) =>
    vectors.map((vector, i) => ({ key: `${g}/${i}`, embedding: vector ? Array.from(vector) : null })),
  )

function readWithArrow(bytes: Uint8Array): Row[] {
  const table = tableFromIPC(readParquet(bytes).intoIPCStream())
  return table.toArray().map((row) => {
    const { key, embedding } = row.toJSON()
    return { key, embedding: embedding ? Array.from(embedding as Iterable<number>) : null }
  })
}

async function readWithHyparquet(bytes: Uint8Array<ArrayBuffer>): Promise<Row[]> {
  const rows = (await parquetReadObjects({ file: bytes.buffer })) as {
    key: string
    embedding?: Iterable<number> | null
  }[]
  return rows.map(({ key, embedding }) => ({ key, embedding: embedding ? Array.from(embedding) : null }))
}

const rng = createRng(3)
const random = (dimension: number) => Float32Array.from({ length: dimension }, () => rng.normal())

const cases: [name: string, groups: Vectors[]][] = [
  ['one row', [[Float32Array.of(1.5, -2.25)]]],
  ['one value a vector', [[Float32Array.of(1), Float32Array.of(-0), Float32Array.of(3.4e38)]]],
  [
    'rows without a vector at both ends and in the middle',
    [[undefined, random(5), undefined, undefined, random(5), undefined]],
  ],
  ['no vector at all', [[undefined, undefined, undefined]]],
  [
    'several groups, the last one short',
    [Array.from({ length: 40 }, () => random(16)), [random(16), undefined], [random(16)]],
  ],
  ['many long ones', [Array.from({ length: 300 }, (_, i) => (i % 7 === 3 ? undefined : random(256)))]],
]

describe('a column of vectors', () => {
  it.each(cases)('is read by the Rust implementation of Arrow: %s', (_name, groups) => {
    expect(readWithArrow(write(groups))).toEqual(wanted(groups))
  })

  it.each(cases)('is read by hyparquet: %s', async (_name, groups) => {
    expect(await readWithHyparquet(write(groups))).toEqual(wanted(groups))
  })

  it('says of each group how many bytes it has, and where it begins', () => {
    const writer = new ByteWriter()
    const parquet = new ParquetWriter({
      writer,
      schema: [
        { name: 'root', num_children: 2 },
        { name: 'key', type: 'INT32', repetition_type: 'REQUIRED' },
        ...VECTOR_SCHEMA,
      ],
    })
    parquet.write({ columnData: [{ name: 'key', data: [1, 2] }], rowGroupSize: 2 })
    const before = writer.offset
    appendVectorColumn(parquet, writer, [random(64), random(64)])
    const [group] = parquet.row_groups
    const vectors = group?.columns[1]?.meta_data
    expect(Number(vectors?.data_page_offset)).toBe(before)
    expect(Number(vectors?.total_compressed_size)).toBe(writer.offset - before)
    expect(writer.offset - before).toBeGreaterThan(2 * 64 * 4)
    expect(writer.offset - before).toBeLessThan(2 * 64 * 4 + 100)
    const sum = group?.columns.reduce((total, column) => total + Number(column.meta_data?.total_compressed_size), 0)
    expect(Number(group?.total_compressed_size)).toBe(sum)
    expect(() => appendVectorColumn(parquet, writer, [random(64)])).toThrow(
      'a row group of 1 rows must be written first: got 2',
    )
  })

  it('takes a view of larger memory as it is', () => {
    const memory = random(12)
    const groups = [[memory.subarray(3, 6), memory.subarray(6, 9)]]
    expect(readWithArrow(write(groups))).toEqual(wanted(groups))
  })
})
