import type { Sql, SqlRow, SqlValue } from './sql.ts'

type ObjectValue = string | number | null | ArrayBuffer

/** The parts of a Durable Object's storage that this file uses. */
export interface ObjectSqlStorage {
  readonly sql: {
    exec<Row extends SqlRow>(
      statement: string,
      ...values: ObjectValue[]
    ): {
      toArray(): Row[]
      [Symbol.iterator](): Iterator<Row>
    }
  }
  transactionSync<T>(run: () => T): T
}

/** The SQLite database of a Durable Object. Its output gate delays messages until earlier writes are durable. */
export function openObjectSql(storage: ObjectSqlStorage): Sql {
  return {
    run: (statement, ...values) => void storage.sql.exec(statement, ...values.map(toObjectValue)).toArray(),
    all: <Row extends SqlRow>(statement: string, ...values: SqlValue[]) =>
      storage.sql.exec<Row>(statement, ...values.map(toObjectValue)),
    transaction: (run) => storage.transactionSync(run),
    close: () => {},
  }
}

/** Copies a view of a larger buffer, which would be refused or stored as a whole. */
function toObjectValue(value: SqlValue): ObjectValue {
  if (!(value instanceof Uint8Array)) return value
  return value.byteLength === value.buffer.byteLength
    ? (value.buffer as ArrayBuffer)
    : (value.slice().buffer as ArrayBuffer)
}
