import { afterEach, beforeEach, expect } from 'vitest'

/** Fails each test of the file, or of the surrounding `describe`, that leaves an unhandled rejection. */
export function expectNoUnhandledRejections(): void {
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', note)
  })
  afterEach(async () => {
    // Node reports them after the microtasks of a turn.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })
}
