import { afterEach, beforeEach, expect } from 'vitest'

/** Each test of the file, or of the `describe` around, leaves no rejection that nobody handles. */
export function expectNoUnhandledRejections(): void {
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', note)
  })
  afterEach(async () => {
    // They are told after the microtasks of a turn.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })
}
