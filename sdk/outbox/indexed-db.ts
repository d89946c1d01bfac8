import { randomToken } from '../kit/ids.ts'
import type { OutboxEntry, OutboxStore } from './outbox-store.ts'

interface Row {
  readonly owner: string
  readonly entry: OutboxEntry
}

/**
 * An outbox in IndexedDB that all pages of an origin share. Each page holds a lock (Web Locks) while it exists. Entries
 * whose owner has no lock belong to a page that has ended. Without Web Locks (an insecure origin, an old browser) each page
 * takes over all entries, so use one page at a time there.
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

  /** Takes this page's lock. Returns the names of all locks that are held. */
  async function heldLocks(): Promise<Set<string | undefined>> {
    // Undefined in some browsers, contrary to its type.
    const { locks }: { readonly locks?: LockManager } = navigator
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
      const alive = await heldLocks()
      const found: Array<{ key: IDBValidKey; entry: OutboxEntry }> = []
      await run('readwrite', (rows) => {
        const request = rows.openCursor()
        request.onsuccess = () => {
          const cursor = request.result
          if (!cursor) return
          const row: Row = cursor.value
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
      // `put` has returned it.
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
