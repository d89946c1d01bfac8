import { vi } from 'vitest'

/** Controls animation frames, and timers, which stores use where no frame is rendered. */
export interface Frames {
  /** Runs the callbacks of the next frame. */
  next(): void
  /** Number of callbacks that wait for a frame. */
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

/** Runs pending callbacks, as all stores share the frames, and restores the globals. */
export function releaseFrames(): void {
  vi.runOnlyPendingTimers()
  vi.runOnlyPendingTimers()
  vi.unstubAllGlobals()
  vi.useRealTimers()
}
