import type {
  backend_util,
  Conv2DAttrs,
  Conv2DBackpropFilterAttrs,
  Conv2DBackpropInputAttrs,
  KernelConfig,
  TensorInfo,
} from '@tensorflow/tfjs-core'
import type { Kernels } from './contract.ts'

/** The parts of TensorFlow.js that the kernels are registered through. */
interface TensorFlow {
  readonly backend_util: Pick<typeof backend_util, 'computeConv2DInfo' | 'convertConv2DDataFormat'>
  getKernel(name: string, backend: string): KernelConfig | undefined
  registerKernel(config: KernelConfig): void
  unregisterKernel(name: string, backend: string): void
}

/** The parts of the wasm backend in use: tensors lie on one heap, found by their offset. */
interface WasmBackend {
  readonly wasm: { readonly HEAPU8: Uint8Array<ArrayBuffer> }
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number | null } }
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo
  disposeData(dataId: object): unknown
}

/** One convolution, rows of pixels last in memory: x [n, h, w, c] and filter [kh, kw, c, channels]. */
interface Convolution {
  readonly images: number
  readonly height: number
  readonly width: number
  readonly channels: number
  readonly outHeight: number
  readonly outWidth: number
  readonly outChannels: number
  readonly filterHeight: number
  readonly filterWidth: number
  readonly stride: readonly [number, number]
  readonly padTop: number
  readonly padLeft: number
}

const BACKEND = 'wasm'
const NAMES = ['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter'] as const

/**
 * Puts the three kernels that training a convolution needs on the wasm backend, as products of patches: patches are
 * gathered into a matrix, and the product is native. The stock backend has no Conv2DBackpropFilter at all.
 *
 * Model code stays plain `tf.conv2d`. When the kernels have no `gemm`, only the missing one is put there, on the backend's own
 * product. Convolutions with dilation or channels first go the plain way. Calling it twice registers once.
 *
 * @returns whether all three are fast; false, and nothing changed, when the wasm backend is not there
 */
export function registerFastConvolution(tf: TensorFlow, kernels: Kernels): boolean {
  const { gemm } = kernels
  const plain = tf.getKernel('Conv2D', BACKEND)
  const plainProduct = tf.getKernel('BatchMatMul', BACKEND)
  if (!plain || !plainProduct) return false
  if (registered.has(plain)) return true
  const plainInput = tf.getKernel('Conv2DBackpropInput', BACKEND)

  /** Patches are gathered here; grown when a larger convolution comes by. */
  let scratch = new Float32Array(0)
  const patchesOf = (conv: Convolution): Float32Array => {
    const { rows, cols } = patchShape(conv)
    if (scratch.length < rows * cols) scratch = new Float32Array(rows * cols)
    return scratch.subarray(0, rows * cols)
  }
  const geometry = (
    inShape: number[],
    filterShape: number[],
    { strides, pad, dataFormat, dimRoundingMode }: Omit<Conv2DAttrs, 'dilations'>,
  ): Convolution => {
    const info = tf.backend_util.computeConv2DInfo(
      inShape as [number, number, number, number],
      filterShape as [number, number, number, number],
      strides,
      1,
      pad,
      dimRoundingMode,
      false,
      tf.backend_util.convertConv2DDataFormat(dataFormat),
    )
    return {
      images: info.batchSize,
      height: info.inHeight,
      width: info.inWidth,
      channels: info.inChannels,
      outHeight: info.outHeight,
      outWidth: info.outWidth,
      outChannels: info.outChannels,
      filterHeight: info.filterHeight,
      filterWidth: info.filterWidth,
      stride: [info.strideHeight, info.strideWidth],
      padTop: info.padInfo.top,
      padLeft: info.padInfo.left,
    }
  }

  const toFilter: KernelConfig['kernelFunc'] = ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo }
    const options = attrs as unknown as Conv2DBackpropFilterAttrs
    const conv = geometry(x.shape, options.filterShape, options)
    const { rows, cols } = patchShape(conv)
    const host = backend as unknown as WasmBackend
    if (!gemm) {
      // Turned over while copied: the backend's product with a transposed operand is many times slower.
      const turned = host.makeOutput([1, cols, rows], 'float32')
      const patches = patchesOf(conv)
      gatherPatches(view(host, x), conv, patches)
      transposeInto(patches, rows, cols, view(host, turned))
      const inputs = { a: turned, b: { ...dy, shape: [1, rows, conv.outChannels] } }
      const product = plainProduct.kernelFunc({ inputs, attrs: { transposeA: false, transposeB: false }, backend })
      host.disposeData(turned.dataId)
      return { ...(product as TensorInfo), shape: options.filterShape }
    }
    const out = host.makeOutput(options.filterShape, 'float32')
    const patches = patchesOf(conv)
    gatherPatches(view(host, x), conv, patches)
    gemm(patches, view(host, dy), view(host, out), { m: cols, n: conv.outChannels, k: rows, transposeA: true })
    return out
  }

  if (!gemm) {
    if (!tf.getKernel('Conv2DBackpropFilter', BACKEND)) {
      tf.registerKernel({ kernelName: 'Conv2DBackpropFilter', backendName: BACKEND, kernelFunc: toFilter })
    }
    return false
  }

  const forward: KernelConfig['kernelFunc'] = ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo }
    const options = attrs as unknown as Conv2DAttrs
    if (options.dataFormat !== 'NHWC' || isDilated(options.dilations)) {
      return plain.kernelFunc({ inputs, attrs, backend })
    }
    const conv = geometry(x.shape, filter.shape, options)
    const { rows, cols } = patchShape(conv)
    const host = backend as unknown as WasmBackend
    // The output first: it may grow the heap, which detaches every view made before.
    const out = host.makeOutput([conv.images, conv.outHeight, conv.outWidth, conv.outChannels], 'float32')
    const patches = patchesOf(conv)
    gatherPatches(view(host, x), conv, patches)
    gemm(patches, view(host, filter), view(host, out), { m: rows, n: conv.outChannels, k: cols })
    return out
  }

  const toInput: KernelConfig['kernelFunc'] = ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo }
    const options = attrs as unknown as Conv2DBackpropInputAttrs
    if (options.dataFormat !== 'NHWC' && plainInput) return plainInput.kernelFunc({ inputs, attrs, backend })
    const conv = geometry(options.inputShape, filter.shape, options)
    const { rows, cols } = patchShape(conv)
    const host = backend as unknown as WasmBackend
    const out = host.makeOutput(options.inputShape, 'float32')
    const patches = patchesOf(conv)
    gemm(view(host, dy), view(host, filter), patches, { m: rows, n: cols, k: conv.outChannels, transposeB: true })
    scatterPatches(patches, conv, view(host, out))
    return out
  }

  const kernelOf = { Conv2D: forward, Conv2DBackpropInput: toInput, Conv2DBackpropFilter: toFilter }
  for (const kernelName of NAMES) {
    const former = tf.getKernel(kernelName, BACKEND)
    const fast: KernelConfig = { ...former, kernelName, backendName: BACKEND, kernelFunc: kernelOf[kernelName] }
    registered.add(fast)
    if (former) tf.unregisterKernel(kernelName, BACKEND)
    tf.registerKernel(fast)
  }
  return true
}

