/** Keeps a choice for the next visit, where the browser lets us. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Storage is refused to this page: then it is asked again next time.
  }
}

/** What {@link remember} kept. */
export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined
  } catch {
    return undefined
  }
}
