/** A cell, and the same with colours where it has any. */
export type Cell = string | { readonly text: string; readonly painted: string }

/** Lines of a table: columns as wide as their widest cell, two blanks apart. The last column is not padded. */
export function formatTable(head: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string[] {
  const all: ReadonlyArray<readonly Cell[]> = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => textOf(row[column]).length)))
  return all.map((row) =>
    head
      .map((_, column) => {
        const cell = row[column]
        const padding = column === head.length - 1 ? 0 : (widths[column] ?? 0) - textOf(cell).length
        return paintedOf(cell) + ' '.repeat(padding)
      })
      .join('  ')
      .trimEnd(),
  )
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === 'object' ? cell.text : (cell ?? '')
}

function paintedOf(cell: Cell | undefined): string {
  return typeof cell === 'object' ? cell.painted : (cell ?? '')
}
