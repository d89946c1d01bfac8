/** An upstream whose nats-server stops, stalls or rejects. */
import { afterEach, describe, expect, it } from 'vitest'
import { createNatsUpstream, type NatsUpstreamOptions } from '../../bridge/upstream/nats.ts'
import type { Upstream, UpstreamMessage, UpstreamState } from '../../bridge/upstream/upstream.ts'
import type { SpanwireError } from '../../sdk/wire/errors.ts'
import { parseHeaders } from '../../sdk/wire/headers.ts'
import { eventually } from '../support/eventually.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../support/nats-server.ts'
import { bytes, text } from './upstream.ts'

const disposables: AsyncDisposable[] = []
afterEach(async () => {
  for (const disposable of disposables.splice(0).reverse()) await disposable[Symbol.asyncDispose]()
})

async function startServer(options?: NatsServerOptions): Promise<NatsServer> {
  const server = await startNatsServer(options)
  disposables.push(server)
  return server
}

async function startProxy(port: number): Promise<FaultProxy> {
  const proxy = await startFaultProxy(port)
  disposables.push(proxy)
  return proxy
}

/** An upstream with short timeouts, and its errors and states. */
function connect(url: string, options: Partial<NatsUpstreamOptions> = {}) {
  const errors: SpanwireError[] = []
  const states: UpstreamState[] = []
  const upstream = createNatsUpstream({
    url,
    onError: (error) => errors.push(error),
    backoff: { first: 20, longest: 100 },
    connectTimeout: 1_000,
    stallTimeout: 400,
    ...options,
  })
  upstream.onState((state) => states.push(state))
  disposables.push({ [Symbol.asyncDispose]: () => upstream.close() })
  return { upstream, errors, states }
}

const isOpen = (upstream: Upstream) => eventually(() => upstream.state === 'open', { what: 'open' })
const isAway = (upstream: Upstream) => eventually(() => upstream.state === 'reconnecting', { what: 'reconnecting' })
const unavailable = expect.objectContaining({ code: 'upstream-unavailable' })

