/**
 * Keeps cursors between sessions. `set` is called after events were handled, not for each one; the next call waits until
 * the last is done.
 */
export interface CursorStore {
  get(key: string): Promise<string | undefined> | string | undefined
  set(key: string, cursor: string): Promise<void> | void
}

/** Cursors in the browser's `localStorage`, under `prefix` and the key. */
export function localStorageCursors(prefix = 'spanwire:'): CursorStore {
  return {
    get: (key) => localStorage.getItem(prefix + key) ?? undefined,
    set: (key, cursor) => localStorage.setItem(prefix + key, cursor),
  }
}
