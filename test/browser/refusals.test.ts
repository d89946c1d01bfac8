/** Why a page of Chromium can't connect: each cause has a reason of its own. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import type * as Spanwire from '../../sdk/index.ts'
import { launchChromium } from '../support/chromium.ts'
import { openToAll } from '../support/open-to-all.ts'
import { isSkipped } from '../support/runtimes.ts'
import { serveLocally } from '../support/serve-locally.ts'
import { type ModuleServer, serveModules } from './module-server.ts'

describe.skipIf(isSkipped('chromium'))('a page that cannot connect', () => {
  let modules: ModuleServer
  let bridge: BridgeServer
  let closed: BridgeServer
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    modules = await serveModules()
    bridge = await serve({ upstream: 'embedded', auth: openToAll, origins: [modules.url] })
    closed = await serve({ upstream: 'embedded', auth: openToAll, origins: ['https://app.example.com'] })
    browser = await launchChromium()
    page = await browser.newPage()
    await page.goto(modules.url)
    await page.waitForFunction(() => 'spanwire' in globalThis)
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await closed?.close()
    await bridge?.close()
    await modules?.[Symbol.asyncDispose]()
  })

  /** The first reason of a bus that is not the one of its first attempt, which is made before the bridge is examined. */
  const reasonFor = (options: object) =>
    page.evaluate(async (options) => {
      const { connect, defineEvents } = (globalThis as unknown as { spanwire: typeof Spanwire }).spanwire
      const bus = connect({ events: defineEvents({}), backoff: { first: 50, longest: 100 }, ...options } as never)
      let text = ''
      for await (const { state, reason } of bus.status) {
        text = `${state} ${reason?.code}: ${reason?.message}`
        if (reason && !/that address|No connection within/.test(text)) break
      }
      await bus.close()
      return text
    }, options)

  it.each(['auto', 'websocket'])(
    'because its origin is refused (via %s)',
    async (via) => {
      expect(await reasonFor({ url: closed.url, via })).toBe(
        `connecting connection-refused: A bridge answers, but refuses pages of ${modules.url}: add it to \`origins\`.`,
      )
    },
    20_000,
  )

  it('because the path is wrong', async () => {
    expect(await reasonFor({ url: `${bridge.url}/wrong` })).toBe(
      `connecting connection-refused: A bridge answers at ${bridge.url}, but not at ${bridge.url}/wrong: check the path of the URL.`,
    )
  }, 20_000)

  it('because the bridge does not use TLS', async () => {
    const secure = bridge.url.replace('http', 'https')
    expect(await reasonFor({ url: secure })).toBe(
      `connecting connection-refused: A bridge answers at ${bridge.url}, but not at ${secure}: check the scheme of the URL.`,
    )
  }, 20_000)

  it('because another server answers', async () => {
    await using other = await serveLocally((_, response) => void response.end('hello'))
    expect(await reasonFor({ url: other.url })).toBe(
      `connecting connection-refused: A server answers at ${other.url}, but it is not a bridge: check the URL.`,
    )
  }, 20_000)

  it('because no server answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    expect(await reasonFor({ url })).toBe(`connecting connection-refused: No server answers at ${url}.`)
  }, 20_000)

  it('because its network blocks WebSockets, with via: websocket', async () => {
    const blocked = await browser.newPage()
    await blocked.routeWebSocket(/./, (socket) => socket.close())
    await blocked.goto(modules.url)
    await blocked.waitForFunction(() => 'spanwire' in globalThis)
    const before = page
    page = blocked
    try {
      expect(await reasonFor({ url: bridge.url, via: 'websocket' })).toMatch(
        /^connecting connection-refused: A bridge answers, but no WebSocket can be opened/,
      )
    } finally {
      page = before
    }
  }, 20_000)
})