/** Kernels that this file made. */
const registered = new WeakSet<KernelConfig>()

function view(host: WasmBackend, { dataId, shape }: TensorInfo): Float32Array {
  const { memoryOffset } = host.dataIdMap.get(dataId)
  return new Float32Array(
    host.wasm.HEAPU8.buffer,
    memoryOffset ?? 0,
    shape.reduce((all, size) => all * size, 1),
  )
}

const isDilated = (dilations: number | readonly number[]) =>
  typeof dilations === 'number' ? dilations !== 1 : dilations.some((dilation) => dilation !== 1)

/** One row a pixel of the output, one column a weight of a filter. */
const patchShape = (conv: Convolution) => ({
  rows: conv.images * conv.outHeight * conv.outWidth,
  cols: conv.filterHeight * conv.filterWidth * conv.channels,
})

/**
 * Copies every run of values that a patch and the image share, or adds it back. Written twice in one loop, without a call a
 * run: this is as hot as the products themselves.
 */
function movePatches(image: Float32Array, conv: Convolution, patches: Float32Array, isBack: boolean): void {
  const { images, height, width, channels, outHeight, outWidth, filterHeight, filterWidth } = conv
  const { padTop, padLeft } = conv
  const [strideY, strideX] = conv.stride
  const cols = filterHeight * filterWidth * channels
  let row = 0
  for (let i = 0; i < images; i++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++, row++) {
        const left = ox * strideX - padLeft
        const from = left < 0 ? 0 : left
        const to = left + filterWidth > width ? width : left + filterWidth
        const length = (to - from) * channels
        if (length <= 0) continue
        for (let ky = 0; ky < filterHeight; ky++) {
          const y = oy * strideY - padTop + ky
          if (y < 0 || y >= height) continue
          let p = row * cols + (ky * filterWidth + from - left) * channels
          let q = ((i * height + y) * width + from) * channels
          const end = p + length
          if (isBack) while (p < end) image[q++] += patches[p++]
          else while (p < end) patches[p++] = image[q++]
        }
      }
    }
  }
}

function gatherPatches(image: Float32Array, conv: Convolution, patches: Float32Array): void {
  // Only what lies outside of the image has to be zero.
  if (conv.padTop > 0 || conv.padLeft > 0 || reachesBeyond(conv)) patches.fill(0)
  movePatches(image, conv, patches, false)
}

function transposeInto(from: Float32Array, rows: number, cols: number, to: Float32Array): void {
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < cols; c++) to[c * rows + r] = from[at++]
}

function scatterPatches(patches: Float32Array, conv: Convolution, image: Float32Array): void {
  image.fill(0)
  movePatches(image, conv, patches, true)
}

const reachesBeyond = ({ outHeight, outWidth, filterHeight, filterWidth, stride, height, width }: Convolution) =>
  (outHeight - 1) * stride[0] + filterHeight > height || (outWidth - 1) * stride[1] + filterWidth > width
