import { createRequire } from 'node:module'
import path from 'node:path'
import type { RawPicture, RawSubject } from './embedder-messages.ts'
import { startTensorFlow, type TensorFlow } from './tensorflow-in-thread.ts'
import { UnusableModel } from './unusable-model.ts'

/** Below this the detector sees faces in trees. */
const MIN_CONFIDENCE = 0.5
export const FACE_DIMENSION = 128
/** What the recognition network takes. */
const FACE_PIXELS = 150

const require = createRequire(import.meta.url)

interface Rectangle {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

interface DetectedFace {
  readonly detection: { readonly relativeBox: Rectangle; readonly score: number }
  readonly descriptor: Float32Array
}

/** The part of @vladmandic/face-api that is used; its own types are those of a browser. */
interface FaceApi {
  readonly nets: Record<
    'ssdMobilenetv1' | 'faceLandmark68Net' | 'faceRecognitionNet',
    { loadFromDisk(folder: string): Promise<void> }
  >
  readonly SsdMobilenetv1Options: new (options: { minConfidence: number }) => object
  detectAllFaces(
    input: object,
    options: object,
  ): {
    withFaceLandmarks(): { withFaceDescriptors(): Promise<DetectedFace[]> }
  }
  computeFaceDescriptor(input: object): Promise<Float32Array>
}

let loaded: Promise<{ api: FaceApi; tf: TensorFlow }> | undefined

/** Detector, landmarks and recognition network of face-api, from the weights in its package. */
export function loadFaces(): Promise<{ api: FaceApi; tf: TensorFlow }> {
  loaded ??= (async () => {
    const tf = await startTensorFlow()
    let api: FaceApi
    try {
      api = require('@vladmandic/face-api/dist/face-api.node-wasm.js') as FaceApi
    } catch (error) {
      throw new UnusableModel(
        `faces need the optional package @vladmandic/face-api: npm install @vladmandic/face-api (${(error as Error).message.split('\n')[0]})`,
      )
    }
    const folder = path.join(path.dirname(require.resolve('@vladmandic/face-api/package.json')), 'model')
    await api.nets.ssdMobilenetv1.loadFromDisk(folder)
    await api.nets.faceLandmark68Net.loadFromDisk(folder)
    await api.nets.faceRecognitionNet.loadFromDisk(folder)
    return { api, tf }
  })()
  return loaded
}

const clamp = (value: number) => Math.min(1, Math.max(0, value))

/** Within the picture: a face at its edge may be seen beyond it. */
function inside({ x, y, width, height }: Rectangle): Rectangle {
  const [left, top] = [clamp(x), clamp(y)]
  return { x: left, y: top, width: clamp(x + width) - left, height: clamp(y + height) - top }
}

/** The faces of a picture, the largest first. */
export async function embedFaces({ data, width, height }: RawPicture, isCrop: boolean): Promise<RawSubject[]> {
  const { api, tf } = await loadFaces()
  const pixels = tf.tensor3d(data, [height, width, 3], 'int32')
  try {
    const options = new api.SsdMobilenetv1Options({ minConfidence: MIN_CONFIDENCE })
    const faces = await api.detectAllFaces(pixels, options).withFaceLandmarks().withFaceDescriptors()
    const found = faces
      .map(({ detection, descriptor }) => ({ vector: descriptor, box: inside(detection.relativeBox) }))
      .filter(({ box }) => box.width > 0 && box.height > 0)
      .sort((a, b) => b.box.width * b.box.height - a.box.width * a.box.height || a.box.x - b.box.x)
    if (!isCrop) return found
    if (found[0]) return [{ vector: found[0].vector }]
    // Somebody said that this is a face: it is described as it stands, only less well aligned.
    const face = tf.tidy(() => tf.image.resizeBilinear(pixels, [FACE_PIXELS, FACE_PIXELS]))
    try {
      return [{ vector: await api.computeFaceDescriptor(face) }]
    } finally {
      face.dispose()
    }
  } finally {
    pixels.dispose()
  }
}
