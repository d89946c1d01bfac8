import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Results by client and feature. */
export class ConformanceTable {
  readonly #columns: string[] = []
  readonly #rows = new Map<string, Map<string, boolean>>()

  record(client: string, endpoint: string, feature: string, passed: boolean): void {
    const column = `${client} at ${endpoint}`
    if (!this.#columns.includes(column)) this.#columns.push(column)
    const row = this.#rows.get(feature) ?? new Map<string, boolean>()
    row.set(column, passed)
    this.#rows.set(feature, row)
  }

  toMarkdown(): string {
    const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
    const mark = (passed: boolean | undefined) => (passed === undefined ? 'not run' : passed ? 'yes' : 'NO')
    return [
      line(['feature', ...this.#columns]),
      line(['feature', ...this.#columns].map(() => '---')),
      ...[...this.#rows].map(([feature, row]) =>
        line([feature, ...this.#columns.map((column) => mark(row.get(column)))]),
      ),
      '',
    ].join('\n')
  }

  /** Prints the table, and writes it to `file`. */
  async publish(title: string, file: string): Promise<void> {
    const markdown = this.toMarkdown()
    process.stdout.write(`\n${title}\n\n${markdown}\n`)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, `${title}\n\n${markdown}`)
  }
}
