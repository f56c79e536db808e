import type { Preprocessing } from '../services/embedder-port.ts'
import type { RawPicture } from './embedder-messages.ts'

export interface InputShape {
  readonly width: number
  readonly height: number
  readonly layout: 'NCHW' | 'NHWC'
  /** Pictures in one call, where the model insists. */
  readonly batch?: number
}

const DEFAULT_PIXELS = 224
const CHANNELS = 3

/** Reads a model's input shape, null or a name where a size is free; undefined where it is no picture. */
export function readInputShape(shape: readonly unknown[], wanted: Preprocessing): InputShape | undefined {
  if (shape.length !== 4) return undefined
  const size = (value: unknown) => (typeof value === 'number' && value > 0 ? value : undefined)
  const [batch, ...rest] = shape.map(size)
  const layout = wanted.layout ?? (rest[0] === CHANNELS && rest[2] !== CHANNELS ? 'NCHW' : 'NHWC')
  const [height, width, channels] = layout === 'NCHW' ? [rest[1], rest[2], rest[0]] : [rest[0], rest[1], rest[2]]
  if (channels !== undefined && channels !== CHANNELS) return undefined
  return {
    width: width ?? wanted.width ?? DEFAULT_PIXELS,
    height: height ?? wanted.height ?? DEFAULT_PIXELS,
    layout,
    batch,
  }
}

/** Pictures of the model's size as its input. */
export function toInput(
  pictures: readonly RawPicture[],
  { width, height, layout }: InputShape,
  { channels, mean, std }: Preprocessing,
): Float32Array {
  const area = width * height
  const input = new Float32Array(pictures.length * area * CHANNELS)
  pictures.forEach(({ data }, i) => {
    const offset = i * area * CHANNELS
    for (let c = 0; c < CHANNELS; c++) {
      const from = channels === 'RGB' ? c : CHANNELS - 1 - c
      const [shift, scale] = [mean[c] as number, std[c] as number]
      for (let p = 0; p < area; p++) {
        const at = layout === 'NCHW' ? offset + c * area + p : offset + p * CHANNELS + c
        input[at] = ((data[p * CHANNELS + from] as number) - shift) / scale
      }
    }
  })
  return input
}
