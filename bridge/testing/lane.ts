/** One direction of a connection: what is sent arrives in order, a moment later, and waits while nothing gets through. */
export interface Lane {
  send(deliver: () => void): void
  /** Goes on after something kept it. */
  flow(): void
  /** What hasn't arrived never will. */
  clear(): void
}

/** @param mayPass asked before each moment; @param moved told of everything that arrives */
export function createLane(mayPass: () => boolean, moved: () => void): Lane {
  let waiting: Array<() => void> = []
  let isDue = false
  const flow = () => {
    if (isDue || waiting.length === 0 || !mayPass()) return
    isDue = true
    // A promise, because test runners fake timers, and some `queueMicrotask`.
    Promise.resolve().then(() => {
      isDue = false
      for (let deliver = next(); deliver; deliver = next()) {
        moved()
        deliver()
      }
    })
  }
  const next = () => (mayPass() ? waiting.shift() : undefined)
  return {
    send(deliver) {
      waiting.push(deliver)
      flow()
    },
    flow,
    clear() {
      waiting = []
    },
  }
}
