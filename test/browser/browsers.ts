import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { launchChromium } from '../support/chromium.ts'
import { launchFirefox } from '../support/firefox.ts'

const run = promisify(execFile)

/** What the life tests need of a page, in whatever browser. */
export interface BrowserPage {
  goto(url: string): Promise<unknown>
  exposeFunction(name: string, call: () => unknown): Promise<unknown>
  waitForFunction(holds: () => boolean): Promise<unknown>
  evaluate<T, Argument>(run: (argument: Argument) => T | Promise<T>, argument: Argument): Promise<T>
  evaluate<T>(run: () => T | Promise<T>): Promise<T>
  /** As the browser's own switch, or the cable. */
  setOffline(isOffline: boolean): Promise<void>
  close(): Promise<void>
}

/** A browser that runs. */
export interface RunningBrowser {
  newPage(): Promise<BrowserPage>
  /** Of all its parts. */
  pids(): Promise<number[]>
  close(): Promise<void>
}

async function startChromium(): Promise<RunningBrowser> {
  const browser = await launchChromium()
  return {
    async newPage() {
      const page = await browser.newPage()
      return {
        goto: (url) => page.goto(url),
        exposeFunction: (name, call) => page.exposeFunction(name, call),
        waitForFunction: (holds) => page.waitForFunction(holds),
        evaluate: (run: never, argument?: unknown) => page.evaluate(run, argument) as never,
        setOffline: (isOffline) => page.context().setOffline(isOffline),
        close: () => page.close(),
      }
    },
    async pids() {
      const session = await browser.newBrowserCDPSession()
      const { processInfo } = await session.send('SystemInfo.getProcessInfo')
      await session.detach()
      return processInfo.map(({ id }) => id)
    },
    close: () => browser.close(),
  }
}

async function startFirefox(): Promise<RunningBrowser> {
  const browser = await launchFirefox()
  return {
    async newPage() {
      const page = await browser.newPage()
      return {
        goto: (url) => page.goto(url),
        exposeFunction: (name, call) => page.exposeFunction(name, call),
        waitForFunction: (holds) => page.waitForFunction(holds),
        evaluate: (run: never, argument?: unknown) => page.evaluate(run, argument) as never,
        setOffline: (isOffline) => page.setOfflineMode(isOffline),
        close: () => page.close(),
      }
    },
    pids: () => withDescendants(browser.process()?.pid ?? 0),
    close: () => browser.close(),
  }
}

async function withDescendants(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid='])
  const pairs = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const below = (parent: number): number[] =>
    pairs.filter(([, ppid]) => ppid === parent).flatMap(([child = 0]) => [child, ...below(child)])
  return [pid, ...below(pid)]
}

/** The browsers that the tests know. */
export const BROWSERS = { chromium: startChromium, firefox: startFirefox } as const
