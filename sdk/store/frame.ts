import { guard, report } from '../kit/guard.ts'

/**
 * One call per frame for all stores, so that a framework renders once for what came to any of them. Frames don't come
 * to a page that is hidden, to a frame that is out of view, or to no page at all: there a timer does it.
 */

/** Longest wait for a frame, in ms. Browsers stretch it to 1 s or more in a hidden page, which nobody sees. */
const LONGEST = 100
/** Where frames are unknown, in ms. */
const NO_FRAMES = 16

const due = new Set<() => void>()
let disarm: (() => void) | undefined

/** Calls `flush` with the next frame; once, however often it is asked for until then. */
export function onNextFrame(flush: () => void): void {
  due.add(flush)
  disarm ??= arm()
}

/** Takes it back. */
export function offNextFrame(flush: () => void): void {
  due.delete(flush)
}

function arm(): () => void {
  // Not looked up before it is needed: on a server nothing of this exists.
  const { requestAnimationFrame, cancelAnimationFrame } = globalThis as Partial<typeof globalThis>
  const timer = setTimeout(run, requestAnimationFrame ? LONGEST : NO_FRAMES)
  const frame = requestAnimationFrame?.(run)
  return () => {
    clearTimeout(timer)
    if (frame !== undefined) cancelAnimationFrame?.(frame)
  }
}

function run(): void {
  disarm?.()
  disarm = undefined
  const flushes = [...due]
  due.clear()
  // One listener that throws doesn't keep the frame from the others.
  for (const flush of flushes) guard(flush, report, [])
}
