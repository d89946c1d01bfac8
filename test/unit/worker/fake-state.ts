import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { ObjectState } from '../../../worker/index.ts'

/** A Durable Object's state with a database of Node in place of workerd. */
export function fakeState(): ObjectState {
  const database = new DatabaseSync(':memory:')
  const exec = (statement: string, ...values: SQLInputValue[]) => {
    const rows = database.prepare(statement).all(...values)
    return { toArray: () => rows, [Symbol.iterator]: () => rows[Symbol.iterator]() }
  }
  const storage = { sql: { exec }, transactionSync: <T>(run: () => T) => run(), setAlarm: async () => {}, kv: {} }
  return { storage, getWebSockets: () => [], acceptWebSocket() {} } as unknown as ObjectState
}
