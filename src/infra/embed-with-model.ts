import type { ModelBundle, ModelFacts } from '../services/embedder-port.ts'
import type { RawPicture } from './embedder-messages.ts'
import { type InputShape, readInputShape, toInput } from './picture-tensor.ts'
import { startTensorFlow, withFallback } from './tensorflow-in-thread.ts'
import { UnusableModel } from './unusable-model.ts'

/** A loaded model: `run` takes one batch and gives its raw vectors, one after the other. */
interface LoadedModel {
  readonly format: ModelFacts['format']
  readonly input: InputShape
  run(values: Float32Array, count: number): Promise<Float32Array>
}

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0] as string

const noPicture = (what: string, shape: readonly unknown[]) =>
  new UnusableModel(
    `the input of ${what} must be pictures with 3 channels, [n, h, w, 3] or [n, 3, h, w]: got [${shape.join(', ')}]`,
  )

async function loadOnnx(bundle: ModelBundle & { kind: 'onnx' }): Promise<LoadedModel> {
  let ort: typeof import('onnxruntime-web')
  try {
    ort = await import('onnxruntime-web')
  } catch (error) {
    throw new UnusableModel(
      `ONNX models need the optional package onnxruntime-web: npm install onnxruntime-web (${firstLine(error)})`,
    )
  }
  // One thread: the same sums in the same order, whatever the machine.
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = 'error'
  let session: import('onnxruntime-web').InferenceSession
  try {
    session = await ort.InferenceSession.create(bundle.model, { executionProviders: ['wasm'] })
  } catch (error) {
    throw new UnusableModel(`the ONNX model can not be loaded: ${firstLine(error)}`)
  }
  const { preprocessing } = bundle
  const [inputName] = session.inputNames
  const [inputFacts] = session.inputMetadata
  if (session.inputNames.length !== 1 || !inputName || !inputFacts?.isTensor) {
    throw new UnusableModel(`the model must have one input: got ${session.inputNames.join(', ') || 'none'}`)
  }
  const input = readInputShape(inputFacts.shape, preprocessing)
  if (!input || inputFacts.type !== 'float32') throw noPicture(inputName, inputFacts.shape)
  const outputName = preprocessing.output ?? (session.outputNames[0] as string)
  if (!session.outputNames.includes(outputName)) {
    throw new UnusableModel(`the model must have the output ${outputName}: got ${session.outputNames.join(', ')}`)
  }
  return {
    format: 'onnx',
    input,
    async run(values, count) {
      const { width, height, layout } = input
      const dims = layout === 'NCHW' ? [count, 3, height, width] : [count, height, width, 3]
      const answer = await session.run({ [inputName]: new ort.Tensor('float32', values, dims) }, [outputName])
      const output = answer[outputName] as import('onnxruntime-web').Tensor
      if (output.type !== 'float32') throw new UnusableModel(`the output must be float32: got ${output.type}`)
      return Float32Array.from(output.data as Float32Array)
    },
  }
}

async function loadTfjs(bundle: ModelBundle & { kind: 'tfjs' }): Promise<LoadedModel> {
  const tf = await startTensorFlow()
  const { preprocessing, weights } = bundle
  const json = JSON.parse(bundle.modelJson)
  const groups = json.weightsManifest as {
    paths: string[]
    weights: import('@tensorflow/tfjs').io.WeightsManifestEntry[]
  }[]
  const shards = groups.flatMap(({ paths }) => paths.map((name) => Buffer.from(weights[name] as Uint8Array)))
  const weightData = new Uint8Array(Buffer.concat(shards)).buffer
  const source = tf.io.fromMemory({
    modelTopology: json.modelTopology,
    format: json.format,
    signature: json.signature,
    weightSpecs: groups.flatMap((group) => group.weights),
    weightData,
  })
  const isGraph = json.format === 'graph-model'
  let model: import('@tensorflow/tfjs').GraphModel | import('@tensorflow/tfjs').LayersModel
  try {
    model = isGraph ? await tf.loadGraphModel(source) : await tf.loadLayersModel(source)
  } catch (error) {
    throw new UnusableModel(`the TensorFlow.js model can not be loaded: ${firstLine(error)}`)
  }
  const [first] = model.inputs
  const shape = first?.shape ?? []
  const input = readInputShape(
    shape.map((size) => (size === -1 ? null : size)),
    preprocessing,
  )
  if (!first || model.inputs.length !== 1 || !input) throw noPicture(first?.name ?? 'the model', shape)

  type Answer = import('@tensorflow/tfjs').Tensor | import('@tensorflow/tfjs').Tensor[]
  async function execute(batch: import('@tensorflow/tfjs').Tensor): Promise<Answer> {
    if (!('executeAsync' in model)) return model.predict(batch) as Answer
    const inputs = { [(first as { name: string }).name]: batch }
    try {
      return model.execute(inputs, preprocessing.output)
    } catch (error) {
      // Loops and sizes that depend on values are only known while it runs.
      if (!/executeAsync/.test((error as Error).message)) throw error
      return model.executeAsync(inputs, preprocessing.output)
    }
  }

  return {
    format: isGraph ? 'tfjs-graph' : 'tfjs-layers',
    input,
    run: (values, count) =>
      withFallback(tf, async () => {
        const { width, height, layout } = input
        const dims = layout === 'NCHW' ? [count, 3, height, width] : [count, height, width, 3]
        const batch = tf.tensor4d(values, dims as [number, number, number, number])
        const made: import('@tensorflow/tfjs').Tensor[] = [batch]
        try {
          const answer = await execute(batch)
          const outputs = Array.isArray(answer) ? answer : [answer]
          made.push(...outputs)
          const [output] = outputs
          if (!output) throw new UnusableModel('the model has no output')
          return Float32Array.from(await output.data())
        } finally {
          for (const tensor of made) tensor.dispose()
        }
      }),
  }
}

