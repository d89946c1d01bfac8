import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

/** A network that blocks WebSockets: the dial fails without a reason. */
function blockWebSockets() {
  let dials = 0
  vi.stubGlobal(
    'WebSocket',
    class {
      onclose: ((event: object) => void) | null = null
      constructor() {
        dials++
        setTimeout(() => this.onclose?.({ code: 1006, reason: '' }))
      }
      close() {}
    },
  )
  return { dials: () => dials }
}

it('the client uses the fallback if WebSockets are blocked, and remembers it', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  const blocked = blockWebSockets()
  const options = { url: server.url, token: rootToken, backoff: { first: 5, longest: 10 } }
  const transport = webSocket(options)
  const seen: number[] = []
  await transport.subscribe('a', { message: ({ payload }) => seen.push(payload[0] as number), ended() {} }).ready
  await transport.publish('a', Uint8Array.of(7))
  await eventually(() => seen.length === 1)
  expect(blocked.dials()).toBe(2)
  await transport.close()
})

it('the client does not use the fallback with via: websocket, or if the bridge is unreachable', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  const blocked = blockWebSockets()
  const transport = webSocket({
    url: server.url,
    via: 'websocket',
    token: rootToken,
    backoff: { first: 5, longest: 10 },
  })
  await eventually(() => blocked.dials() > 4)
  expect(transport.status.state).toBe('connecting')
  await transport.close()
})

it('the client uses the fallback after 3 s if a WebSocket neither opens nor fails', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  // A proxy that drops upgrades and forwards plain HTTP.
  let swallowed = 0
  const proxy = createServer((from, to) => {
    const onward = request(server.url + from.url, { method: from.method, headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(to)
    })
    onward.on('error', () => to.destroy())
    to.on('close', () => onward.destroy())
    from.pipe(onward)
  })
  proxy.on('upgrade', (_, socket) => {
    swallowed++
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const began = performance.now()
  const transport = webSocket({
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    token: rootToken,
    backoff: { first: 5, longest: 10 },
  })
  await eventually(() => transport.status.state === 'open', { what: 'the fallback', deadline: 10_000 })
  // Not before the WebSocket had its 3 s, and not after a second attempt.
  expect(performance.now() - began).toBeGreaterThan(2_900)
  expect(swallowed).toBe(1)
  await transport.close()
  proxy.closeAllConnections()
  proxy.close()
}, 20_000)

it('the client tries a WebSocket again after 10 min', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  const blocked = blockWebSockets()
  const options = { url: server.url, token: rootToken, backoff: { first: 5, longest: 10 } }
  const first = webSocket(options)
  await eventually(() => first.status.state === 'open')
  await first.close()
  expect(blocked.dials()).toBe(2)
  vi.unstubAllGlobals()
  // Only the date is faked. Timers stay real.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10 * 60_000 + 1 })
  let opened = 0
  const Real = globalThis.WebSocket
  vi.stubGlobal(
    'WebSocket',
    class extends Real {
      constructor(url: string) {
        super(url)
        opened++
      }
    },
  )
  const later = webSocket(options)
  await eventually(() => later.status.state === 'open')
  expect(opened).toBe(1)
  await later.close()
})
