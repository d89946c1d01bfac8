/** Spanwire's WebSocket client: credentials, keep-alive, and a bridge without NATS. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import type { WebSocketOptions } from '../../sdk/transport/websocket/websocket-options.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'

const opened: Transport[] = []
const backoff = { first: 20, longest: 50 }

function dial(options: WebSocketOptions): Transport {
  const transport = webSocket({ backoff, ...options })
  opened.push(transport)
  return transport
}

/** Warning of a bridge that lost NATS. */
const LOST = ['spanwire upstream: The connection to NATS was lost.']

afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(opened.splice(0).map((transport) => transport.close()))
})

const isState = (transport: Transport, state: string) =>
  eventually(() => transport.status.state === state, { what: `state ${state}` })

describe('credentials', () => {
  it('closes when a static token is rejected', async () => {
    await using server = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    const transport = dial({ url: server.url, token: 'not a token' })
    const waiting = expect(transport.publish('a', new Uint8Array())).rejects.toMatchObject({
      code: 'authentication-failed',
    })
    await isState(transport, 'closed')
    expect(transport.status.reason).toMatchObject({ code: 'authentication-failed' })
    await waiting
  })

  it('calls a token function again, and closes after three rejected tokens', async () => {
    await using server = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    let calls = 0
    const transport = dial({ url: server.url, token: () => `bad ${++calls}` })
    await isState(transport, 'closed')
    expect(calls).toBe(3)
  })

  it('calls a token function again after an error, except for authentication-failed', async () => {
    await using server = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    let calls = 0
    const flaky = dial({
      url: server.url,
      token: () => (++calls < 3 ? Promise.reject(new Error('offline')) : rootToken()),
    })
    await isState(flaky, 'open')
    expect(calls).toBe(3)
    const signedOut = dial({
      url: server.url,
      token: () => {
        throw new SpanwireError('authentication-failed', 'Signed out.')
      },
    })
    await isState(signedOut, 'closed')
    expect(signedOut.status.reason?.message).toBe('Signed out.')
  })

  it('calls a token function again if it is pending after connectTimeout', async () => {
    await using server = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    let calls = 0
    const token = () => (++calls === 1 ? new Promise<never>(() => {}) : rootToken())
    await isState(dial({ url: server.url, token, connectTimeout: 200 }), 'open')
    expect(calls).toBeGreaterThan(1)
  })

  it('replaces an expired token, and keeps subscriptions', async () => {
    await using server = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    let calls = 0
    const all = { allow: ['>'] }
    const transport = dial({
      url: server.url,
      token: () => createToken({ pub: all, subscribe: all, expiresIn: ++calls === 1 ? 2 : 60 }),
    })
    const seen: string[] = []
    await transport.subscribe('a', { message: ({ subject }) => seen.push(subject), ended: () => {} }).ready
    await eventually(() => calls === 2 && transport.status.state === 'open', {
      what: 'a fresh token',
      deadline: 30_000,
    })
    await transport.publish('a', new Uint8Array())
    await eventually(() => seen.length === 1)
  }, 40_000)

  it('authenticates with user and password', async () => {
    await using server = await startNatsServer({ config: 'authorization { user: u, password: p }' })
    await isState(dial({ url: server.wsUrl, user: 'u', pass: 'p' }), 'open')
    await isState(dial({ url: server.wsUrl, user: 'u', pass: 'x' }), 'closed')
  })
})

