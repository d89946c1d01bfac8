/**
 * Stores cursors between sessions. `set` is called after events were handled, not for each event. A call waits until the
 * call before it has settled.
 */
export interface CursorStore {
  /** Returns the cursor of a key. Undefined if there is none. */
  get(key: string): Promise<string | undefined> | string | undefined
  /** Stores the cursor of a key. */
  set(key: string, cursor: string): Promise<void> | void
}

/**
 * Stores cursors in the browser's `localStorage`, under `prefix` and the key.
 *
 * @example
 *     bus.on('chat.{room}.message', show, { from: 'all', cursorStore: localStorageCursors() })
 */
export function localStorageCursors(prefix = 'spanwire:'): CursorStore {
  return {
    get: (key) => localStorage.getItem(prefix + key) ?? undefined,
    set: (key, cursor) => localStorage.setItem(prefix + key, cursor),
  }
}