const models = new Map<string, { model: LoadedModel; bundle: ModelBundle }>()
const BATCH = 16

const load = (bundle: ModelBundle): Promise<LoadedModel> =>
  bundle.kind === 'onnx' ? loadOnnx(bundle) : loadTfjs(bundle)

/** Raw vectors of pictures that have the model's size. */
async function runAll(model: LoadedModel, bundle: Pick<ModelBundle, 'preprocessing'>, pictures: readonly RawPicture[]) {
  const size = Math.min(BATCH, model.input.batch ?? BATCH)
  const vectors: Float32Array[] = []
  for (let at = 0; at < pictures.length; at += size) {
    const batch = pictures.slice(at, at + size)
    const wanted = model.input.batch ?? batch.length
    // A model of a fixed batch gets its last pictures again.
    while (batch.length < wanted) batch.push(batch.at(-1) as RawPicture)
    let flat: Float32Array
    try {
      flat = await model.run(toInput(batch, model.input, bundle.preprocessing), batch.length)
    } catch (error) {
      if (error instanceof UnusableModel) throw error
      throw new UnusableModel(`the model can not be run: ${firstLine(error)}`)
    }
    if (flat.length === 0 || flat.length % batch.length !== 0) {
      throw new UnusableModel(`the model must give one vector a picture: got ${flat.length} values for ${batch.length}`)
    }
    const dimension = flat.length / batch.length
    const taken = Math.min(size, pictures.length - at)
    for (let i = 0; i < taken; i++) vectors.push(flat.slice(i * dimension, (i + 1) * dimension))
  }
  return vectors
}

const lengthOf = (vector: Float32Array) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))

/** The vector brought to length 1, or an empty one where it has no direction. */
function normalised(vector: Float32Array): Float32Array {
  const length = lengthOf(vector)
  return Number.isFinite(length) && length > 0 ? vector.map((value) => value / length) : new Float32Array(0)
}

/** Pictures that are as different as pictures can be, the same on every machine. */
function testPictures({ width, height }: InputShape): RawPicture[] {
  const make = (value: (x: number, y: number, c: number) => number): RawPicture => {
    const data = new Uint8Array(width * height * 3)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) data[(y * width + x) * 3 + c] = value(x, y, c)
    }
    return { data, width, height }
  }
  return [
    make((x, y, c) => ((x * 31 + y * 17 + c * 101) * 2654435761) >>> 24),
    make((x, _y, c) => (255 * x) / width / (c + 1)),
    make((x, y) => (((x >> 2) + (y >> 2)) % 2 === 0 ? 230 : 20)),
  ]
}

const SAME_WITHIN = 1e-3
const APART = 1e-6
const UNIT_WITHIN = 1e-3

const largestDifference = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0)

async function check(model: LoadedModel, bundle: ModelBundle): Promise<ModelFacts> {
  const pictures = testPictures(model.input)
  const first = await runAll(model, bundle, pictures)
  const again = await runAll(model, bundle, pictures)
  const [alone] = await runAll(model, bundle, pictures.slice(0, 1))
  const unit = first.map(normalised)
  for (const [i, vector] of unit.entries()) {
    if (vector.length === 0) {
      throw new UnusableModel(
        `the vector of test picture ${i + 1} must be finite and not all zero: got ${Array.from(first[i] as Float32Array)
          .slice(0, 4)
          .join(', ')} ...`,
      )
    }
  }
  const drift = Math.max(...first.map((vector, i) => largestDifference(vector, again[i] as Float32Array)))
  if (drift > 0) throw new UnusableModel(`the model must give the same twice: values differ by up to ${drift}`)
  const company = largestDifference(unit[0] as Float32Array, normalised(alone as Float32Array))
  if (company > SAME_WITHIN) {
    throw new UnusableModel(
      `a picture must get the same vector alone and in a batch: values differ by up to ${company}`,
    )
  }
  if (unit.slice(1).every((vector) => largestDifference(vector, unit[0] as Float32Array) < APART)) {
    throw new UnusableModel('the model must tell pictures apart: three different ones get the same vector')
  }
  return {
    format: model.format,
    dimension: (first[0] as Float32Array).length,
    width: model.input.width,
    height: model.input.height,
    isNormalised: first.every((vector) => Math.abs(lengthOf(vector) - 1) < UNIT_WITHIN),
  }
}

/** Loads a model and looks at it, without keeping it. */
export async function inspectModel(bundle: ModelBundle): Promise<ModelFacts> {
  return check(await load(bundle), bundle)
}

/** Loads a model, looks at it, and keeps it under its id. */
export async function loadModel(id: string, bundle: ModelBundle): Promise<ModelFacts> {
  const model = await load(bundle)
  const facts = await check(model, bundle)
  models.set(id, { model, bundle })
  return facts
}

export function dropModel(id: string): void {
  models.delete(id)
}

/** Vectors of length 1, or empty where there is no direction. */
export async function embedWithModel(id: string, pictures: readonly RawPicture[]): Promise<Float32Array[]> {
  const kept = models.get(id)
  if (!kept) throw new Error(`the model ${id} is not loaded`)
  return (await runAll(kept.model, kept.bundle, pictures)).map(normalised)
}
