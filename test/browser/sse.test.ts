/** A browser's own EventSource at GET /events, behind a network that cuts. The hub here is a script with one stream. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { eventsRoute } from '../../bridge/routes/events.ts'
import type { DialHub } from '../../bridge/routes/hub-line.ts'
import { encodeHeaders } from '../../sdk/protocol/headers.ts'
import { encodeAckSubject, parseReplay, replayHeaders, replayStatus } from '../../sdk/protocol/replay.ts'
import { encodeMessage } from '../../sdk/protocol/server-op.ts'
import { launchChromium } from '../support/chromium.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { isSkipped } from '../support/runtimes.ts'

/** A stream of numbers, and hub lines that replay it. */
function createStream() {
  let last = 0
  const followers = new Set<() => void>()
  const dial: DialHub = (_, handler) => {
    const ends: Array<() => void> = []
    return {
      send(bytes) {
        for (const line of new TextDecoder().decode(bytes).split('\r\n')) {
          const [verb, subject = '', sid = ''] = line.split(' ')
          if (verb === 'PING') handler.bytes(new TextEncoder().encode('PONG\r\n'))
          const start = verb === 'SUB' ? parseReplay(subject)?.start : undefined
          if (!start) continue
          let next = start.at === 'seq' ? start.seq : 1
          const fields = Object.entries({ stream: 'S', epoch: 'E', first: 1, last, start: next })
          const block = encodeHeaders(
            fields.map(([name, value]) => [replayHeaders[name as 'first'], String(value)] as const),
            100,
            replayStatus.open,
          )
          handler.bytes(encodeMessage('$EDGE.REPLAY', sid, new Uint8Array(0), undefined, block))
          const give = () => {
            for (; next <= last; next++)
              handler.bytes(
                encodeMessage('n', sid, new TextEncoder().encode(`${next}`), encodeAckSubject('S', next, 1, 0)),
              )
          }
          followers.add(give)
          ends.push(() => followers.delete(give))
          give()
        }
      },
      close: () => {
        for (const end of ends) end()
      },
    }
  }
  const publish = (count: number) => {
    last += count
    for (const give of followers) give()
  }
  return { dial, publish, followers: () => followers.size }
}

it.skipIf(isSkipped('chromium'))(
  'Chromium comes again behind the last event, exactly',
  async () => {
    const stream = createStream()
    const app = new Hono()
    app.route(
      '/events',
      eventsRoute(stream.dial, () => undefined),
    )
    app.get('/', (c) => c.html('<!doctype html><title>EventSource</title>'))
    const server = createServer(getRequestListener(app.fetch))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const proxy = await startFaultProxy((server.address() as AddressInfo).port)
    const browser = await launchChromium()
    try {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${proxy.port}/`)
      await page.evaluate(() => {
        const seen: number[] = []
        const source = new EventSource('/events?subject=n&from=all')
        source.onmessage = ({ data }) => seen.push(JSON.parse(data).data)
        Object.assign(globalThis, { seen, source })
      })
      const seen = () => page.evaluate(() => (globalThis as unknown as { seen: number[] }).seen)
      for (let round = 1; round <= 3; round++) {
        stream.publish(20)
        await eventually(async () => (await seen()).length >= round * 40 - 20, { what: 'events before the cut' })
        proxy.cut()
        await eventually(() => stream.followers() === 0, { what: 'the end of the interest' })
        stream.publish(20)
        await eventually(async () => (await seen()).length >= round * 40, {
          what: 'events behind the cut',
          deadline: 15_000,
        })
      }
      expect(await seen()).toEqual(Array.from({ length: 120 }, (_, index) => index + 1))
      await page.evaluate(() => (globalThis as unknown as { source: EventSource }).source.close())
      await eventually(() => stream.followers() === 0, { what: 'the end of the interest' })
    } finally {
      await browser.close()
      await proxy.close()
      server.closeAllConnections()
      server.close()
    }
  },
  60_000,
)
