export interface CurvePlot {
  readonly title: string
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[]
}

const WIDTH = 640
const HEIGHT = 300
const LEFT = 48
const RIGHT = 150
const TOP = 36
const BOTTOM = 36
/** Told apart by dash and marker, not by hue alone. */
const STYLES = [
  { colour: '#1b6ca8', dash: '', marker: '●' },
  { colour: '#777777', dash: '2 3', marker: '■' },
  { colour: '#d1495b', dash: '6 3', marker: '▲' },
  { colour: '#b07d10', dash: '8 3 2 3', marker: '◆' },
] as const

/** Curves over a logarithmic axis (0 stands at its left end), one plot under the other, as an SVG document. */
export function curvePlots(plots: readonly CurvePlot[]): string {
  const height = HEIGHT * plots.length
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n` +
    `${plots.map((plot, i) => `<g transform="translate(0 ${i * HEIGHT})">${onePlot(plot)}</g>`).join('\n')}\n</svg>\n`
  )
}

function onePlot({ title, series }: CurvePlot): string {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b)
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y))
  const [low, high] = [Math.floor(Math.min(...ys) / 5) * 5, Math.ceil(Math.max(...ys) / 5) * 5]
  const least = xs.find((x) => x > 0) ?? 1
  const position = (x: number) => Math.log2(Math.max(least / 2, x) / (least / 2))
  const span = position(xs.at(-1) ?? 1)
  const px = (x: number) => LEFT + ((WIDTH - LEFT - RIGHT) * position(x)) / span
  const py = (y: number) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - y)) / Math.max(1, high - low)
  const step = Math.max(5, Math.ceil((high - low) / 25) * 5)
  const grid: string[] = []
  for (let y = low; y <= high; y += step) {
    grid.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${py(y)}" y2="${py(y)}" stroke="#ddd"/>` +
        `<text x="${LEFT - 6}" y="${py(y) + 4}" text-anchor="end">${y}</text>`,
    )
  }
  const ticks = xs.map((x) => `<text x="${px(x)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${x}</text>`)
  const lines = series.map(({ name, points }, s) => {
    const { colour, dash, marker } = STYLES[s % STYLES.length]
    const path = points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ')
    const marks = points.map(
      ([x, y]) =>
        `<text x="${px(x).toFixed(1)}" y="${(py(y) + 4).toFixed(1)}" text-anchor="middle" fill="${colour}">${marker}</text>`,
    )
    const at = TOP + 16 + 18 * s
    return (
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>${marks.join('')}` +
      `<text x="${WIDTH - RIGHT + 12}" y="${at}" fill="${colour}">${marker} ${name}</text>`
    )
  })
  return `<text x="${LEFT}" y="20" font-size="14" font-weight="bold">${title}</text>${[...grid, ...ticks, ...lines].join('')}`
}
