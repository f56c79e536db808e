/** JSON for machines, or lines for people, on standard output. */
export function print(isJson: boolean | undefined, figures: object, lines: readonly string[]): void {
  process.stdout.write(isJson ? `${JSON.stringify(figures, null, 2)}\n` : `${lines.join('\n')}\n`)
}

/** Columns as wide as their widest cell; the first is aligned left, the others right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  )
}

export function markdownTable(rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const [head, ...body] = rows
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...body.map(line)]
}

export const percent = (share: number) => (100 * share).toFixed(1)
