import { notInstalled } from '../../sdk/kit/optional-package.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Time that passes when a test says so: for the timers and dates of the whole process, as those of test runners. */
export interface TestClock {
  /** Now, in ms since 1970. */
  readonly now: number
  /** Lets `ms` pass. Each timer runs at its time, and what it brings about arrives before the next one runs. */
  advance(ms: number): Promise<void>
}

/** What is faked: not what promises and the event loop need to go on. */
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
      "Time is faked already: end the runner's fake timers (such as vi.useRealTimers()), or close the other bridge of clock: 'fake', first.",
      { cause },
    )
  }
}

/** @param settle waits for what a timer brought about */
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
      // Those of the same moment that were set later.
      timers.tick(0)
      await settle()
    },
  }
  return { clock, uninstall: () => timers.uninstall() }
}
