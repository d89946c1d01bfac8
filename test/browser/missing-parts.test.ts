/** A page whose parts can't be loaded when they are needed: a network that fails, or files that a deployment replaced. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import type * as Spanwire from '../../sdk/index.ts'
import { launchChromium } from '../support/chromium.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, SECRET } from '../support/token.ts'
import { type ModuleServer, serveModules } from './module-server.ts'

/** In each page. */
interface App {
  readonly bus: Spanwire.Bus<Record<string, never>>
  readonly ended: string[]
  readonly errors: string[]
}

const grants = {
  allow: ['kept.*', 'plain.*', 'asked.*', 'in', '$EDGE.PRESENCE.>', '_INBOX.>', '$JS.API.>'],
}

describe.skipIf(isSkipped('chromium'))('a page in which a part of the SDK is missing', () => {
  let nats: NatsServer
  let bridge: BridgeServer
  let modules: ModuleServer
  let browser: Browser
  let page: Page
  let proxy: FaultProxy
  let token: string

  beforeAll(async () => {
    nats = await startNatsServer({ jetstream: true })
    modules = await serveModules()
    bridge = await serve({ upstream: nats.url, auth: { secret: SECRET }, origins: [modules.url] })
    await bridge.bridge.hub.opened
    await coreOf(bridge.bridge.hub).jetstream.createStream({ name: 'KEPT', subjects: ['kept.*'], storage: 'memory' })
    proxy = await startFaultProxy(bridge.port)
    browser = await launchChromium()
    token = await createToken({ pub: grants, subscribe: grants })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await proxy?.close()
    await bridge?.close()
    await modules?.[Symbol.asyncDispose]()
    await nats?.[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    page = await browser.newPage()
    page.setDefaultTimeout(10_000)
    await page.goto(modules.url)
    await page.waitForFunction(() => 'spanwire' in globalThis)
  })
  afterEach(async () => {
    modules.missing.clear()
    await page.close()
  })

  /** Connects in the page, whose parts may be missing by now. */
  const open = async (options: object = {}, url = bridge.url) => {
    await page.evaluate(
      ({ url, token, options }) => {
        const { connect, defineEvents, event } = (globalThis as unknown as { spanwire: typeof Spanwire }).spanwire
        const anything: Spanwire.StandardSchema = {
          '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) },
        }
        const ended: string[] = []
        const errors: string[] = []
        console.error = (...args) => errors.push(args.map((arg) => arg?.code ?? String(arg)).join(' '))
        const events = defineEvents({
          'kept.{id}': event(anything, { stream: 'KEPT' }),
          'plain.{id}': anything,
          'asked.{id}': event(anything, { reply: anything }),
          'denied.{id}': anything,
        })
        const bus = connect({ url, token, events, backoff: { first: 50, longest: 200 }, ...options } as never)
        addEventListener('unhandledrejection', ({ reason }) => errors.push(`unhandled: ${reason}`))
        Object.assign(globalThis, { app: { bus, ended, errors } })
      },
      { url, token, options },
    )
  }
  /** Runs an expression of the page, with `bus` and `ended`. Returns its result, or the code of its error. */
  const run = (expression: string): Promise<unknown> =>
    page.evaluate(
      `(async () => { const { bus, ended } = globalThis.app; return ${expression} })().catch((error) => error.code + ': ' + error.message)`,
    )
  const isOpen = () =>
    page.waitForFunction(() => (globalThis as unknown as { app: App }).app.bus.status.current.state === 'open')
  const errors = async () => ((await page.evaluate('globalThis.app')) as App).errors
  const notLoaded = expect.stringMatching(/^not-loaded: A part of Spanwire .*reload the page/)

  it('server-error: a refusal is a refusal', async () => {
    modules.missing.add('sdk/transport/websocket/server-error.js')
    await open()
    await isOpen()
    expect(await run(`bus.publish('denied.{id}', { id: 'x' }, 1)`)).toMatch(/^permission-denied/)
    expect(await run(`bus.on('denied.{id}', () => {}).ready`)).toMatch(/^permission-denied/)
    expect(await run(`bus.publish('plain.{id}', { id: 'x' }, 1)`)).toBeUndefined()
  }, 30_000)

  it.each([
    ['sdk/transport/websocket/requester.js', `bus.request('asked.{id}', { id: 'x' }, 1)`, /^no-responders/],
    ['sdk/bus/request-reply.js', `bus.request('asked.{id}', { id: 'x' }, 1)`, /^no-responders/],
    ['sdk/bus/request-reply.js', `bus.respond('asked.{id}', () => 1).ready.then(() => 'ready')`, /^ready$/],
    [
      'sdk/bus/methods.js',
      `bus.publish('kept.{id}', { id: 'x' }, 1, { timeout: 3000 }).then(({ stream }) => stream)`,
      /^KEPT$/,
    ],
    [
      'sdk/transport/websocket/requester.js',
      `bus.publish('kept.{id}', { id: 'x' }, 1, { timeout: 3000 }).then(({ stream }) => stream)`,
      /^KEPT$/,
    ],
    ['sdk/replay/replay.js', `bus.on('kept.{id}', () => {}, { from: 'all' }).ready.then(() => 'ready')`, /^ready$/],
    ['sdk/replay/replay.js', `bus.latest('kept.{id}').ready.then(() => 'ready')`, /^ready$/],
    ['sdk/replay/replay.js', `bus.subscribe('kept.{id}').ready.then(() => 'ready')`, /^ready$/],
    ['sdk/bus/sources.js', `bus.on('plain.{id}', () => {}, { conflate: true }).ready.then(() => 'ready')`, /^ready$/],
    ['sdk/presence/presence.js', `bus.presence('room').then((room) => (room.close(), 'there'))`, /^there$/],
    [
      'sdk/bus/latest-iterator.js',
      `(await bus.publish('kept.{id}', { id: 'x' }, 1), bus.latest('kept.{id}')[Symbol.asyncIterator]().next()).then(({ done }) => 'next')`,
      /^next$/,
    ],
  ])(
    '%s: %s is refused, and works once the part can be loaded',
    async (part, expression, outcome) => {
      modules.missing.add(part)
      await open()
      await isOpen()
      expect(await run(expression)).toEqual(notLoaded)
      expect(await run(`'' + bus.status.current.state`)).toBe('open')
      modules.missing.clear()
      expect(await run(expression)).toMatch(outcome)
      expect(await errors()).toEqual([])
    },
    30_000,
  )

  it('outbox: an event is refused while the outbox cannot be loaded, and published afterwards', async () => {
    modules.missing.add('sdk/outbox/outbox.js')
    await open({ outbox: 'persistent' })
    await isOpen()
    expect(await run(`bus.publish('plain.{id}', { id: 'x' }, 1)`)).toEqual(notLoaded)
    modules.missing.clear()
    expect(await run(`bus.publish('plain.{id}', { id: 'x' }, 1)`)).toBeUndefined()
  }, 30_000)

  it('replay: the end of the subscription is reported', async () => {
    modules.missing.add('sdk/replay/replay.js')
    await open()
    await isOpen()
    await run(`bus.on('kept.{id}', () => {}, { onEnd: (error) => ended.push(error.code) }).ready.catch(() => {})`)
    expect(await run('[...ended]')).toEqual(['not-loaded'])
  }, 30_000)

  it('fallback: the status names the missing part, and the client connects once it can be loaded', async () => {
    modules.missing.add('sdk/transport/websocket/fallback.js')
    await open({ via: 'sse' })
    await page.waitForFunction(() =>
      /^not-loaded/.test((globalThis as unknown as { app: App }).app.bus.status.current.reason?.code ?? ''),
    )
    modules.missing.clear()
    await isOpen()
  }, 30_000)

  it('share: a page has a connection of its own', async () => {
    modules.missing.add('sdk/transport/shared/share.js')
    await open({ share: true })
    await isOpen()
  }, 30_000)
})
