import { createRequire } from 'node:module'
import { zipOf } from './imports.ts'

const require = createRequire(import.meta.url)

/** Protocol buffers by hand: a field of a number, and one of bytes. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}
const number = (field: number, value: number) => Buffer.concat([varint(field * 8), varint(value)])
const bytes = (field: number, ...parts: (Uint8Array | string)[]) => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)))
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body])
}

const FLOAT = 1
const value = (field: number, name: string, dims: (number | string)[]) =>
  bytes(
    field,
    bytes(1, name),
    bytes(
      2,
      bytes(
        1,
        number(1, FLOAT),
        bytes(2, ...dims.map((dim) => bytes(1, typeof dim === 'number' ? number(1, dim) : bytes(2, dim)))),
      ),
    ),
  )

/** ir_version 8, opset 13; `nodes` are operator, inputs, output and attributes. */
function onnx(
  nodes: { op: string; inputs: string[]; output: string; attributes?: Buffer[] }[],
  tensors: { name: string; dims: number[]; data: Float32Array }[],
  input: (number | string)[],
  output: (number | string)[],
): Buffer {
  return Buffer.concat([
    number(1, 8),
    bytes(
      7,
      ...nodes.map(({ op, inputs, output: out, attributes = [] }) =>
        bytes(
          1,
          ...inputs.map((name) => bytes(1, name)),
          bytes(2, out),
          bytes(4, op),
          ...attributes.map((a) => bytes(5, a)),
        ),
      ),
      bytes(2, 'test'),
      ...tensors.map(({ name, dims, data }) =>
        bytes(
          5,
          ...dims.map((dim) => number(1, dim)),
          number(2, FLOAT),
          bytes(8, name),
          bytes(9, Buffer.from(data.buffer)),
        ),
      ),
      value(11, 'pictures', input),
      value(12, 'vectors', output),
    ),
    bytes(8, bytes(1, ''), number(2, 13)),
  ])
}

/** Weights that are the same in every run. */
function weightsOf(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * 0.1)
}

/** [n, 3, 8, 8] -> flatten -> product with a matrix: a linear embedding of tiny pictures. */
export function onnxModel(dimension: number, { scale = 1 } = {}): Buffer {
  const data = weightsOf(192 * dimension).map((weight) => weight * scale)
  return onnx(
    [
      { op: 'Flatten', inputs: ['pictures'], output: 'flat' },
      { op: 'MatMul', inputs: ['flat', 'w'], output: 'vectors' },
    ],
    [{ name: 'w', dims: [192, dimension], data }],
    ['n', 3, 8, 8],
    ['n', dimension],
  )
}

type TensorFlow = typeof import('@tensorflow/tfjs')

/** A convolution, the mean over the picture and a dense layer, saved as TensorFlow.js saves layers models. */
export async function tfjsLayersModel(dimension: number, embedder?: object): Promise<Buffer> {
  const tf = require('@tensorflow/tfjs') as TensorFlow
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        inputShape: [12, 12, 3],
        filters: 6,
        kernelSize: 3,
        activation: 'tanh',
        kernelInitializer: tf.initializers.glorotUniform({ seed: 7 }),
      }),
      tf.layers.globalAveragePooling2d({}),
      tf.layers.dense({ units: dimension, kernelInitializer: tf.initializers.glorotUniform({ seed: 8 }) }),
    ],
  })
  let saved: Buffer | undefined
  await model.save({
    save: async ({ modelTopology, weightSpecs, weightData }) => {
      const shard = Buffer.from(weightData as ArrayBuffer)
      const half = Math.floor(shard.length / 8) * 4
      saved = await zipOf({
        'model.json': JSON.stringify({
          format: 'layers-model',
          modelTopology,
          weightsManifest: [{ paths: ['group1-shard1of2.bin', 'group1-shard2of2.bin'], weights: weightSpecs }],
        }),
        'group1-shard1of2.bin': shard.subarray(0, half),
        'group1-shard2of2.bin': shard.subarray(half),
        ...(embedder && { 'embedder.json': JSON.stringify(embedder) }),
      })
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } }
    },
  })
  return saved as Buffer
}

/** A graph model by hand: the mean over the picture, times a matrix. */
export function tfjsGraphModel(dimension: number): Promise<Buffer> {
  const type = { type: 'DT_FLOAT' }
  const shape = (dims: number[]) => ({ shape: { dim: dims.map((size) => ({ size: String(size) })) } })
  const weights = weightsOf(3 * dimension)
  const axes = Int32Array.from([1, 2])
  const node = (name: string, op: string, input: string[], attr: object) => ({ name, op, input, attr })
  return zipOf({
    'model.json': JSON.stringify({
      format: 'graph-model',
      modelTopology: {
        node: [
          node('pictures', 'Placeholder', [], { dtype: type, shape: shape([-1, 10, 10, 3]) }),
          node('axes', 'Const', [], { dtype: { type: 'DT_INT32' } }),
          node('w', 'Const', [], { dtype: type }),
          node('mean', 'Mean', ['pictures', 'axes'], { T: type, Tidx: { type: 'DT_INT32' }, keep_dims: { b: false } }),
          node('vectors', 'MatMul', ['mean', 'w'], { T: type, transpose_a: { b: false }, transpose_b: { b: false } }),
        ],
        versions: { producer: 1 },
      },
      weightsManifest: [
        {
          paths: ['weights.bin'],
          weights: [
            { name: 'axes', shape: [2], dtype: 'int32' },
            { name: 'w', shape: [3, dimension], dtype: 'float32' },
          ],
        },
      ],
    }),
    'weights.bin': Buffer.concat([Buffer.from(axes.buffer), Buffer.from(weights.buffer)]),
  })
}
