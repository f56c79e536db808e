export interface Curve {
  readonly name: string
  /** Shares, 0..1: the mean, and the lowest and highest of the seeds. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly low: number; readonly high: number }[]
}

const WIDTH = 720
const HEIGHT = 400
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 190, 44, 48]
/** Told apart by marker and dash, not by hue alone. */
const STYLES = [
  { colour: '#333333', dash: '', marker: 'square' },
  { colour: '#1b6ca8', dash: '', marker: 'circle' },
  { colour: '#2f8f5b', dash: '', marker: 'diamond' },
  { colour: '#8c5fb0', dash: '', marker: 'square' },
  { colour: '#888888', dash: '6 4', marker: 'none' },
  { colour: '#d1495b', dash: '2 3', marker: 'diamond' },
] as const

/** Curves over whole numbers, with a bar from the lowest to the highest seed at each point, as an SVG document. */
export function curvePlot(title: string, axis: string, curves: readonly Curve[]): string {
  const points = curves.flatMap((curve) => curve.points)
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b)
  const low = Math.floor(20 * Math.min(...points.map((point) => point.low))) / 20
  const high = Math.ceil(20 * Math.max(...points.map((point) => point.high))) / 20
  const [left, right] = [xs[0], xs.at(-1) as number]
  const x = (value: number) => LEFT + ((WIDTH - LEFT - RIGHT) * (value - left + 0.25)) / (right - left + 0.5)
  const y = (share: number) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - share)) / (high - low || 1)
  const steps = Array.from({ length: Math.round((high - low) * 20) + 1 }, (_, i) => low + i / 20)
  const grid = steps.map(
    (share) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(share).toFixed(1)}" y2="${y(share).toFixed(1)}" stroke="#ddd"/>` +
      `<text x="${LEFT - 8}" y="${(y(share) + 4).toFixed(1)}" text-anchor="end">${Math.round(100 * share)} %</text>`,
  )
  const ticks = xs.map(
    (value) => `<text x="${x(value).toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${value}</text>`,
  )
  const lines = curves.map(({ name, points: own }, i) => {
    const { colour, dash, marker } = STYLES[i % STYLES.length]
    const path = own.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(' ')
    const bars = own.map(
      (point) =>
        `<line x1="${x(point.x).toFixed(1)}" x2="${x(point.x).toFixed(1)}" y1="${y(point.low).toFixed(1)}" y2="${y(point.high).toFixed(1)}" stroke="${colour}" stroke-width="3" stroke-opacity="0.35"/>`,
    )
    const marks = own.map((point) => mark(marker, x(point.x), y(point.y), colour))
    const row = TOP + 12 + 22 * i
    const legend =
      `<line x1="${WIDTH - RIGHT + 14}" x2="${WIDTH - RIGHT + 42}" y1="${row}" y2="${row}" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>` +
      mark(marker, WIDTH - RIGHT + 28, row, colour) +
      `<text x="${WIDTH - RIGHT + 50}" y="${row + 4}">${escapeText(name)}</text>`
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>${bars.join('')}${marks.join('')}${legend}`
  })
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">\n` +
    `<rect width="100%" height="100%" fill="#fff"/>\n` +
    `<text x="${LEFT}" y="24" font-size="15" font-weight="bold">${escapeText(title)}</text>\n` +
    `${[...grid, ...ticks, ...lines].join('\n')}\n` +
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escapeText(axis)}</text>\n</svg>\n`
  )
}

function mark(kind: (typeof STYLES)[number]['marker'], x: number, y: number, colour: string): string {
  if (kind === 'none') return ''
  if (kind === 'circle') return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="${colour}"/>`
  const turn = kind === 'diamond' ? ` transform="rotate(45 ${x.toFixed(1)} ${y.toFixed(1)})"` : ''
  return `<rect x="${(x - 3.5).toFixed(1)}" y="${(y - 3.5).toFixed(1)}" width="7" height="7" fill="${colour}"${turn}/>`
}

const escapeText = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
