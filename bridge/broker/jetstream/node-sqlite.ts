import { messageOf } from '../../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { Sql, SqlRow, SqlValue } from './sql.ts'

/** The parts of `node:sqlite` that this file uses. */
interface Database {
  exec(statement: string): void
  prepare(statement: string): {
    run(...values: SqlValue[]): unknown
    iterate<Row extends SqlRow>(...values: SqlValue[]): Iterable<Row>
  }
  close(): void
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string) => Database
}

declare const process: { getBuiltinModule?(name: string): unknown } | undefined

/**
 * Opens a database file with `node:sqlite` (Node 22.13 and later, and compatible runtimes).
 *
 * Written messages survive the end of the process. A power failure may lose the last ones, as with nats-server's defaults.
 * @throws SpanwireError `unsupported` without `node:sqlite`, `invalid-argument` if the file can't be opened
 */
export function openSqlite(path: string): Sql {
  const sqlite = load()
  if (!sqlite)
    throw new SpanwireError(
      'unsupported',
      'This runtime has no node:sqlite, which Node has since 22.13. Keep streams in memory, or use nats-server.',
    )
  let database: Database
  try {
    database = new sqlite.DatabaseSync(path)
    // Exclusive: a second process would assign the same sequences.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    database.exec('CREATE TABLE IF NOT EXISTS spanwire_lock (id INTEGER); DELETE FROM spanwire_lock')
  } catch (cause) {
    const why = messageOf(cause)
    throw new SpanwireError(
      'invalid-argument',
      `Can't store streams in ${path}: ${why}. Check whether another process uses the file.`,
      {
        cause,
      },
    )
  }
  const statements = new Map<string, ReturnType<Database['prepare']>>()
  const prepare = (statement: string) => {
    let prepared = statements.get(statement)
    if (!prepared) {
      prepared = database.prepare(statement)
      statements.set(statement, prepared)
    }
    return prepared
  }
  return {
    run: (statement, ...values) => void prepare(statement).run(...values),
    // As an array: the same statement may run again before the caller has read all rows.
    all: <Row extends SqlRow>(statement: string, ...values: SqlValue[]) => [
      ...prepare(statement).iterate<Row>(...values),
    ],
    transaction(run) {
      database.exec('BEGIN')
      try {
        run()
        database.exec('COMMIT')
      } catch (error) {
        database.exec('ROLLBACK')
        throw error
      }
    },
    close() {
      statements.clear()
      database.close()
    },
  }
}

function load(): SqliteModule | undefined {
  try {
    return process?.getBuiltinModule?.('node:sqlite') as SqliteModule | undefined
  } catch {
    return undefined
  }
}
