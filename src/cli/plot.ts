export interface Series {
  readonly name: string
  readonly values: readonly number[]
}

export interface Plot {
  readonly title: string
  /** One label a value. */
  readonly labels: readonly string[]
  /** Shares, 0..1. */
  readonly series: readonly Series[]
}

const WIDTH = 640
const HEIGHT = 260
const LEFT = 48
const TOP = 40
const BOTTOM = 40
/** Told apart by shade and by marker, not by hue alone. */
const STYLES = [
  { colour: '#1b6ca8', marker: 'circle' },
  { colour: '#d1495b', marker: 'square' },
] as const

/** Line plots of percentages, one under the other, as an SVG document. */
export function svgPlots(plots: readonly Plot[]): string {
  const height = HEIGHT * plots.length
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n` +
    `${plots.map((plot, i) => `<g transform="translate(0 ${i * HEIGHT})">${onePlot(plot)}</g>`).join('\n')}\n</svg>\n`
  )
}

function onePlot({ title, labels, series }: Plot): string {
  const innerHeight = HEIGHT - TOP - BOTTOM
  const x = (i: number) => LEFT + ((WIDTH - LEFT - 24) * (i + 0.5)) / labels.length
  const y = (share: number) => TOP + innerHeight * (1 - share)
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line x1="${LEFT}" x2="${WIDTH - 24}" y1="${y(share)}" y2="${y(share)}" stroke="#ddd"/>` +
      `<text x="${LEFT - 6}" y="${y(share) + 4}" text-anchor="end">${100 * share}</text>`,
  )
  const ticks = labels.map(
    (label, i) => `<text x="${x(i)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escapeText(label)}</text>`,
  )
  const lines = series.map(({ name, values }, s) => {
    const { colour, marker } = STYLES[s % STYLES.length]
    const points = values.map((value, i) => `${x(i)},${y(value).toFixed(1)}`).join(' ')
    const markers = values.map((value, i) =>
      marker === 'circle'
        ? `<circle cx="${x(i)}" cy="${y(value).toFixed(1)}" r="4" fill="${colour}"/>`
        : `<rect x="${x(i) - 4}" y="${(y(value) - 4).toFixed(1)}" width="8" height="8" fill="${colour}"/>`,
    )
    const legend = `<text x="${WIDTH - 24}" y="${18 + 14 * s}" text-anchor="end" fill="${colour}">${marker === 'circle' ? '\u25cf' : '\u25a0'} ${escapeText(name)}</text>`
    return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"/>${markers.join('')}${legend}`
  })
  return `<text x="${LEFT}" y="18" font-size="14" font-weight="bold">${escapeText(title)}</text>${[...grid, ...ticks, ...lines].join('')}`
}

const escapeText = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
