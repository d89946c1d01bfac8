import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { Sql, SqlValue } from './sql.ts'

/** The parts of `node:sqlite` that are used here, by their shape. */
interface Database {
  exec(statement: string): void
  prepare(statement: string): {
    run(...values: SqlValue[]): unknown
    iterate(...values: SqlValue[]): Iterable<Record<string, SqlValue>>
  }
  close(): void
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string) => Database
}

declare const process: { getBuiltinModule?(name: string): unknown } | undefined

/**
 * A database file by `node:sqlite` (Node 22.13 and later, and runtimes that have it too).
 *
 * What was written survives the end of the process at once; a loss of power may take the last messages, as with
 * nats-server's defaults.
 * @throws SpanwireError `unsupported` where there is no `node:sqlite`, `invalid-argument` if the file can't be opened
 */
export function openSqlite(path: string): Sql {
  const sqlite = load()
  if (!sqlite)
    throw new SpanwireError(
      'unsupported',
      'This runtime has no node:sqlite (Node has it from 22.13 on): keep streams in memory, or use nats-server.',
    )
  let database: Database
  try {
    database = new sqlite.DatabaseSync(path)
    // One process at a time: a second one would number messages on its own.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    database.exec('CREATE TABLE IF NOT EXISTS spanwire_lock (id INTEGER); DELETE FROM spanwire_lock')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SpanwireError('invalid-argument', `Can't keep streams in ${path}: ${why}. Is another process using it?`, {
      cause,
    })
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
    // Another statement of the same text may run before the first is at its end.
    all: (statement, ...values) => [...prepare(statement).iterate(...values)],
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
