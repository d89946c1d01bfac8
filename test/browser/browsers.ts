import { launchChromium } from '../support/chromium.ts'
import { descendants } from '../support/descendants.ts'
import { launchFirefox } from '../support/firefox.ts'

/** The operations on a page that the life tests use, in every browser. */
export interface BrowserPage {
  goto(url: string): Promise<unknown>
  exposeFunction(name: string, call: () => unknown): Promise<unknown>
  waitForFunction(holds: () => boolean): Promise<unknown>
  evaluate<T, Argument>(run: (argument: Argument) => T | Promise<T>, argument: Argument): Promise<T>
  evaluate<T>(run: () => T | Promise<T>): Promise<T>
  /** Takes the page offline or online. */
  setOffline(isOffline: boolean): Promise<void>
  close(): Promise<void>
}

/** A running browser. */
export interface RunningBrowser {
  newPage(): Promise<BrowserPage>
  /** Process ids of all of its processes. */
  pids(): Promise<number[]>
  close(): Promise<void>
}

async function startChromium(): Promise<RunningBrowser> {
  const browser = await launchChromium()
  return {
    async newPage() {
      const page = await browser.newPage()
      return toPage(page, (isOffline) => page.context().setOffline(isOffline))
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
  const pid = browser.process()?.pid ?? 0
  return {
    async newPage() {
      const page = await browser.newPage()
      return toPage(page, (isOffline) => page.setOfflineMode(isOffline))
    },
    pids: async () => [pid, ...(await descendants(pid))],
    close: () => browser.close(),
  }
}

/** The common operations of Playwright and Puppeteer. */
type DriverPage = Pick<BrowserPage, 'goto' | 'exposeFunction' | 'waitForFunction' | 'close'> & {
  evaluate(run: never, argument?: unknown): Promise<unknown>
}

function toPage(page: DriverPage, setOffline: BrowserPage['setOffline']): BrowserPage {
  return {
    goto: (url) => page.goto(url),
    exposeFunction: (name, call) => page.exposeFunction(name, call),
    waitForFunction: (holds) => page.waitForFunction(holds),
    evaluate: (run: never, argument?: unknown) => page.evaluate(run, argument) as never,
    setOffline,
    close: () => page.close(),
  }
}

/** Browsers of the tests. */
export const BROWSERS = { chromium: startChromium, firefox: startFirefox } as const
