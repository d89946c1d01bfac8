import type { Sql, SqlValue } from './sql.ts'

/** The parts of a Durable Object's storage that are used here, by their shape. */
export interface ObjectSqlStorage {
  readonly sql: {
    exec(
      statement: string,
      ...values: Array<string | number | null | ArrayBuffer>
    ): {
      toArray(): Array<Record<string, SqlValue>>
      [Symbol.iterator](): Iterator<Record<string, SqlValue>>
    }
  }
  transactionSync<T>(run: () => T): T
}

/** The SQLite of a Durable Object. Its output gate holds whatever is sent until what was written before is safe. */
export function openObjectSql(storage: ObjectSqlStorage): Sql {
  return {
    run: (statement, ...values) => void storage.sql.exec(statement, ...values.map(toObjectValue)).toArray(),
    all: (statement, ...values) => storage.sql.exec(statement, ...values.map(toObjectValue)),
    transaction: (run) => storage.transactionSync(run),
    close: () => {},
  }
}

/** A view of a larger buffer would be refused, or stored with all of it. */
function toObjectValue(value: SqlValue): string | number | null | ArrayBuffer {
  if (!(value instanceof Uint8Array)) return value
  return value.byteLength === value.buffer.byteLength
    ? (value.buffer as ArrayBuffer)
    : (value.slice().buffer as ArrayBuffer)
}
