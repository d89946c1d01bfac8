/** A value in a statement or row. */
export type SqlValue = string | number | null | Uint8Array | ArrayBuffer

/** The parts of SQLite that streams use, of Node and of a Durable Object. */
export interface Sql {
  /** Runs a statement. @throws errors of the database */
  run(statement: string, ...values: SqlValue[]): void
  /** Returns all rows. @throws errors of the database */
  all(statement: string, ...values: SqlValue[]): Iterable<Readonly<Record<string, SqlValue>>>
  /** Runs all statements of `run`, or none if it throws. */
  transaction(run: () => void): void
  /** Closes the database. */
  close(): void
}
