import { randomToken } from '../kit/ids.ts'
import type { OutboxEntry, OutboxStore } from './outbox-store.ts'

interface Row {
  readonly owner: string
  readonly entry: OutboxEntry
}

/**
 * An outbox in IndexedDB, shared by all pages of an origin. Each page holds a lock (Web Locks) for as long as it lives:
 * what has an owner without a lock was left by a page that is gone. Where there are no Web Locks (an insecure origin, an
 * old browser) every page takes over whatever it finds, so open one at a time there.
 */
export function indexedDbOutbox(name: string): OutboxStore {
  const owner = randomToken(16)
  const lockOf = (id: string) => `spanwire outbox ${name} ${id}`
  let release = () => {}
  let database: Promise<IDBDatabase> | undefined

  async function run<T>(mode: IDBTransactionMode, use: (rows: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    database ??= open(name)
    const transaction = (await database).transaction('events', mode)
    const request = use(transaction.objectStore('events'))
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result)
      transaction.onabort = () => reject(transaction.error)
    })
  }

  /** Who is there. */
  async function living(): Promise<Set<string | undefined>> {
    // Not everywhere, whatever the types say.
    const locks = navigator.locks as LockManager | undefined
    if (!locks) return new Set()
    // Rejects where storage is blocked.
    await new Promise<void>((held, denied) => {
      locks
        .request(lockOf(owner), () => {
          held()
          return new Promise<void>((end) => {
            release = end
          })
        })
        .catch(denied)
    })
    return new Set((await locks.query()).held?.map((lock) => lock.name))
  }

  return {
    async adopt() {
      const alive = await living()
      const found: Array<{ key: IDBValidKey; entry: OutboxEntry }> = []
      await run('readwrite', (rows) => {
        const request = rows.openCursor()
        request.onsuccess = () => {
          const cursor = request.result
          if (!cursor) return
          const row = cursor.value as Row
          if (!alive.has(lockOf(row.owner))) {
            cursor.update({ ...row, owner } satisfies Row)
            found.push({ key: cursor.primaryKey, entry: row.entry })
          }
          cursor.continue()
        }
        return request
      })
      return found
    },
    put: (entry) => run('readwrite', (rows) => rows.add({ owner, entry } satisfies Row)),
    async delete(key) {
      await run('readwrite', (rows) => rows.delete(key as IDBValidKey))
    },
    close() {
      release()
      database?.then(
        (opened) => opened.close(),
        () => {},
      )
    },
  }
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(`spanwire outbox ${name}`, 1)
    request.onupgradeneeded = () => request.result.createObjectStore('events', { autoIncrement: true })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