describe('the connection', () => {
  it('detects a silent network by an unanswered PING', async () => {
    await using server = await startNatsServer()
    await using proxy = await startFaultProxy(server.wsPort)
    const transport = dial({ url: `ws://127.0.0.1:${proxy.port}`, pingInterval: 50 })
    await isState(transport, 'open')
    proxy.pause()
    await isState(transport, 'reconnecting')
    expect(transport.status.reason?.message).toMatch(/stopped answering/)
    proxy.cut()
    proxy.resume()
    await isState(transport, 'open')
  })

  it('ends an attempt after connectTimeout, and connects again', async () => {
    await using server = await startNatsServer()
    await using proxy = await startFaultProxy(server.wsPort)
    proxy.pause()
    const transport = dial({ url: `ws://127.0.0.1:${proxy.port}`, connectTimeout: 100 })
    await eventually(() => transport.status.reason?.code === 'connection-refused')
    expect(transport.status.state).toBe('connecting')
    proxy.cut()
    proxy.resume()
    await isState(transport, 'open')
  })

  it('reports upstream-unavailable while the bridge has no NATS, and publishes later', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    await using nats = await startNatsServer()
    await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
    const transport = dial({ url: server.url, token: rootToken })
    const seen: string[] = []
    const states: string[] = []
    await transport.subscribe('a', { message: ({ payload }) => seen.push(`${payload[0]}`), ended: () => {} }).ready
    transport.onStatus(({ state, reason }) => states.push(`${state} ${reason?.code ?? ''}`.trim()))
    await nats.stop()
    await isState(transport, 'reconnecting')
    const published = Promise.all([1, 2].map((n) => transport.publish('a', Uint8Array.of(n))))
    const later = transport.subscribe('b', { message: () => seen.push('b'), ended: () => {} })
    let ready = false
    void later.ready.then(() => {
      ready = true
    })
    expect(ready).toBe(false)
    await nats.restart()
    await published
    await later.ready
    await transport.publish('b', new Uint8Array())
    await eventually(() => seen.length === 3)
    expect(seen).toEqual(['1', '2', 'b'])
    expect(states).toEqual(['reconnecting upstream-unavailable', 'open'])
    // It may also have warned about failed attempts.
    expect(warn.mock.calls[0]).toEqual(LOST)
  }, 30_000)

  it('closes at drain with nothing to send while the bridge has no NATS', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    await using nats = await startNatsServer()
    await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
    const transport = dial({ url: server.url, token: rootToken })
    const subscription = transport.subscribe('a', { message: () => {}, ended: () => {} })
    await subscription.ready
    await nats.stop()
    await isState(transport, 'reconnecting')
    expect(transport.status.reason?.code).toBe('upstream-unavailable')
    await transport.drain()
    expect(transport.status.state).toBe('closed')
    expect(warn.mock.calls[0]).toEqual(LOST)
  })

  it('delivers several large messages of one turn', async () => {
    await using server = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    const transport = dial({ url: server.url, token: rootToken })
    const seen: number[] = []
    await transport.subscribe('a', { message: ({ payload }) => seen.push(payload.length), ended: () => {} }).ready
    const sizes = [900_000, 900_000, 900_000, 10, 900_000]
    await Promise.all(sizes.map((size) => transport.publish('a', new Uint8Array(size))))
    await eventually(() => seen.length === 5)
    expect(seen).toEqual(sizes)
  })

  it('ends only the subscription over the limit of the server', async () => {
    await using server = await startNatsServer({ config: 'max_subscriptions: 2' })
    const transport = dial({ url: server.wsUrl })
    const seen: string[] = []
    const ended: unknown[] = []
    const subscribe = (filter: string) =>
      transport.subscribe(filter, {
        message: ({ subject }) => seen.push(subject),
        ended: (error) => ended.push(filter, error),
      }).ready
    await Promise.all([subscribe('a'), subscribe('b')])
    await expect(subscribe('c')).rejects.toMatchObject({ code: 'permission-denied' })
    expect(ended).toEqual(['c', expect.objectContaining({ code: 'permission-denied' })])
    for (const subject of ['a', 'b', 'c']) await transport.publish(subject, new Uint8Array())
    await eventually(() => seen.length === 2)
    expect(seen).toEqual(['a', 'b'])
  })

  it('leaves a server in lame duck mode after pending operations are confirmed', async () => {
    await using server = await startNatsServer({ config: 'lame_duck_duration: "30s", lame_duck_grace_period: "20s"' })
    const transport = dial({ url: server.wsUrl })
    const seen: number[] = []
    await transport.subscribe('a', { message: ({ payload }) => seen.push(payload[0] ?? 0), ended: () => {} }).ready
    const reasons: Array<string | undefined> = []
    transport.onStatus(({ reason }) => reasons.push(reason?.message))
    process.kill(server.pid, 'SIGUSR2')
    // Each after the confirmation of the previous one, until one waits for the next server.
    let sent = 0
    const publishing = (async () => {
      for (let waits = false; !waits; sent++) {
        waits = transport.status.state !== 'open'
        await transport.publish('a', Uint8Array.of(sent % 256))
      }
    })()
    await isState(transport, 'reconnecting')
    expect(reasons[0]).toBe('The server is shutting down.')
    await server.restart()
    await publishing
    await isState(transport, 'open')
    await eventually(() => seen.length === sent)
    expect(seen).toEqual(seen.map((_, index) => index % 256))
  }, 30_000)

  it('rejects invalid URLs', () => {
    for (const url of ['', 'x', 'ftp://a', 'mailto:a'])
      expect(() => webSocket({ url }), url).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})
