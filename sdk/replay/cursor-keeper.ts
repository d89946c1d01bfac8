import type { CursorStore } from '../contract/cursor-store.ts'

/**
 * Writes a cursor to a store as it moves: one write at a time, the newest that there is. What fails is told, and
 * written with the next.
 */
export function keepCursor(store: CursorStore, key: string): (cursor: string) => void {
  let wanted: string | undefined
  let writing = false

  async function write(): Promise<void> {
    writing = true
    // Events that come in one turn are one write.
    await null
    while (wanted !== undefined) {
      const cursor = wanted
      wanted = undefined
      try {
        await store.set(key, cursor)
      } catch (error) {
        console.error(`spanwire: the cursor ${key} can't be kept`, error)
      }
    }
    writing = false
  }

  return (cursor) => {
    wanted = cursor
    if (!writing) void write()
  }
}
