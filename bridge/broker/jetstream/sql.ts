/** A value in a statement or row. */
export type SqlValue = string | number | null | Uint8Array | ArrayBuffer

/** A row by the names of its columns. */
export type SqlRow = Readonly<Record<string, SqlValue>>

/** The parts of SQLite that streams use, of Node and of a Durable Object. */
export interface Sql {
  /** Runs a statement. @throws errors of the database */
  run(statement: string, ...values: SqlValue[]): void
  /** Returns all rows. `Row` states the columns of the statement. @throws errors of the database */
  all<Row extends SqlRow>(statement: string, ...values: SqlValue[]): Iterable<Row>
  /** Runs all statements of `run`, or none if it throws. */
  transaction(run: () => void): void
  /** Closes the database. */
  close(): void
}
