import type { Sql } from './sql.ts'
import type { StreamConfig } from './stream-config.ts'
import type { KeptStream, MessageStore, StoreIndex, StoreRecord, StreamStore } from './stream-store.ts'

/**
 * Streams in a SQLite database, in tables of their own. Other tables are not touched.
 * @throws errors of the database
 */
export function createSqliteStore(sql: Sql): StreamStore {
  return new SqliteStore(sql)
}

/** Bytes, as a host returns them. */
type Blob = Uint8Array | ArrayBuffer

type StreamRow = Readonly<Record<'id' | 'last_seq' | 'last_time', number> & Record<'created' | 'config', string>>

type MessageRow = Readonly<{ time: number; subject: string; headers: Blob | null; payload: Blob }>

class SqliteStore implements StreamStore {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
    sql.run(
      `CREATE TABLE IF NOT EXISTS spanwire_streams (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL, config TEXT NOT NULL,
        last_seq INTEGER NOT NULL, last_time INTEGER NOT NULL)`,
    )
  }

  load(): KeptStream[] {
    const rows = [
      ...this.#sql.all<StreamRow>('SELECT id, created, config, last_seq, last_time FROM spanwire_streams ORDER BY id'),
    ]
    return rows.map(({ id, created, config, last_seq, last_time }) => ({
      config: JSON.parse(config) as StreamConfig,
      created,
      lastSeq: last_seq,
      lastTime: last_time,
      messages: new SqliteMessages(this.#sql, id),
    }))
  }

  create(config: StreamConfig, created: string, lastSeq: number): MessageStore {
    let id = 0
    this.#sql.transaction(() => {
      this.#sql.run(
        'INSERT INTO spanwire_streams (name, created, config, last_seq, last_time) VALUES (?, ?, ?, ?, 0)',
        config.name,
        created,
        JSON.stringify(config),
        lastSeq,
      )
      id = this.#idOf(config.name)
      this.#sql.run(
        `CREATE TABLE spanwire_messages_${id} (
          seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, subject TEXT NOT NULL, headers BLOB, payload BLOB NOT NULL)`,
      )
    })
    return new SqliteMessages(this.#sql, id)
  }

  update(config: StreamConfig): void {
    this.#sql.run('UPDATE spanwire_streams SET config = ? WHERE name = ?', JSON.stringify(config), config.name)
  }

  delete(name: string): void {
    const id = this.#idOf(name)
    this.#sql.transaction(() => {
      this.#sql.run('DELETE FROM spanwire_streams WHERE id = ?', id)
      this.#sql.run(`DROP TABLE spanwire_messages_${id}`)
    })
  }

  close(): void {
    this.#sql.close()
  }

  #idOf(name: string): number {
    const [row] = this.#sql.all<{ id: number }>('SELECT id FROM spanwire_streams WHERE name = ?', name)
    // Ids begin at 1.
    return row?.id ?? 0
  }
}

class SqliteMessages implements MessageStore {
  readonly #sql: Sql
  readonly #id: number
  readonly #statements: { readonly insert: string; readonly read: string; readonly remove: string }

  constructor(sql: Sql, id: number) {
    this.#sql = sql
    this.#id = id
    // Constant texts: hosts cache prepared statements by text.
    this.#statements = {
      insert: `INSERT INTO spanwire_messages_${id} (seq, time, subject, headers, payload) VALUES (?, ?, ?, ?, ?)`,
      read: `SELECT seq, time, subject, headers, payload FROM spanwire_messages_${id} WHERE seq = ?`,
      remove: `DELETE FROM spanwire_messages_${id} WHERE seq = ?`,
    }
  }

  load(): Iterable<StoreIndex> {
    // Not StoreIndex itself: an interface is not assignable to a record.
    return this.#sql.all<Pick<StoreIndex, keyof StoreIndex>>(
      `SELECT seq, time, subject, coalesce(length(headers), 0) AS headers, length(payload) AS payload
       FROM spanwire_messages_${this.#id} ORDER BY seq`,
    )
  }

  append(records: readonly StoreRecord[]): void {
    const appendAll = () => {
      for (const { seq, time, subject, headers, payload } of records)
        this.#sql.run(this.#statements.insert, seq, time, subject, headers ?? null, payload)
    }
    if (records.length === 1) appendAll()
    else this.#sql.transaction(appendAll)
  }

  read(seq: number): StoreRecord | undefined {
    for (const row of this.#sql.all<MessageRow>(this.#statements.read, seq)) {
      return {
        seq,
        time: row.time,
        subject: row.subject,
        ...(row.headers && { headers: toBytes(row.headers) }),
        payload: toBytes(row.payload),
      }
    }
    return undefined
  }

  remove(seqs: readonly number[], last?: { readonly seq: number; readonly time: number }): void {
    const removeAll = () => {
      for (const seq of seqs) this.#sql.run(this.#statements.remove, seq)
      if (last) {
        const statement = 'UPDATE spanwire_streams SET last_seq = ?, last_time = ? WHERE id = ?'
        this.#sql.run(statement, last.seq, last.time, this.#id)
      }
    }
    if (seqs.length === 1 && !last) removeAll()
    else this.#sql.transaction(removeAll)
  }
}

function toBytes(value: Blob): Uint8Array {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value
}
