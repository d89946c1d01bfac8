import type { CursorStore } from '../contract/cursor-store.ts'

/**
 * Writes a cursor to a store: one write at a time, always the newest cursor. Errors are written to the console. The next
 * cursor repeats a failed write.
 */
export function keepCursor(store: CursorStore, key: string): (cursor: string) => void {
  let newest: string | undefined
  let writing = false

  async function write(): Promise<void> {
    writing = true
    // Events of one turn cause one write.
    await null
    while (newest !== undefined) {
      const cursor = newest
      newest = undefined
      try {
        await store.set(key, cursor)
      } catch (error) {
        console.error(`spanwire: the cursor ${key} was not stored`, error)
      }
    }
    writing = false
  }

  return (cursor) => {
    newest = cursor
    if (!writing) void write()
  }
}
