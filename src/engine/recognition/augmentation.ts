import type { Rng } from '../types.ts'
import type { Samples } from './samples.ts'

/** How a picture may differ and still be the same; a vector gets only its noise. */
export interface Augmentation {
  /** Most degrees turned, either way. */
  readonly degrees: number
  /** Most change of size, as a share, either way. */
  readonly scale: number
  /** Most shear, as a share of the height. */
  readonly shear: number
  /** Most shift, as a share of the edge. */
  readonly shift: number
  /** Most change of brightness and contrast, as a share. */
  readonly light: number
  /** Deviation of the noise added to every value of a vector, as a share of the mean size of its values. */
  readonly noise: number
}

export const DEFAULT_AUGMENTATION: Augmentation = {
  degrees: 12,
  scale: 0.15,
  shear: 0.15,
  shift: 0.08,
  light: 0.15,
  noise: 0.1,
}

export const NO_AUGMENTATION: Augmentation = { degrees: 0, scale: 0, shear: 0, shift: 0, light: 0, noise: 0 }

/**
 * Writes samples into a batch, each changed at random: turned, scaled, sheared, shifted and lit (pictures, sampled bilinearly,
 * edges repeated), or with noise (vectors).
 *
 * @param rows which samples
 * @param into float32 [rows x values], overwritten; bytes 0..255 become -1..1
 * Deterministic for the state of `rng`.
 */
export function augmentInto(
  samples: Samples,
  rows: Int32Array,
  augmentation: Augmentation,
  rng: Rng,
  into: Float32Array,
): void {
  if (samples.shape.length === 1) {
    noisyVectors(samples, rows, augmentation.noise, rng, into)
    return
  }
  const values = samples.shape.reduce((all, size) => all * size, 1)
  for (let i = 0; i < rows.length; i++) {
    warp(samples, rows[i], augmentation, rng, into.subarray(i * values, (i + 1) * values))
  }
}

/** Samples as they are, in the range the network expects. */
export function copyInto(samples: Samples, rows: Int32Array, into: Float32Array): void {
  const values = samples.shape.reduce((all, size) => all * size, 1)
  const isBytes = samples.data instanceof Uint8Array
  for (let i = 0; i < rows.length; i++) {
    const from = rows[i] * values
    for (let v = 0; v < values; v++) {
      into[i * values + v] = isBytes ? samples.data[from + v] / 127.5 - 1 : samples.data[from + v]
    }
  }
}

function noisyVectors(samples: Samples, rows: Int32Array, noise: number, rng: Rng, into: Float32Array): void {
  copyInto(samples, rows, into)
  if (noise === 0) return
  const values = samples.shape[0]
  for (let i = 0; i < rows.length; i++) {
    let squares = 0
    for (let v = 0; v < values; v++) squares += into[i * values + v] ** 2
    const deviation = noise * Math.sqrt(squares / values)
    for (let v = 0; v < values; v++) into[i * values + v] += deviation * rng.normal()
  }
}

function warp({ data, shape }: Samples, row: number, a: Augmentation, rng: Rng, into: Float32Array): void {
  const [height, width, channels] = shape
  const either = (most: number) => (2 * rng.next() - 1) * most
  const angle = (either(a.degrees) * Math.PI) / 180
  const zoom = Math.exp(either(Math.log(1 + a.scale)))
  const stretch = Math.exp(either(Math.log(1 + a.scale)) / 2)
  const shear = either(a.shear)
  const [dx, dy] = [either(a.shift) * width, either(a.shift) * height]
  const contrast = 1 + either(a.light)
  const brightness = either(a.light)
  // From a pixel of the result to the place in the source that it shows.
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const [sx, sy] = [(zoom * stretch) ** -1, (zoom / stretch) ** -1]
  const [xx, xy] = [cos * sx, (-sin + shear * cos) * sx]
  const [yx, yy] = [sin * sy, (cos + shear * sin) * sy]
  const [cx, cy] = [(width - 1) / 2, (height - 1) / 2]
  const base = row * height * width * channels
  const toUnit = data instanceof Uint8Array ? 1 / 127.5 : 1
  const zero = data instanceof Uint8Array ? -1 : 0
  let at = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const fromX = clamp(xx * (x - cx) + xy * (y - cy) + cx + dx, width - 1)
      const fromY = clamp(yx * (x - cx) + yy * (y - cy) + cy + dy, height - 1)
      const [x0, y0] = [Math.floor(fromX), Math.floor(fromY)]
      const [fx, fy] = [fromX - x0, fromY - y0]
      const right = x0 + 1 < width ? channels : 0
      const below = y0 + 1 < height ? width * channels : 0
      const corner = base + (y0 * width + x0) * channels
      for (let c = 0; c < channels; c++, at++) {
        const p = corner + c
        const top = data[p] * (1 - fx) + data[p + right] * fx
        const bottom = data[p + below] * (1 - fx) + data[p + below + right] * fx
        const value = (top * (1 - fy) + bottom * fy) * toUnit + zero
        into[at] = value * contrast + brightness
      }
    }
  }
}

const clamp = (value: number, most: number) => (value < 0 ? 0 : value > most ? most : value)
