import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
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

/** Counts the WebSockets that are open. */
function countWebSockets() {
  const open = new Set<WebSocket>()
  const Real = globalThis.WebSocket
  vi.stubGlobal(
    'WebSocket',
    class extends Real {
      constructor(url: string) {
        super(url)
        this.addEventListener('open', () => open.add(this))
        this.addEventListener('close', () => open.delete(this))
      }
    },
  )
  return { open: () => open.size }
}

/** Probes of a WebSocket come after 50 ms. */
function fastProbes() {
  const real = globalThis.setTimeout
  vi.stubGlobal('setTimeout', (run: () => void, ms: number, ...args: []) => real(run, ms === 60_000 ? 50 : ms, ...args))
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
  await eventually(() => transport.status.state === 'open', { what: 'the fallback' })
  // Not before the WebSocket had its 3 s, and not after a second attempt.
  expect(performance.now() - began).toBeGreaterThan(2_900)
  expect(swallowed).toBe(1)
  await transport.close()
  proxy.closeAllConnections()
  proxy.close()
}, 20_000)

it('after a restart of the bridge all clients use WebSockets', async () => {
  await using nats = await startNatsServer()
  const port = await freePort()
  const start = () => serve({ port, upstream: nats.url, auth: { secret: SECRET } })
  let server = await start()
  const count = countWebSockets()
  const clients = Array.from({ length: 5 }, () =>
    webSocket({ url: server.url, token: rootToken, backoff: { first: 200, longest: 400 } }),
  )
  const areOpen = () => clients.every(({ status }) => status.state === 'open')
  for (let round = 0; round < 3; round++) {
    await eventually(areOpen, { what: 'all clients' })
    await server.close()
    await new Promise((resolve) => setTimeout(resolve, 500))
    server = await start()
  }
  await eventually(areOpen, { what: 'all clients' })
  expect(count.open()).toBe(5)
  for (const client of clients) await client.close()
  await server.close()
}, 30_000)

it('a lost connection is opened again by WebSocket, after each of ten losses', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  await using proxy = await startFaultProxy(server.port)
  const count = countWebSockets()
  const url = `http://127.0.0.1:${proxy.port}`
  const transport = webSocket({ url, token: rootToken, backoff: { first: 5, longest: 10 } })
  let losses = 0
  transport.onStatus(({ state }) => {
    if (state === 'reconnecting') losses++
  })
  for (let round = 1; round <= 10; round++) {
    await eventually(() => transport.status.state === 'open' && count.open() === 1, { what: 'a WebSocket' })
    proxy.cut()
    await eventually(() => losses >= round, { what: 'a loss' })
  }
  await eventually(() => count.open() === 1, { what: 'a WebSocket' })
  await transport.close()
}, 30_000)

it('a client on the fallback returns to a WebSocket, and loses none of its publishes', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  const blocked = blockWebSockets()
  fastProbes()
  const transport = webSocket({ url: server.url, token: rootToken, backoff: { first: 5, longest: 10 } })
  const seen: number[] = []
  await transport.subscribe('a', { message: ({ payload }) => seen.push(payload[0] as number), ended() {} }).ready
  const dials = blocked.dials()
  await eventually(() => blocked.dials() > dials + 1, { what: 'probes' })
  expect(transport.status.state).toBe('open')
  vi.unstubAllGlobals()
  fastProbes()
  const count = countWebSockets()
  const published: Array<Promise<void>> = []
  for (let n = 1; n <= 100; n++) {
    published.push(transport.publish('a', Uint8Array.of(n)))
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
  await Promise.all(published)
  await eventually(() => count.open() === 1, { what: 'a WebSocket' })
  await transport.publish('a', Uint8Array.of(101))
  await eventually(() => seen.at(-1) === 101)
  // Events without a stream that were published while the client was offline are lost.
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
  expect(server.bridge.hub.stats.connections).toBe(1)
  await transport.close()
}, 30_000)

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
