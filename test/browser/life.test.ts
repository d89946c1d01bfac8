/** Life of a page in real Chromium and real Firefox, behind a failing network, with a publisher that never stops. */
import process from 'node:process'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { eventually } from '../support/eventually.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, SECRET } from '../support/token.ts'
import { BROWSERS, type BrowserPage, type RunningBrowser } from './browsers.ts'
import type { PageApp } from './page-app.ts'
import { servePage } from './page-server.ts'
import { openApp } from './page-stack.ts'

const STREAM = { name: 'NUMBERS', subjects: ['numbers.*'], storage: 'memory' } as const
const grants = { allow: ['numbers.*', 'plain', 'late.*', '_INBOX.>', '$JS.API.>'] }
/** Interval of pings in ms. The default is 25 s. */
const PING = 1_000

/** Notes of the page. */
interface Notes {
  readonly numbers: number[]
  readonly plain: number[]
  readonly gaps: Array<{ reason: string; subject: string; ranges: readonly { from: number; to: number }[] }>
  readonly states: string[]
  readonly unhandled: string[]
  readonly late: number[]
}

for (const name of ['chromium', 'firefox'] as const)
  describe.skipIf(isSkipped(name))(`a page in ${name}`, () => {
    let nats: NatsServer
    let port: number
    let bridge: BridgeServer
    let proxy: FaultProxy
    let pages: Awaited<ReturnType<typeof servePage>>
    let browser: RunningBrowser
    let page: BrowserPage
    /** Number of stored events, and of events without a stream. */
    let stored = 0
    let ticker: ReturnType<typeof setInterval> | undefined
    let publishing: Promise<unknown> = Promise.resolve()
    let signedOut = false
    let expiresIn = 3_600

    const startBridge = async () => {
      bridge = await serve({
        port,
        upstream: nats.url,
        auth: { secret: SECRET },
        origins: [pages.url],
        limits: { pingInterval: 2_000 },
      })
      await bridge.bridge.hub.opened
    }
    const notes = (): Promise<Notes> =>
      page.evaluate(() => structuredClone((globalThis as unknown as { notes: Notes }).notes))
    const state = async () => (await notes()).states.at(-1)
    const isState = (wanted: string) => eventually(async () => (await state()) === wanted, { what: wanted })
    const publish = async () => {
      const n = stored + 1
      const api = coreOf(bridge.bridge.hub).jetstream
      const payload = new TextEncoder().encode(`${n}`)
      await api.link.request('numbers.a', payload, { timeout: 2_000 })
      stored = n
      api.link.publish('plain', payload)
    }
    /** Suspends all processes of the browser, like closing the lid of a laptop. Afterwards its clock has jumped. */
    let asleep: number[] = []
    const sleep = async () => {
      asleep = await browser.pids()
      for (const pid of asleep) process.kill(pid, 'SIGSTOP')
    }
    const wake = () => {
      for (const pid of asleep.splice(0)) process.kill(pid, 'SIGCONT')
    }
    const startPublishing = () => {
      ticker = setInterval(() => {
        publishing = publishing.then(publish).catch(() => {})
      }, 20)
    }
    const stopPublishing = async () => {
      clearInterval(ticker)
      await publishing
    }

    beforeAll(async () => {
      nats = await startNatsServer({ jetstream: true })
      port = await freePort()
      pages = await servePage()
      await startBridge()
      proxy = await startFaultProxy(port)
      browser = await BROWSERS[name]()
    }, 60_000)
    afterAll(async () => {
      await browser?.close()
      await proxy?.close()
      await bridge?.close()
      await pages?.[Symbol.asyncDispose]()
      await nats?.[Symbol.asyncDispose]()
    })

    beforeEach(async () => {
      stored = 0
      signedOut = false
      expiresIn = 3_600
      const api = coreOf(bridge.bridge.hub).jetstream
      await api.createStream(STREAM)
      page = await browser.newPage()
      await page.exposeFunction('askToken', () =>
        signedOut ? '' : createToken({ pub: grants, subscribe: grants, expiresIn }),
      )
      await openApp(page, pages.url)
      await page.evaluate(
        ({ url, PING }) => {
          const { anything, connect, defineEvents, event, SpanwireError } = (
            globalThis as unknown as { spanwire: PageApp }
          ).spanwire
          const askToken = (globalThis as unknown as { askToken: () => Promise<string> }).askToken
          const notes: Notes = { numbers: [], plain: [], gaps: [], states: [], unhandled: [], late: [] }
          addEventListener('unhandledrejection', ({ reason }) => notes.unhandled.push(String(reason)))
          const events = defineEvents({
            'numbers.{id}': event(anything, { stream: 'NUMBERS' }),
            'late.{id}': anything,
            plain: anything,
          })
          const bus = connect({
            url,
            events,
            pingInterval: PING,
            connectTimeout: 2_000,
            // Long enough that only a wake-up explains an early reconnect.
            backoff: { first: 300, longest: 1_000 },
            async token() {
              const token = await askToken()
              if (token === '') throw new SpanwireError('authentication-failed', 'Signed out.')
              return token
            },
            onGap: ({ reason, subject, ranges }) => notes.gaps.push({ reason, subject, ranges: [...ranges] }),
          })
          bus.status.subscribe(({ state, reason }) =>
            notes.states.push(reason && state === 'closed' ? `${state}: ${reason.code}` : state),
          )
          bus.on('numbers.{id}', {}, ({ data }) => notes.numbers.push(data as number), { from: 'all' })
          bus.on('plain', ({ data }) => notes.plain.push(data as number))
          Object.assign(globalThis, { bus, notes, events })
        },
        { url: `http://127.0.0.1:${proxy.port}`, PING },
      )
      await isState('open')
      startPublishing()
      await eventually(async () => (await notes()).numbers.length > 5 && (await notes()).plain.length > 5)
    }, 30_000)
    afterEach(async () => {
      wake()
      await stopPublishing()
      proxy.accept()
      proxy.resume()
      await page.close()
      await coreOf(bridge.bridge.hub).jetstream.deleteStream(STREAM.name)
    })

    /** Checks that stream events arrived once and in order, lost plain events were reported, and no interest is left. */
    async function check(): Promise<Notes> {
      await isState('open')
      // A subscription that is ready receives all later events.
      await page.evaluate(async () => {
        const { bus, notes } = globalThis as unknown as { bus: ReturnType<PageApp['connect']>; notes: Notes }
        const on = bus.on as unknown as (
          name: string,
          params: object,
          handler: (event: { data: number }) => void,
        ) => { ready: Promise<void> }
        await on('late.{id}', { id: 'x' }, ({ data }) => notes.late.push(data)).ready
      })
      coreOf(bridge.bridge.hub).jetstream.link.publish('late.x', new TextEncoder().encode('7'))
      await eventually(async () => (await notes()).late.includes(7), { what: 'the event after ready' })
      await stopPublishing()
      await eventually(async () => (await notes()).numbers.length >= stored, { what: 'all events' })
      const found = await notes()
      expect(found.numbers).toEqual(Array.from({ length: stored }, (_, index) => index + 1))
      const missing = found.plain.some((n, index) => index > 0 && n !== (found.plain[index - 1] as number) + 1)
      if (missing) expect(found.gaps).toContainEqual({ reason: 'disconnected', subject: 'plain', ranges: [] })
      expect(new Set(found.plain).size).toBe(found.plain.length)
      expect(found.unhandled).toEqual([])
      return found
    }

    it('continues after its connection was cut', async () => {
      proxy.cut()
      await isState('reconnecting')
      const { gaps } = await check()
      expect(gaps).toEqual([{ reason: 'disconnected', subject: 'plain', ranges: [] }])
    }, 30_000)

    it('reconnects at once when the browser reports that it is online', async () => {
      await page.setOffline(true)
      proxy.refuse()
      proxy.cut()
      await isState('reconnecting')
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      proxy.accept()
      await page.setOffline(false)
      await check()
    }, 30_000)

    it('detects a network that drops all bytes, and continues', async () => {
      proxy.pause()
      await isState('reconnecting')
      // The proxy dropped bytes. A TCP connection cannot continue with a gap.
      proxy.cut()
      proxy.resume()
      await check()
    }, 30_000)

    it('continues after a sleep in which the server closed its connection', async () => {
      await sleep()
      // Longer than two unanswered pings of the bridge.
      await eventually(() => bridge.bridge.hub.stats.connections === 0, { what: 'the server to close it' })
      wake()
      await check()
    }, 40_000)

    it('continues after a sleep in which the network dropped its connection', async () => {
      await sleep()
      proxy.pause()
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      proxy.cut()
      proxy.resume()
      wake()
      await check()
    }, 40_000)

    it('continues after restarts of the bridge and of NATS', async () => {
      await bridge.close()
      await isState('reconnecting')
      await startBridge()
      await isState('open')
      await nats.restart()
      // The stream was in memory, so the restart deleted it. It is created again.
      await eventually(() => bridge.bridge.hub.upstreamOpen, { what: 'the upstream to open' })
      await stopPublishing()
      stored = 0
      await coreOf(bridge.bridge.hub).jetstream.createStream(STREAM)
      startPublishing()
      await eventually(async () => (await notes()).gaps.some(({ reason }) => reason === 'recreated'), {
        what: 'a gap for the new stream',
        deadline: 20_000,
      })
      await stopPublishing()
      await eventually(async () => (await notes()).numbers.at(-1) === stored, { what: 'the new stream' })
      const { numbers, unhandled } = await notes()
      expect(numbers.slice(-stored)).toEqual(Array.from({ length: stored }, (_, index) => index + 1))
      expect(unhandled).toEqual([])
    }, 60_000)

    it('fetches a new token after the old one expired during a sleep', async () => {
      expiresIn = 3
      proxy.cut()
      await isState('reconnecting')
      await isState('open')
      expiresIn = 3_600
      await sleep()
      await eventually(() => bridge.bridge.hub.stats.connections === 0, { what: 'the token to expire' })
      wake()
      await check()
    }, 40_000)

    it('reports the events that its stream lost during an absence', async () => {
      proxy.refuse()
      proxy.cut()
      await isState('reconnecting')
      const last = (await notes()).numbers.at(-1) as number
      await eventually(() => stored > last + 20)
      await stopPublishing()
      // A running bridge would still have them in memory.
      await bridge.close()
      await startBridge()
      await coreOf(bridge.bridge.hub).jetstream.link.request(
        '$JS.API.STREAM.PURGE.NUMBERS',
        new TextEncoder().encode(JSON.stringify({ seq: stored - 4 })),
        { timeout: 5_000 },
      )
      proxy.accept()
      await isState('open')
      await eventually(async () => (await notes()).numbers.at(-1) === stored, { what: 'the remaining events' })
      const { numbers, gaps } = await notes()
      const lost = gaps.filter(({ reason }) => reason === 'removed')
      expect(lost).toEqual([{ reason: 'removed', subject: 'numbers.*', ranges: [{ from: last + 1, to: stored - 5 }] }])
      expect(numbers.slice(-5)).toEqual(Array.from({ length: 5 }, (_, index) => stored - 4 + index))
    }, 30_000)

    it('stops permanently after a sign-out, and reports the reason', async () => {
      signedOut = true
      proxy.cut()
      await isState('closed: authentication-failed')
      const dials = proxy.accepted
      const refused = await page.evaluate(async () => {
        const { bus } = globalThis as unknown as { bus: { publish(...args: unknown[]): Promise<unknown> } }
        return bus.publish('plain', 1).then(
          () => '',
          (error) => error.code,
        )
      })
      expect(refused).toBe('connection-closed')
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      expect(proxy.accepted).toBe(dials)
      expect((await notes()).unhandled).toEqual([])
    }, 30_000)
  })
