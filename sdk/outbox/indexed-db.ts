import { randomToken } from '../kit/ids.ts'
import type { OutboxEntry, OutboxStore } from './outbox-store.ts'

interface Row {
  readonly owner: string
  /** Unique for its owner. Keys are not: a database that was deleted and created again counts from 1. */
  readonly mark: number
  readonly entry: OutboxEntry
}

/** Identifies a row. */
interface Place {
  readonly key: IDBValidKey
  readonly mark: number
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
  let lastMark = 0

  /** Opens the database. Opens it again after the browser or another page closed it. */
  async function opened(): Promise<IDBDatabase> {
    const opening = database ?? open(name)
    database = opening
    const forget = () => {
      if (database === opening) database = undefined
    }
    try {
      const own = await opening
      own.onclose = forget
      // `deleteDatabase` waits until all pages have closed the database, and every later `open` waits for it.
      own.onversionchange = () => {
        forget()
        own.close()
      }
      return own
    } catch (error) {
      forget()
      throw error
    }
  }

  /** Runs a transaction. Repeats it once: a browser that closes the database aborts its transactions. */
  async function run<T>(use: (rows: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const own = await opened()
    try {
      return await transact(own, use)
    } catch {
      // The database is closing, or was deleted.
      if ((await database?.catch(() => undefined)) === own) database = undefined
      return transact(await opened(), use)
    }
  }

  /** Takes this page's lock. Returns the names of all locks that are held. */
  async function living(): Promise<Set<string | undefined>> {
    // Undefined in some browsers, contrary to its type.
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
      const found: Array<{ key: Place; entry: OutboxEntry }> = []
      await run((rows) => {
        found.length = 0
        const request = rows.openCursor()
        request.onsuccess = () => {
          const cursor = request.result
          if (!cursor) return
          const row: Row = cursor.value
          if (!alive.has(lockOf(row.owner))) {
            const mark = ++lastMark
            cursor.update({ ...row, owner, mark } satisfies Row)
            found.push({ key: { key: cursor.primaryKey, mark }, entry: row.entry })
          }
          cursor.continue()
        }
        return request
      })
      return found
    },
    async put(entry) {
      const mark = ++lastMark
      const key = await run((rows) => rows.add({ owner, mark, entry } satisfies Row))
      return { key, mark } satisfies Place
    },
    async delete(place) {
      const { key, mark } = place as Place
      await run((rows) => {
        const request = rows.get(key)
        request.onsuccess = () => {
          const row = request.result as Row | undefined
          if (row?.owner === owner && row.mark === mark) rows.delete(key)
        }
        return request
      })
    },
    close() {
      release()
      database?.then(
        (own) => own.close(),
        () => {},
      )
    },
  }
}

/** Rejects if the transaction is aborted. Throws if the database is closing. */
function transact<T>(own: IDBDatabase, use: (rows: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const transaction = own.transaction('events', 'readwrite')
  const request = use(transaction.objectStore('events'))
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result)
    transaction.onabort = () => reject(transaction.error)
  })
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(`spanwire outbox ${name}`, 1)
    request.onupgradeneeded = () => request.result.createObjectStore('events', { autoIncrement: true })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
