export type SqlValue = string | number | null | Uint8Array | ArrayBuffer

/** The little of SQLite that streams need: Node's, and that of a Durable Object. */
export interface Sql {
  /** @throws what the database throws */
  run(statement: string, ...values: SqlValue[]): void
  all(statement: string, ...values: SqlValue[]): Iterable<Readonly<Record<string, SqlValue>>>
  /** All or nothing. */
  transaction(run: () => void): void
  close(): void
}
