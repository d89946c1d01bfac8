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
 * Stores cursors in the browser's `localStorage`, under `prefix` and the key. Where storage is denied or full, it writes a
 * warning, and a subscription begins at its `from` after a reload.
 *
 * @example
 *     bus.on('chat.{room}.message', show, { from: 'all', cursorStore: localStorageCursors() })
 */
export function localStorageCursors(prefix = 'spanwire:'): CursorStore {
  let isWarned = false
  const guarded = <T>(use: () => T): T | undefined => {
    try {
      return use()
    } catch (error) {
      if (!isWarned) console.warn('spanwire: localStorage is unavailable. Cursors do not survive a reload.', error)
      isWarned = true
      return undefined
    }
  }
  return {
    get: (key) => guarded(() => localStorage.getItem(prefix + key)) ?? undefined,
    set: (key, cursor) => guarded(() => localStorage.setItem(prefix + key, cursor)),
  }
}
