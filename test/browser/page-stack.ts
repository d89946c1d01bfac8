import type { Browser } from 'playwright-core'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { launchChromium } from '../support/chromium.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { SECRET } from '../support/token.ts'
import { servePage } from './page-server.ts'

/** The environment of test pages: Chromium, an origin, a failing network, a bridge, and a real nats-server. */
export interface PageStack extends AsyncDisposable {
  readonly nats: NatsServer
  readonly bridge: BridgeServer
  readonly proxy: FaultProxy
  readonly pages: Awaited<ReturnType<typeof servePage>>
  readonly browser: Browser
}

export async function startPageStack(): Promise<PageStack> {
  const nats = await startNatsServer({ jetstream: true })
  const pages = await servePage()
  const bridge = await serve({ upstream: nats.url, auth: { secret: SECRET }, origins: [pages.url] })
  await bridge.bridge.hub.opened
  const proxy = await startFaultProxy(bridge.port)
  const browser = await launchChromium()
  return {
    nats,
    bridge,
    proxy,
    pages,
    browser,
    async [Symbol.asyncDispose]() {
      await browser.close()
      await proxy.close()
      await bridge.close()
      await pages[Symbol.asyncDispose]()
      await nats[Symbol.asyncDispose]()
    },
  }
}

/** Opens the page and waits until the SDK is loaded. */
export async function openApp(
  page: { goto(url: string): Promise<unknown>; waitForFunction(holds: () => boolean): Promise<unknown> },
  url: string,
): Promise<void> {
  await page.goto(url)
  await page.waitForFunction(() => 'spanwire' in globalThis)
}
