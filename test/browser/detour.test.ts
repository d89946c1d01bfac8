/** Pages of Chromium whose network lets no WebSocket through: tabs over HTTP/1.1, cookies, and origins of http://. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, SECRET } from '../support/token.ts'
import { type ModuleServer, serveModules } from './module-server.ts'

const INTRANET = 'intranet.test'
const grants = { allow: ['a.*', '_INBOX.>'] }

/** A page with a `bus`. The title reports that it is ready, and the body lists received events. */
const SCRIPT = `
  import { connect, defineEvents } from '/sdk/index.js'
  import { http } from '/sdk/transport/http/index.js'
  const anything = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
  const events = defineEvents({ 'a.{id}': anything })
  const { options } = globalThis
  const bus = connect({ events, backoff: { first: 50, longest: 200 }, ...options })
  const seen = []
  bus.on('a.{id}', ({ data }) => seen.push(data)).ready.then(() => (document.title = 'ready'))
  const publish = (data) => bus.publish('a.{id}', { id: 'x' }, data).then(() => 'ok', (error) => error.code)
  const post = (url) =>
    connect({ events, transport: http({ url }) })
      .publish('a.{id}', { id: 'x' }, 'posted')
      .then(() => 'ok', (error) => error.code + ': ' + error.message)
  Object.assign(globalThis, { bus, seen, publish, post })
`

describe.skipIf(isSkipped('chromium'))('without WebSockets', () => {
  let modules: ModuleServer
  let bridge: BridgeServer
  let open: BridgeServer
  let browser: Browser
  let context: BrowserContext
  let token: string

  beforeAll(async () => {
    modules = await serveModules()
    modules.files.set('page.js', SCRIPT)
    const intranet = modules.url.replace('127.0.0.1', INTRANET)
    const auth = { secret: SECRET, cookie: 'session' }
    bridge = await serve({ upstream: 'embedded', auth, origins: [modules.url, intranet] })
    const rules = { allow: ['a.*'], deny: [] }
    open = await serve({
      upstream: 'embedded',
      auth: { anonymous: { publish: rules, subscribe: rules } },
      origins: '*',
    })
    browser = await launchChromium([`--host-resolver-rules=MAP ${INTRANET} 127.0.0.1`])
    token = await createToken({ pub: grants, subscribe: grants })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await open?.close()
    await bridge?.close()
    await modules?.[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    context = await browser.newContext()
  })
  afterEach(async () => {
    await context.close()
    for (const { bridge: one } of [bridge, open])
      await eventually(() => one.hub.stats.connections === 0, { what: 'the end of all connections' })
  })

  const openTab = async (options: object, origin = modules.url): Promise<Page> => {
    const page = await context.newPage()
    await page.addInitScript((options) => void Object.assign(globalThis, { options }), options)
    await page.goto(origin)
    return page
  }
  const ready = (page: Page) => page.waitForFunction(() => document.title === 'ready', undefined, { timeout: 15_000 })
  const publish = (page: Page, data: string) => page.evaluate(`publish(${JSON.stringify(data)})`)

  it('eight tabs of one user share a connection: a browser has six to a host', async () => {
    const tabs: Page[] = []
    for (let n = 0; n < 8; n++) {
      // Each has a token of its own, as an application gives them out.
      const own = await createToken({ pub: grants, subscribe: grants, expiresIn: 3_600 + n })
      const tab = await openTab({ url: bridge.url, token: own, via: 'sse' })
      tabs.push(tab)
      await ready(tab)
    }
    expect(bridge.bridge.hub.stats.connections).toBe(1)
    for (const [n, tab] of tabs.entries()) expect(await publish(tab, `${n}`)).toBe('ok')
    for (const tab of tabs) await tab.waitForFunction('seen.length >= 8')
  }, 60_000)

  it('tabs of two users have a connection each', async () => {
    const ada = await createToken({ sub: 'ada', pub: grants, subscribe: grants })
    const bob = await createToken({ sub: 'bob', pub: { allow: [] }, subscribe: grants })
    const first = await openTab({ url: bridge.url, token: ada, via: 'sse' })
    await ready(first)
    const second = await openTab({ url: bridge.url, token: bob, via: 'sse' })
    await ready(second)
    expect(bridge.bridge.hub.stats.connections).toBe(2)
    expect(await publish(first, 'mine')).toBe('ok')
    expect(await publish(second, 'not mine')).toBe('permission-denied')
  }, 30_000)

  it('six tabs with a cookie publish, although their event streams hold all connections', async () => {
    await context.addCookies([{ name: 'session', value: token, url: bridge.url }])
    const tabs: Page[] = []
    for (let n = 0; n < 6; n++) {
      const tab = await openTab({ url: bridge.url, via: 'sse' })
      tabs.push(tab)
      await ready(tab)
    }
    expect(bridge.bridge.hub.stats.connections).toBe(6)
    for (const [n, tab] of tabs.entries()) expect(await publish(tab, `${n}`)).toBe('ok')
    for (const tab of tabs) await tab.waitForFunction('seen.length >= 6')
  }, 60_000)

  it('a cookie is sent to a bridge of another origin, by event streams and by http()', async () => {
    await context.addCookies([{ name: 'session', value: token, url: bridge.url }])
    const tab = await openTab({ url: bridge.url, via: 'sse' })
    await ready(tab)
    expect(await tab.evaluate(`post(${JSON.stringify(bridge.url)})`)).toBe('ok')
    await tab.waitForFunction(`seen.includes('posted')`)
  }, 30_000)

  it('a bridge without cookies is reached without credentials', async () => {
    const tab = await openTab({ url: open.url, via: 'sse' })
    await ready(tab)
    expect(await tab.evaluate(`post(${JSON.stringify(open.url)})`)).toBe('ok')
    await tab.waitForFunction(`seen.includes('posted')`)
  }, 30_000)

  it('a page of an http:// origin uses the fallback automatically', async () => {
    await context.routeWebSocket(/./, (socket) => socket.close())
    const origin = modules.url.replace('127.0.0.1', INTRANET)
    const tab = await openTab({ url: bridge.url, token, share: false }, origin)
    await ready(tab)
    expect(await tab.evaluate('isSecureContext')).toBe(false)
    expect(await publish(tab, 'hello')).toBe('ok')
    await tab.waitForFunction(`seen.includes('hello')`)
  }, 30_000)
})
