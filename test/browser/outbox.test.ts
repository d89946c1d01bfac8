/** Publishes of an offline page, across reloads and crashes of real Chromium, into a real stream. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { readPage } from '../../sdk/jetstream/page.ts'
import { eventually } from '../support/eventually.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import { coreOf } from '../support/hub-core.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken } from '../support/token.ts'
import type { PageApp } from './page-app.ts'
import { openApp, type PageStack, startPageStack } from './page-stack.ts'

vi.setConfig({ testTimeout: 60_000 })

/** State in the page: outcomes of its publishes, and of publishes of earlier pages. */
interface Kept {
  readonly outcomes: string[]
  readonly settled: string[]
  publish(n: number, subject?: 'jobs' | 'denied'): void
}

/** Time for a page to return after the network does, in ms: after some failures a delay has up to 20 s. */
const BACK = { deadline: 30_000 }

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe.skipIf(isSkipped('chromium'))('an outbox', () => {
  let stack: PageStack
  let bridge: BridgeServer
  let proxy: FaultProxy
  let pages: PageStack['pages']
  let browser: Browser
  let context: BrowserContext
  let token: string

  beforeAll(async () => {
    stack = await startPageStack()
    ;({ bridge, proxy, pages, browser } = stack)
    token = await createToken({ pub: { allow: ['jobs.*'] }, subscribe: { allow: ['_INBOX.>'] } })
  }, 60_000)
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    await coreOf(bridge.bridge.hub).jetstream.createStream({ name: 'JOBS', subjects: ['jobs.*'], storage: 'memory' })
    context = await browser.newContext()
  })
  afterEach(async () => {
    proxy.accept()
    await context.close()
    await coreOf(bridge.bridge.hub).jetstream.deleteStream('JOBS')
  })

  const begin = async (page: Page, maxMessages = 1_000) => {
    await openApp(page, pages.url)
    await page.evaluate(
      ({ url, token, maxMessages }) => {
        const { anything, connect, defineEvents, event } = (globalThis as unknown as { spanwire: PageApp }).spanwire
        const outcomes: string[] = []
        const settled: string[] = []
        const events = defineEvents({
          'jobs.{id}': event(anything, { stream: 'JOBS' }),
          'denied.{id}': event(anything, { stream: 'JOBS' }),
        })
        const bus = connect({
          url,
          token,
          events,
          backoff: { first: 50, longest: 200 },
          offline: { maxMessages },
          outbox: {
            onSettled: ({ ack, error }) => settled.push(error ? error.code : `${ack?.seq}`),
          },
        })
        const publish = (n: number, subject: 'jobs' | 'denied' = 'jobs') =>
          bus.publish(`${subject}.{id}`, { id: 'x' }, n).then(
            ({ seq }) => outcomes.push(`${n} is ${seq}`),
            (error) => outcomes.push(`${n}: ${error.code}`),
          )
        Object.assign(globalThis, { bus, kept: { outcomes, settled, publish } })
      },
      { url: `http://127.0.0.1:${proxy.port}`, token, maxMessages },
    )
  }
  const open = async (maxMessages?: number) => {
    const page = await context.newPage()
    await begin(page, maxMessages)
    return page
  }
  const publish = (page: Page, from: number, to: number, subject?: 'denied') =>
    page.evaluate(
      ({ from, to, subject }) => {
        const { kept } = globalThis as unknown as { kept: Kept }
        for (let n = from; n <= to; n++) kept.publish(n, subject)
      },
      { from, to, subject },
    )
  const kept = (page: Page) =>
    page.evaluate(() => {
      const { outcomes, settled } = (globalThis as unknown as { kept: Kept }).kept
      return { outcomes, settled }
    })
  /** Number of stored events. Opening a missing database would create it without its store. */
  const written = (page: Page) =>
    page.evaluate(async () => {
      const name = 'spanwire outbox default'
      if (!(await indexedDB.databases()).some((one) => one.name === name)) return undefined
      return new Promise<number>((resolve, reject) => {
        const request = indexedDB.open(name)
        request.onerror = reject
        request.onsuccess = () => {
          const count = request.result.transaction('events').objectStore('events').count()
          count.onerror = reject
          count.onsuccess = () => {
            request.result.close()
            resolve(count.result)
          }
        }
      })
    })
  const isOpen = (page: Page) =>
    page.waitForFunction(
      () =>
        (globalThis as unknown as { bus: { status: { current: { state: string } } } }).bus.status.current.state ===
        'open',
    )
  const goOffline = async (page: Page) => {
    await isOpen(page)
    proxy.refuse()
    proxy.cut()
    await page.waitForFunction(
      () =>
        (globalThis as unknown as { bus: { status: { current: { state: string } } } }).bus.status.current.state !==
        'open',
    )
  }
  /** Events of the stream. */
  const stored = async () => {
    const api = coreOf(bridge.bridge.hub).jetstream
    const lastSeq = (await api.streamState('JOBS'))?.lastSeq ?? 0
    if (lastSeq === 0) return []
    const { messages } = await readPage(
      api,
      { stream: 'JOBS', filter: 'jobs.*', from: 1, to: lastSeq },
      { messages: 10_000, bytes: 10_000_000 },
    )
    return messages.map(({ payload }) => Number(new TextDecoder().decode(payload)))
  }

  it('keeps offline publishes across reloads, and publishes them in order, once', async () => {
    const page = await open()
    await goOffline(page)
    await publish(page, 1, 30)
    await eventually(async () => (await written(page)) === 30, { what: 'the events on disk' })
    await begin(page)
    await publish(page, 31, 35)
    await eventually(async () => (await written(page)) === 35)
    await begin(page)
    await publish(page, 36, 40)
    await eventually(async () => (await written(page)) === 40)
    expect(await stored()).toEqual([])
    proxy.accept()
    await eventually(async () => (await kept(page)).outcomes.length === 5, { ...BACK, what: 'the acknowledgements' })
    expect(await stored()).toEqual(range(1, 40))
    const { outcomes, settled } = await kept(page)
    expect(settled).toEqual(range(1, 35).map(String))
    expect(outcomes).toEqual(range(36, 40).map((n) => `${n} is ${n}`))
    await eventually(async () => (await written(page)) === 0, { what: 'an empty outbox' })
  })

  it('leaves the events of an open page alone, and takes over the events of a crashed page', async () => {
    const first = await open()
    await goOffline(first)
    await publish(first, 1, 10)
    await eventually(async () => (await written(first)) === 10)
    const second = await open()
    proxy.accept()
    await eventually(async () => (await stored()).length === 10, BACK)
    await isOpen(second)
    expect((await kept(second)).settled).toEqual([])
    await goOffline(first)
    await publish(first, 11, 20)
    await eventually(async () => (await written(first)) === 10)
    // A crash: no code of the page runs after this.
    await first.close({ runBeforeUnload: false })
    proxy.accept()
    await isOpen(second)
    expect(await stored()).toHaveLength(10)
    const third = await open()
    await eventually(async () => (await kept(third)).settled.length === 10, { ...BACK, what: 'the remaining events' })
    expect(await stored()).toEqual(range(1, 20))
  })

  it('stores all events of a page that crashes while publishing, once and in order', async () => {
    for (let round = 0; round < 5; round++) {
      const page = await open()
      await isOpen(page)
      const from = round * 1_000 + 1
      await publish(page, from, from + 199)
      await page.waitForFunction(
        (count) => (globalThis as unknown as { kept: Kept }).kept.outcomes.length >= count,
        round * 20,
      )
      const { outcomes } = await kept(page)
      await page.close({ runBeforeUnload: false })
      const next = await open()
      await isOpen(next)
      await eventually(async () => (await written(next)) === 0, { what: 'an empty outbox' })
      const found = (await stored()).filter((n) => n >= from)
      expect(found).toEqual(range(from, from + found.length - 1))
      expect(found.length).toBeGreaterThanOrEqual(outcomes.length)
      await next.close()
    }
  })

  it('is bounded, and rejects the oldest event with a clear error', async () => {
    const page = await open(10)
    await goOffline(page)
    await publish(page, 1, 12)
    await eventually(async () => (await kept(page)).outcomes.length === 2)
    expect((await kept(page)).outcomes).toEqual(['1: offline-queue-full', '2: offline-queue-full'])
    await eventually(async () => (await written(page)) === 10)
    proxy.accept()
    await eventually(async () => (await stored()).length === 10, BACK)
    expect(await stored()).toEqual(range(3, 12))
  })

  it('does not keep refused events', async () => {
    const page = await open()
    await isOpen(page)
    await publish(page, 1, 1, 'denied')
    await eventually(async () => (await kept(page)).outcomes.length === 1)
    expect((await kept(page)).outcomes).toEqual(['1: permission-denied'])
    expect(await written(page)).toBe(0)
  })

  it('lets an application delete its database, and publishes afterwards', async () => {
    const first = await open()
    await isOpen(first)
    const deleteDatabase = (page: Page) =>
      page.evaluate(
        () =>
          new Promise<string>((resolve) => {
            const request = indexedDB.deleteDatabase('spanwire outbox default')
            request.onsuccess = () => resolve('deleted')
            request.onblocked = () => resolve('blocked')
            request.onerror = () => resolve('failed')
          }),
      )
    await publish(first, 1, 3)
    await eventually(async () => (await kept(first)).outcomes.length === 3, BACK)
    await goOffline(first)
    await publish(first, 4, 5)
    await eventually(async () => (await written(first)) === 2)
    expect(await deleteDatabase(first)).toBe('deleted')
    await publish(first, 6, 6)
    await eventually(async () => (await written(first)) === 1, { what: 'an event in the new database' })
    const second = await open()
    proxy.accept()
    await isOpen(second)
    await publish(second, 7, 7)
    await eventually(async () => (await stored()).length === 7, { ...BACK, what: 'all events' })
    expect((await stored()).sort()).toEqual(range(1, 7))
    await eventually(async () => (await kept(first)).outcomes.length === 6, { what: 'all outcomes' })
    expect((await kept(first)).outcomes.map((outcome) => outcome[0])).toEqual([...'123456'])
    await eventually(async () => (await written(first)) === 0, { what: 'an empty outbox' })
    expect(await deleteDatabase(second)).toBe('deleted')
  })

  it('is opened again after the browser has closed it', async () => {
    const page = await open()
    await goOffline(page)
    await publish(page, 1, 2)
    await eventually(async () => (await written(page)) === 2)
    const session = await context.newCDPSession(page)
    await session.send('Storage.clearDataForOrigin', { origin: pages.url, storageTypes: 'indexeddb' })
    // The command may return before that. An event that is written until then goes with the database.
    await eventually(async () => (await written(page)) === undefined, { what: 'the end of the database' })
    await publish(page, 3, 3)
    await eventually(async () => (await written(page)) === 1, { what: 'the event in the new database' })
    proxy.accept()
    await eventually(async () => (await kept(page)).outcomes.length === 3, BACK)
    expect((await stored()).sort()).toEqual([1, 2, 3])
    await eventually(async () => (await written(page)) === 0)
  })

  it.each([
    [
      'its database never opens',
      () => {
        IDBFactory.prototype.open = () => ({}) as IDBOpenDBRequest
      },
    ],
    [
      'its lock is never granted',
      () => {
        LockManager.prototype.request = () => new Promise(() => {})
      },
    ],
    [
      'its database writes nothing',
      () => {
        Object.defineProperty(IDBTransaction.prototype, 'oncomplete', { set() {} })
      },
    ],
  ])(
    'that is stuck, as %s, does not stop publishes, and writes a warning',
    async (_, before) => {
      const page = await context.newPage()
      const said: string[] = []
      page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`))
      await page.addInitScript(before)
      await begin(page)
      await isOpen(page)
      await publish(page, 1, 3)
      await eventually(async () => (await kept(page)).outcomes.length === 3, { what: 'the acknowledgements' })
      expect((await kept(page)).outcomes).toEqual(['1 is 1', '2 is 2', '3 is 3'])
      expect(said.filter((text) => text.includes('outbox'))).toEqual([
        expect.stringMatching(/^warning: spanwire: the outbox cannot be written\. A reload loses unpublished events/),
      ])
      await publish(page, 4, 4)
      await eventually(async () => (await kept(page)).outcomes.length === 4)
    },
    40_000,
  )
})
