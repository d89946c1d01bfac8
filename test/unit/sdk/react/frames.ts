import { vi } from 'vitest'

/** Animation frames that come when the test says so; timers too, as they are the way out where no frame comes. */
export interface Frames {
  /** What was asked for in this frame runs. */
  next(): void
  /** How many callbacks wait for a frame. */
  readonly waiting: number
}

export function controlFrames(): Frames {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const callbacks = new Map<number, () => void>()
  let last = 0
  vi.stubGlobal('requestAnimationFrame', (callback: () => void) => {
    callbacks.set(++last, callback)
    return last
  })
  vi.stubGlobal('cancelAnimationFrame', (id: number) => callbacks.delete(id))
  return {
    next() {
      const due = [...callbacks.values()]
      callbacks.clear()
      for (const callback of due) callback()
    },
    get waiting() {
      return callbacks.size
    },
  }
}

/** Nothing of one test is left for the next: frames are shared by all stores. */
export function releaseFrames(): void {
  vi.runOnlyPendingTimers()
  vi.runOnlyPendingTimers()
  vi.unstubAllGlobals()
  vi.useRealTimers()
}
