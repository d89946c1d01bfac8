import { notInstalled } from '../../sdk/kit/optional-package.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** A fake clock for the timers and dates of the whole process, like the fake timers of test runners. */
export interface TestClock {
  /** Now, in ms since 1970. */
  readonly now: number
  /** Advances time by `ms`. Each timer runs at its time, and its effects settle before the next timer runs. */
  advance(ms: number): Promise<void>
}

/** Faked globals. Promises and the event loop stay real. */
const TIMERS = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] as const

/** Loads the package synchronously, because `createTestBridge` is synchronous. Browsers cannot do that. */
function loadFakeTimers(): typeof import('@sinonjs/fake-timers') {
  try {
    return process.getBuiltinModule('node:module').createRequire(import.meta.url)('@sinonjs/fake-timers')
  } catch (cause) {
    return notInstalled("clock: 'fake' (on Node, Deno and Bun)", '@sinonjs/fake-timers')(cause)
  }
}

function install() {
  const { withGlobal } = loadFakeTimers()
  try {
    return withGlobal(globalThis as never).install({ now: Date.now(), toFake: [...TIMERS] })
  } catch (cause) {
    throw new SpanwireError(
      'invalid-argument',
      "Time is already faked. First end the runner's fake timers (such as vi.useRealTimers()), or close the other test bridge with clock: 'fake'.",
      { cause },
    )
  }
}

/** @param settle waits for the effects of a timer */
export function installClock(settle: () => Promise<void>): { readonly clock: TestClock; uninstall(): void } {
  const timers = install()
  const clock: TestClock = {
    get now() {
      return timers.now
    },
    async advance(ms) {
      await settle()
      let isOver = false
      timers.setTimeout(() => {
        isOver = true
      }, ms)
      while (!isOver) {
        timers.next()
        await settle()
      }
      // Timers that were set later for the same time.
      timers.tick(0)
      await settle()
    },
  }
  return { clock, uninstall: () => timers.uninstall() }
}

// A message port is real while test runners fake timers.
const { port1, port2 } = new MessageChannel()
const { setTimeout } = globalThis
const pending: Array<() => void> = []
let isReleasing = false
port1.onmessage = () => pending.shift()?.()
unref()

/** Resolves in a later turn of the event loop, also while timers are faked. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    pending.push(() => {
      release()
      resolve()
    })
    ref()
    port2.postMessage(undefined)
  })
}

/** An active port keeps the process alive. In a later turn, because Deno ignores `unref` in a message handler. */
function release(): void {
  if (pending.length > 0 || isReleasing) return
  isReleasing = true
  setTimeout(() => {
    isReleasing = false
    if (pending.length === 0) unref()
  }, 0)
}

function unref(): void {
  ;(port1 as { unref?: () => void }).unref?.()
}
function ref(): void {
  ;(port1 as { ref?: () => void }).ref?.()
}
