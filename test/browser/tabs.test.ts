/** Tabs of real Chromium that share one connection, with and without a SharedWorker. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { eventually } from '../support/eventually.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import { coreOf } from '../support/hub-core.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken } from '../support/token.ts'
import type { PageApp } from './page-app.ts'
import { openApp, type PageStack, startPageStack } from './page-stack.ts'

/** State in each page. */
interface Tab {
  readonly numbers: number[]
  readonly states: string[]
  publish(subject: string, data: unknown): Promise<string>
  request(data: number): Promise<unknown>
  respond(): Promise<void>
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const grants = { allow: ['numbers.*', 'sums.*', '_INBOX.>'] }

/** Scripts that run first in each page, by the way of sharing. */
const MODES = {
  'a worker': () => {},
  'election, without SharedWorker': () => void Reflect.deleteProperty(globalThis, 'SharedWorker'),
  'election, because the worker is missing': () => {},
  'election, as no SharedWorker may be made': () => {
    globalThis.SharedWorker = class {
      constructor() {
        throw new DOMException('The script comes from another origin.', 'SecurityError')
      }
    } as unknown as typeof SharedWorker
  },
} as const

describe.skipIf(isSkipped('chromium')).each(Object.keys(MODES) as Array<keyof typeof MODES>)(
  'tabs that share by %s',
  (mode) => {
    let stack: PageStack
    let bridge: BridgeServer
    let pages: PageStack['pages']
    let proxy: FaultProxy
    let browser: Browser
    let context: BrowserContext
    let token: string
    let stored = 0

    beforeAll(async () => {
      stack = await startPageStack()
      ;({ bridge, proxy, pages, browser } = stack)
      token = await createToken({ pub: grants, subscribe: grants })
    }, 60_000)
    afterAll(async () => {
      await stack?.[Symbol.asyncDispose]()
    })
    beforeEach(async () => {
      stored = 0
      await coreOf(bridge.bridge.hub).jetstream.createStream({
        name: 'NUMBERS',
        subjects: ['numbers.*'],
        storage: 'memory',
      })
      context = await browser.newContext()
      await context.addInitScript(MODES[mode])
    })
    afterEach(async () => {
      await context.close()
      await coreOf(bridge.bridge.hub).jetstream.deleteStream('NUMBERS')
    })

    const open = async () => {
      const page = await context.newPage()
      await openApp(page, pages.url)
      await page.evaluate(
        ({ url, token, worker }) => {
          const { anything, connect, defineEvents, event } = (globalThis as unknown as { spanwire: PageApp }).spanwire
          const numbers: number[] = []
          const states: string[] = []
          const events = defineEvents({
            'numbers.{id}': event(anything, { stream: 'NUMBERS' }),
            'sums.{id}': event(anything, { reply: anything }),
            'denied.{id}': anything,
          })
          const bus = connect({
            url,
            token,
            events,
            share: worker ? { worker } : true,
            backoff: { first: 50, longest: 200 },
          })
          bus.status.subscribe(({ state }) => states.push(state))
          const handle = bus.on('numbers.{id}', {}, ({ data }) => numbers.push(data as number), { from: 'all' })
          const tab: Tab = {
            numbers,
            states,
            publish: (subject, data) =>
              bus.publish(`${subject as 'denied'}.{id}`, { id: 'x' }, data).then(
                () => 'ok',
                (error) => error.code,
              ),
            request: (data) => bus.request('sums.{id}', { id: 'x' }, data, { timeout: 3_000 }),
            respond: () => bus.respond('sums.{id}', {}, ({ data }) => (data as number) + 1).ready,
          }
          Object.assign(globalThis, { bus, tab })
          return handle.ready
        },
        {
          url: `http://127.0.0.1:${proxy.port}`,
          token,
          worker: mode === 'election, because the worker is missing' ? '/nowhere.js' : undefined,
        },
      )
      return page
    }
    const tab = <T>(page: Page, use: (tab: Tab) => T) =>
      page.evaluate(`(${use})(globalThis.tab)`) as Promise<Awaited<T>>
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const payload = new TextEncoder().encode(`${++stored}`)
        await coreOf(bridge.bridge.hub).jetstream.link.request('numbers.a', payload, { timeout: 2_000 })
      }
    }
    const caughtUp = async (...all: Page[]) => {
      for (const page of all) {
        await eventually(async () => (await tab(page, ({ numbers }) => numbers.length)) >= stored, {
          what: 'all events',
        })
        expect(await tab(page, ({ numbers }) => numbers)).toEqual(range(1, stored))
      }
    }
    const connections = () => bridge.bridge.hub.stats.connections

    it('use one connection, with separate subscriptions, requests and refusals', async () => {
      const [first, second, third] = [await open(), await open(), await open()]
      expect(connections()).toBe(1)
      await publish(20)
      await caughtUp(first, second, third)
      await tab(second, ({ respond }) => respond())
      expect(await tab(first, ({ request }) => Promise.all([1, 2, 3].map(request)))).toEqual([2, 3, 4])
      expect(await tab(third, ({ request }) => request(7))).toBe(8)
      const outcomes = await Promise.all([
        tab(first, ({ publish }) => publish('denied', 1)),
        tab(second, ({ publish }) => publish('numbers', 21)),
        tab(third, ({ publish }) => publish('numbers', 22)),
      ])
      expect(outcomes).toEqual(['permission-denied', 'ok', 'ok'])
      await eventually(async () => (await tab(first, ({ numbers }) => numbers.length)) === 22)
      expect((await tab(first, ({ numbers }) => numbers)).slice(20).sort()).toEqual([21, 22])
      expect(connections()).toBe(1)
      await third.close()
      await second.close()
      await eventually(() => bridge.bridge.hub.stats.subscriptions <= 2, { what: 'the end of their interest' })
      expect(connections()).toBe(1)
      await first.close()
      await eventually(() => connections() === 0, { what: 'the end of the connection' })
    }, 40_000)

    it.each(['closed', 'crashed'])(
      'lose and repeat no event when the first tab is %s',
      async (how) => {
        const first = await open()
        const [second, third] = [await open(), await open()]
        await publish(10)
        await caughtUp(first, second, third)
        if (how === 'closed') await first.close()
        else {
          const session = await context.newCDPSession(first)
          await Promise.race([session.send('Page.crash').catch(() => {}), first.waitForEvent('crash')])
        }
        await publish(20)
        await caughtUp(second, third)
        expect(await tab(second, ({ publish }) => publish('numbers', 31))).toBe('ok')
        stored = 31
        await caughtUp(second, third)
        await eventually(() => connections() === 1, { what: 'one connection' })
        // Tabs of a worker keep its connection, unless the crash ended the worker.
        if (mode === 'a worker' && how === 'closed') expect(await tab(second, ({ states }) => states)).toEqual(['open'])
        await publish(5)
        await caughtUp(second, third)
      },
      40_000,
    )

    it('continue together after their connection was cut', async () => {
      const [first, second] = [await open(), await open()]
      await publish(5)
      for (let round = 0; round < 3; round++) {
        proxy.cut()
        await publish(10)
        await caughtUp(first, second)
        await eventually(() => connections() === 1, { what: 'one connection' })
      }
    }, 40_000)
  },
)
