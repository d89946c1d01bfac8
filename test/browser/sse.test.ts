/** EventSource of a browser at GET /events, on a real stream, with network cuts and restarts of the bridge. */
import { expect, it } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { coreOf } from '../support/hub-core.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { isSkipped } from '../support/runtimes.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'

it.skipIf(isSkipped('chromium'))(
  'Chromium resumes exactly after the last event',
  async () => {
    await using nats = await startNatsServer({ jetstream: true })
    const port = await freePort()
    const start = async () => {
      const bridge = await serve({ port, upstream: nats.url, auth: { secret: SECRET } })
      await bridge.bridge.hub.opened
      return bridge
    }
    let server = await start()
    await coreOf(server.bridge.hub).jetstream.createStream({ name: 'N', subjects: ['n'], storage: 'memory' })
    await using proxy = await startFaultProxy(port)
    const browser = await launchChromium()
    let last = 0
    const authorization = { Authorization: `Bearer ${await rootToken()}` }
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const body = String(++last)
        const { status } = await fetch(`${server.url}/publish/n`, { method: 'POST', headers: authorization, body })
        expect(status).toBe(200)
      }
    }
    try {
      const page = await browser.newPage()
      // The same origin as the events.
      await page.goto(`http://127.0.0.1:${proxy.port}/healthz`)
      const token = await createToken({ subscribe: { allow: ['n'] }, expiresIn: 300 })
      await page.evaluate((query) => {
        const seen: number[] = []
        const source = new EventSource(`/events?subject=n&from=all&token=${query}`)
        source.onmessage = ({ data }) => seen.push(JSON.parse(data).data)
        Object.assign(globalThis, { seen, source })
      }, token)
      const seen = () => page.evaluate(() => (globalThis as unknown as { seen: number[] }).seen)
      const catchUp = (what: string) => eventually(async () => (await seen()).length >= last, { what })
      const interest = () => server.bridge.hub.stats.connections
      for (let round = 1; round <= 3; round++) {
        await publish(20)
        await catchUp('events before the cut')
        if (round < 3) {
          proxy.cut()
          await eventually(() => interest() === 0, { what: 'the end of the interest' })
          await publish(20)
        } else {
          await server.close()
          server = await start()
          await publish(20)
        }
        await catchUp('events after the cut')
      }
      expect(await seen()).toEqual(Array.from({ length: 120 }, (_, index) => index + 1))
      await page.evaluate(() => (globalThis as unknown as { source: EventSource }).source.close())
      await eventually(() => interest() === 0, { what: 'the end of the interest' })
    } finally {
      await browser.close()
      await server.close()
    }
  },
  60_000,
)
