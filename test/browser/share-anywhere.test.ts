/** `share: true` in pages of Chromium that can't share in the usual way: each of them has a connection. */
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { openToAll } from '../support/open-to-all.ts'
import { isSkipped } from '../support/runtimes.ts'
import { type ModuleServer, serveModules } from './module-server.ts'

/** A name that isn't loopback: its pages have no secure context. */
const INTRANET = 'intranet.test'

/** A page that shares, and reports its state in its title. */
const sharing = (sdk: string, bridge: string) => `
  import { connect, defineEvents } from '${sdk}/sdk/index.js'
  const anything = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
  const bus = connect({ url: '${bridge}', events: defineEvents({ 'a.{id}': anything }), share: true })
  const seen = []
  bus.on('a.{id}', ({ data }) => seen.push(data)).ready.then(() => (document.title = 'ready'))
  Object.assign(globalThis, { bus, seen })
`

describe.skipIf(isSkipped('chromium'))('a page that shares', () => {
  let bridge: BridgeServer
  let modules: ModuleServer
  let cdn: ModuleServer
  let browser: Browser
  let context: BrowserContext

  beforeAll(async () => {
    modules = await serveModules()
    cdn = await serveModules()
    bridge = await serve({ upstream: 'embedded', auth: openToAll, origins: '*' })
    browser = await launchChromium([`--host-resolver-rules=MAP ${INTRANET} 127.0.0.1`])
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await bridge?.close()
    await cdn?.[Symbol.asyncDispose]()
    await modules?.[Symbol.asyncDispose]()
  })

  /** Opens `count` tabs, and checks that events go from one to the other. */
  const check = async (
    {
      script,
      origin = modules.url,
      headers = {},
      before = () => {},
    }: {
      script: string
      origin?: string
      headers?: Readonly<Record<string, string>>
      before?: () => void
    },
    connections: number,
  ) => {
    modules.files.set('page.js', script)
    modules.headers.set('', headers)
    context = await browser.newContext()
    try {
      await context.addInitScript(before)
      const tabs = [await context.newPage(), await context.newPage(), await context.newPage()]
      await Promise.all(tabs.map((tab) => tab.goto(origin)))
      for (const tab of tabs)
        await tab.waitForFunction(() => document.title === 'ready', undefined, { timeout: 15_000 })
      expect(bridge.bridge.hub.stats.connections).toBe(connections)
      await tabs[0]?.evaluate(`bus.publish('a.{id}', { id: 'x' }, 7)`)
      for (const tab of tabs) await tab.waitForFunction('seen.includes(7)')
      for (const tab of tabs) await tab.close({ runBeforeUnload: false })
      await eventually(() => bridge.bridge.hub.stats.connections === 0, { what: 'the end of their connections' })
    } finally {
      await context.close()
      modules.headers.clear()
    }
  }

  it(
    'and whose library comes from another origin, elects a tab',
    () => check({ script: sharing(cdn.url, bridge.url) }, 1),
    30_000,
  )

  it(
    'and accepts no URL of a script (Trusted Types), elects a tab',
    () =>
      check(
        {
          script: sharing('', bridge.url),
          headers: { 'Content-Security-Policy': "require-trusted-types-for 'script'" },
        },
        1,
      ),
    30_000,
  )

  it(
    'and may load no worker (Content-Security-Policy), elects a tab',
    () => check({ script: sharing('', bridge.url), headers: { 'Content-Security-Policy': "worker-src 'none'" } }, 1),
    30_000,
  )

  it(
    'where there is neither SharedWorker nor BroadcastChannel, has a connection of its own',
    () =>
      check(
        {
          script: sharing('', bridge.url),
          before: () => {
            Reflect.deleteProperty(globalThis, 'SharedWorker')
            Reflect.deleteProperty(globalThis, 'BroadcastChannel')
          },
        },
        3,
      ),
    30_000,
  )

  it(
    'without Web Locks (an http:// origin), shares by a worker',
    () => check({ script: sharing('', bridge.url), origin: modules.url.replace('127.0.0.1', INTRANET) }, 1),
    30_000,
  )

  it(
    'where there are neither Web Locks nor SharedWorker, has a connection of its own',
    () =>
      check(
        {
          script: sharing('', bridge.url),
          origin: modules.url.replace('127.0.0.1', INTRANET),
          before: () => void Reflect.deleteProperty(globalThis, 'SharedWorker'),
        },
        3,
      ),
    30_000,
  )

  it(
    'where the worker never answers, elects a tab',
    () =>
      check(
        {
          script: sharing('', bridge.url),
          before: () => {
            const { port1 } = new MessageChannel()
            globalThis.SharedWorker = class {
              port = port1
              onerror = null
            } as unknown as typeof SharedWorker
          },
        },
        1,
      ),
    60_000,
  )
})