describe.each([
  ['TCP', 'url', 'nats', 'port'],
  ['WebSocket', 'wsUrl', 'ws', 'wsPort'],
] as const)('outages of nats over %s', (_, address, scheme, port) => {
  it('reopens after a restart, with all subscriptions', async () => {
    const server = await startServer()
    const { upstream, states } = connect(server[address])
    await isOpen(upstream)
    const seen: string[] = []
    upstream.subscribe('kept.>', undefined, ({ subject }) => seen.push(subject))
    upstream.subscribe('kept.*', 'group', ({ subject }) => seen.push(`group ${subject}`))
    const end = upstream.subscribe('ended', undefined, ({ subject }) => seen.push(subject))
    await upstream.flush()
    await server.stop()
    await isAway(upstream)
    end()
    upstream.subscribe('added', undefined, ({ subject }) => seen.push(subject))
    await server.restart()
    await isOpen(upstream)
    for (const subject of ['kept.a', 'ended', 'added']) upstream.publish({ subject, payload: bytes('') })
    await upstream.flush()
    expect(seen.sort()).toEqual(['added', 'group kept.a', 'kept.a'])
    expect(states).toEqual(['open', 'reconnecting', 'open'])
  })

  it('leaves a server in lame duck mode without losing messages', async () => {
    const server = await startServer({ config: 'lame_duck_duration: "30s", lame_duck_grace_period: "20s"' })
    const { upstream, errors } = connect(server[address])
    await isOpen(upstream)
    const seen: string[] = []
    upstream.subscribe('n', undefined, ({ payload }) => seen.push(text(payload)))
    let sent = 0
    const publishing = setInterval(() => {
      for (let i = 0; i < 10; i++) upstream.publish({ subject: 'n', payload: bytes(`${sent++}`) })
    }, 1)
    try {
      process.kill(server.pid, 'SIGUSR2')
      await isAway(upstream)
      await eventually(() => errors.some(({ message }) => message.includes('shutting down')))
      await server.restart()
      await isOpen(upstream)
    } finally {
      clearInterval(publishing)
    }
    await upstream.flush()
    expect(seen).toEqual(Array.from({ length: sent }, (_, n) => `${n}`))
  }, 30_000)

  it('moves a subscription that is created in lame duck mode to the next server', async () => {
    const server = await startServer({ config: 'lame_duck_duration: "30s", lame_duck_grace_period: "20s"' })
    const { upstream } = connect(server[address])
    await isOpen(upstream)
    const seen: string[] = []
    const leaving = new Promise((resolve) => {
      upstream.onState(resolve)
    })
    process.kill(server.pid, 'SIGUSR2')
    await leaving
    // Pending operations are not confirmed yet, so the old connection is still open.
    upstream.subscribe('late', undefined, ({ subject }) => seen.push(subject))
    await server.restart()
    await isOpen(upstream)
    upstream.publish({ subject: 'late', payload: bytes('') })
    await upstream.flush()
    expect(seen).toEqual(['late'])
  }, 30_000)

  it('has registered all interest when it reports open', async () => {
    const server = await startServer()
    const proxy = await startProxy(server[port])
    const { upstream } = connect(`${scheme}://127.0.0.1:${proxy.port}`)
    const other = connect(server[address]).upstream
    await Promise.all([isOpen(upstream), isOpen(other)])
    const seen: string[] = []
    for (let i = 0; i < 300; i++) upstream.subscribe(`s.${i}`, undefined, ({ subject }) => seen.push(subject))
    await upstream.flush()
    const reopened = new Promise<void>((resolve) => {
      upstream.onState((state) => {
        if (state !== 'open') return
        for (let i = 0; i < 300; i++) other.publish({ subject: `s.${i}`, payload: bytes('') })
        resolve()
      })
    })
    proxy.cut()
    await reopened
    await other.flush()
    await eventually(() => seen.length >= 300)
    expect(new Set(seen).size).toBe(300)
    expect(seen).toHaveLength(300)
  })

  it('waits for a server that is not running yet', async () => {
    const server = await startServer()
    await server.stop()
    const { upstream, states, errors } = connect(server[address])
    const seen: string[] = []
    upstream.subscribe('early', undefined, ({ payload }) => seen.push(text(payload)))
    upstream.publish({ subject: 'early', payload: bytes('one') })
    await expect(upstream.flush()).rejects.toEqual(unavailable)
    await eventually(() => errors.length > 0)
    expect(errors[0]?.code).toBe('connection-refused')
    expect(upstream.state).toBe('connecting')
    await server.restart()
    await isOpen(upstream)
    await upstream.flush()
    expect(seen).toEqual(['one'])
    expect(states).toEqual(['open'])
  })

  it('sends buffered publishes in order, before new ones', async () => {
    const server = await startServer()
    const { upstream } = connect(server[address])
    const seen: string[] = []
    upstream.subscribe('log', undefined, ({ payload }) => seen.push(text(payload)))
    await isOpen(upstream)
    await server.stop()
    await isAway(upstream)
    for (let i = 0; i < 100; i++) upstream.publish({ subject: 'log', payload: bytes(`${i}`) })
    upstream.onState((state) => {
      if (state === 'open') upstream.publish({ subject: 'log', payload: bytes('100') })
    })
    await server.restart()
    await isOpen(upstream)
    await upstream.flush()
    expect(seen).toEqual(Array.from({ length: 101 }, (_, i) => `${i}`))
  })

  it('rejects a publish when its buffer is full, and recovers', async () => {
    const server = await startServer()
    const { upstream } = connect(server[address], { buffer: { maxBytes: 10_000 } })
    await isOpen(upstream)
    await server.stop()
    await isAway(upstream)
    const publish = () => upstream.publish({ subject: 'big', payload: new Uint8Array(4_000) })
    publish()
    publish()
    expect(publish).toThrow(unavailable)
    await server.restart()
    await isOpen(upstream)
    publish()
    await upstream.flush()
  })

  it('answers a request while offline with 503, and does not send it later', async () => {
    const server = await startServer()
    const { upstream } = connect(server[address])
    const answers: UpstreamMessage[] = []
    const requests: string[] = []
    upstream.subscribe('inbox.*', undefined, (message) => answers.push(message))
    upstream.subscribe('service', undefined, () => requests.push('requests'))
    await isOpen(upstream)
    await server.stop()
    await isAway(upstream)
    upstream.publish({ subject: 'service', reply: 'inbox.1', payload: bytes('?') })
    expect(answers).toEqual([])
    await eventually(() => answers.length === 1)
    expect(answers[0]?.subject).toBe('inbox.1')
    expect(parseHeaders(answers[0]?.headers ?? bytes(''))).toMatchObject({ status: 503 })
    await server.restart()
    await isOpen(upstream)
    await upstream.flush()
    expect(requests).toEqual([])
    expect(answers).toHaveLength(1)
  })

  it('detects a stalled server, and rejects a flush', async () => {
    const server = await startServer()
    const { upstream, states, errors } = connect(server[address])
    const seen: string[] = []
    upstream.subscribe('after', undefined, ({ payload }) => seen.push(text(payload)))
    await isOpen(upstream)
    server.pause()
    // The first may still be answered, because a process does not stop immediately.
    const refusal = await eventually(() => upstream.flush().catch((error: unknown) => error))
    expect(refusal).toEqual(unavailable)
    expect(states).toEqual(['open', 'reconnecting'])
    expect(errors.map(({ code }) => code)).toContain('connection-lost')
    upstream.publish({ subject: 'after', payload: bytes('kept') })
    server.resume()
    await isOpen(upstream)
    await upstream.flush()
    expect(seen).toEqual(['kept'])
  })

  it('detects a stalled server without an operation', async () => {
    const server = await startServer()
    const { upstream } = connect(server[address], { pingInterval: 100 })
    await isOpen(upstream)
    server.pause()
    await isAway(upstream)
    server.resume()
    await isOpen(upstream)
  })

  it('detects a stalled server while its sockets are full', async () => {
    const server = await startServer()
    const { upstream } = connect(server[address])
    await isOpen(upstream)
    server.pause()
    const publish = () => upstream.publish({ subject: 'flood', payload: new Uint8Array(1_000_000) })
    // More than sockets hold, less than the upstream's limit of pending bytes.
    for (let i = 0; i < 30; i++) publish()
    await isAway(upstream)
    server.resume()
    await isOpen(upstream)
    await upstream.flush()
  })

  it('rejects publishes over the limit of pending bytes', async () => {
    const server = await startServer()
    const { upstream } = connect(server[address])
    await isOpen(upstream)
    server.pause()
    const publish = () => upstream.publish({ subject: 'flood', payload: new Uint8Array(1_000_000) })
    expect(() => {
      for (let i = 0; i < 60; i++) publish()
    }).toThrow(unavailable)
    server.resume()
    await eventually(() => {
      publish()
      return true
    })
  })

  it('ends a pending connection attempt at close', async () => {
    const server = await startServer()
    server.pause()
    const { upstream, states } = connect(server[address], { connectTimeout: 60_000 })
    const begun = performance.now()
    await upstream.close()
    // A connection attempt itself ends after longer.
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(states).toEqual(['closed'])
    server.resume()
    await eventually(async () => {
      const connz = (await (await fetch(`${server.monitorUrl}/connz`)).json()) as { num_connections: number }
      return connz.num_connections === 0
    })
  })

  it('ends a connection to a stalled server at close', async () => {
    const server = await startServer()
    const proxy = await startProxy(server[port])
    const { upstream } = connect(`${scheme}://127.0.0.1:${proxy.port}`)
    await isOpen(upstream)
    proxy.pause()
    const flushed = expect(upstream.flush()).rejects.toMatchObject({ code: 'connection-closed' })
    await upstream.close()
    await flushed
  })

  it('retries and reports rejected credentials', async () => {
    const server = await startServer({ config: 'authorization { user: bridge, password: sesame }' })
    const { upstream, errors } = connect(server[address], { credentials: { user: 'bridge', pass: 'wrong' } })
    await eventually(() => errors.length > 0)
    expect(errors[0]).toMatchObject({ code: 'authentication-failed' })
    expect(errors[0]?.message).not.toContain('wrong')
    expect(upstream.state).toBe('connecting')
    const right = connect(server[address], { credentials: { user: 'bridge', pass: 'sesame' } })
    await isOpen(right.upstream)
    const inUrl = connect(server[address].replace('://', '://bridge:sesame@'))
    await isOpen(inUrl.upstream)
  })

  it("reports missing permissions of the bridge's own user", async () => {
    const permissions = '{ publish: { deny: ["secret.>"] }, subscribe: { deny: ["secret.>"] } }'
    const server = await startServer({
      config: `authorization { users: [{ user: bridge, password: sesame, permissions: ${permissions} }] }`,
    })
    const { upstream, errors, states } = connect(server[address], { credentials: { user: 'bridge', pass: 'sesame' } })
    await isOpen(upstream)
    const seen: string[] = []
    upstream.subscribe('secret.x', undefined, () => seen.push('secret'))
    upstream.subscribe('open', undefined, () => seen.push('open'))
    upstream.publish({ subject: 'secret.x', payload: bytes('') })
    upstream.publish({ subject: 'open', payload: bytes('') })
    await upstream.flush()
    await eventually(() => errors.length === 2)
    expect(errors.map(({ code }) => code)).toEqual(['permission-denied', 'permission-denied'])
    expect(errors.map(({ message }) => message).join()).toMatch(/subscribe to secret\.x.*publish to secret\.x/)
    expect(seen).toEqual(['open'])
    expect(states).toEqual(['open'])
  })

  it('connects to another server if the first is unavailable', async () => {
    const [first, second] = [await startServer(), await startServer()]
    await first.stop()
    const { upstream } = connect('', { url: [first[address], second[address]] })
    await isOpen(upstream)
  })
})
