import { guard, report } from '../kit/guard.ts'
import { offNextFrame, onNextFrame } from './frame.ts'

/** How long a subscription outlives its last listener, in ms: StrictMode and a change of page come back at once. */
const GRACE = 100

/**
 * Something that changes, in the shape that every framework takes. It has no framework's code in it: React's
 * `useSyncExternalStore` takes the three functions as they are.
 */
export interface Store<Snapshot> {
  /**
   * Calls `listener` when there is a new snapshot, at most once a frame. Returns what ends that. The first listener
   * subscribes at the bus; 100 ms after the last has gone that ends, unless one came again. The next one then begins
   * anew.
   */
  readonly subscribe: (listener: () => void) => () => void
  /** What is known now: the same object until something changes, and never changed itself. */
  readonly getSnapshot: () => Snapshot
  /** What a server renders and a page is hydrated with: the value before anything is known. Always the same object. */
  readonly getServerSnapshot: () => Snapshot
}

/** A store's subscription at the bus. */
export interface Running<Snapshot> {
  /** What is known now. Asked for once per frame in which something changed. */
  read(): Snapshot
  /** A listener came before the grace was over. */
  resume?(): void
  stop(): void
}

/**
 * A store that runs while somebody listens.
 * @param start subscribes at the bus; it may call `changed` as often as it likes, and at once. It may not throw
 */
export function createStore<Snapshot>(
  initial: Snapshot,
  start: (changed: () => void, isWatched: () => boolean) => Running<Snapshot>,
): Store<Snapshot> {
  const listeners = new Set<() => void>()
  let snapshot = initial
  let running: Running<Snapshot> | undefined
  let grace: ReturnType<typeof setTimeout> | undefined

  const flush = () => {
    if (!running) return
    snapshot = running.read()
    for (const listener of [...listeners]) guard(listener, report, [])
  }
  const stop = () => {
    grace = undefined
    offNextFrame(flush)
    running?.stop()
    running = undefined
  }

  return {
    subscribe(listener) {
      // Each call counts for itself, also with a listener that is there already.
      const own = () => listener()
      listeners.add(own)
      if (grace !== undefined) {
        clearTimeout(grace)
        grace = undefined
        running?.resume?.()
      }
      if (!running) {
        snapshot = initial
        running = start(
          () => onNextFrame(flush),
          () => listeners.size > 0,
        )
      }
      return () => {
        if (listeners.delete(own) && listeners.size === 0) grace = setTimeout(stop, GRACE)
      }
    },
    getSnapshot: () => snapshot,
    getServerSnapshot: () => initial,
  }
}
