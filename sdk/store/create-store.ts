import { guard, report } from '../kit/guard.ts'

/** Time that a subscription outlives its last listener, in ms: StrictMode and a change of page subscribe again at once. */
const GRACE = 100
/** Longest wait for a frame, in ms. Browsers extend it to 1 s or more in a hidden page. */
const LONGEST_FRAME = 100
/** Time between snapshots without `requestAnimationFrame`, in ms. */
const NO_FRAMES = 16

/**
 * A value that changes, in the shape that UI frameworks require. It contains no framework code. React's
 * `useSyncExternalStore` accepts the three functions.
 */
export interface Store<Snapshot> {
  /**
   * Calls `listener` when there is a new snapshot, at most once for each frame. Returns an `unsubscribe` function. The
   * first listener subscribes to the bus. The subscription ends 100 ms after the last listener has left, unless another
   * one is added. After that, the next listener begins with a new subscription.
   */
  readonly subscribe: (listener: () => void) => () => void
  /** Returns the current snapshot: the same object until it changes. It is never mutated. */
  readonly getSnapshot: () => Snapshot
  /** Returns the snapshot for a server and for hydration: the initial value, always the same object. */
  readonly getServerSnapshot: () => Snapshot
}

/** A store's subscription to the bus. */
export interface Running<Snapshot> {
  /** Returns the current snapshot. Called once for each frame in which it changed. */
  read(): Snapshot
  /** Called if a listener was added before the grace period was over. */
  resume?(): void
  /** Ends the subscription. */
  stop(): void
}

/**
 * Creates a store that is subscribed while it has listeners.
 * @param start subscribes to the bus. It may call `changed` at any rate, also before it returns. It must not throw
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
    due.delete(flush)
    running?.stop()
    running = undefined
  }

  return {
    subscribe(listener) {
      // A function of its own, so that a listener can be added twice.
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

/** Functions of all stores for the next frame, so that a framework renders once for all changes. */
const due = new Set<() => void>()
let cancelFrame: (() => void) | undefined

/** Calls `flush` once, with the next frame. */
function onNextFrame(flush: () => void): void {
  due.add(flush)
  cancelFrame ??= scheduleFrame()
}

/** The timer is for pages without frames: hidden pages, frames out of view, and runtimes without a page. */
function scheduleFrame(): () => void {
  // Looked up on use: they do not exist on a server.
  const page: Partial<typeof globalThis> = globalThis
  const timer = setTimeout(runFrame, page.requestAnimationFrame ? LONGEST_FRAME : NO_FRAMES)
  const frame = page.requestAnimationFrame?.(runFrame)
  return () => {
    clearTimeout(timer)
    if (frame !== undefined) page.cancelAnimationFrame?.(frame)
  }
}

function runFrame(): void {
  cancelFrame?.()
  cancelFrame = undefined
  const flushes = [...due]
  due.clear()
  // An error of one listener does not affect the others.
  for (const flush of flushes) guard(flush, report, [])
}
