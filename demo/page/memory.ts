/** Stores a choice for the next visit, if the browser permits it. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // The browser denies storage to this page. The visitor has to choose again.
  }
}

/** Returns the choice that {@link remember} stored. */
export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined
  } catch {
    return undefined
  }
}
