/** Traces over a real bridge and a real nats-server, with the real OpenTelemetry SDK. */
import { context, createTraceState, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { connect as dial } from 'nats'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { createTestBridge } from '../../bridge/testing/index.ts'
import { consume } from '../../sdk/consumer/index.ts'
import { type Bus, connect, defineEvents, event } from '../../sdk/index.ts'
import { bridgeSpans, contextOf, traced, tracedHandler } from '../../sdk/opentelemetry/index.ts'
import { connect as connectService } from '../../sdk/server.ts'
import { http } from '../../sdk/transport/http/index.ts'
import { nats as natsTransport } from '../../sdk/transport/nats/index.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'
import { remote, shape, startTracing, type Tracing } from '../support/tracing.ts'

const events = defineEvents({
  'orders.{orderId}.created': z.object({ total: z.number() }),
  'invoices.{orderId}.sent': z.object({ total: z.number() }),
  'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }),
  'shop.{id}.paid': event(z.object({ total: z.number() }), { stream: 'SHOP' }),
})

let tracing: Tracing
let nats: NatsServer
let bridge: BridgeServer
let browser: Bus<typeof events>
let service: Bus<typeof events>
const failures: unknown[] = []

beforeAll(async () => {
  tracing = startTracing()
  nats = await startNatsServer({ jetstream: true })
  const admin = await dial({ servers: nats.url })
  const manager = await admin.jetstreamManager()
  await manager.streams.add({ name: 'SHOP', subjects: ['shop.*.paid'] })
  await admin.close()
  bridge = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  browser = traced(connect({ url: bridge.url, token: await rootToken(), events }))
  service = traced(connectService({ url: nats.url, events, onError: (error) => failures.push(error) }))
})
afterAll(async () => {
  await browser?.close()
  await service?.close()
  await bridge?.close()
  await nats?.[Symbol.asyncDispose]()
  tracing?.[Symbol.dispose]()
})
beforeEach(async () => {
  // Ends publishes of the previous test and their spans.
  await Promise.all([browser.flush(), service.flush()])
  tracing.reset()
  failures.length = 0
})

const tracer = trace.getTracer('test')
const onlyTrace = (spans: readonly ReadableSpan[]) => {
  const ids = new Set(spans.map((span) => span.spanContext().traceId))
  expect([...ids]).toHaveLength(1)
  return [...ids][0]
}

/** Runs a function in a span of the application with the name `click`. */
const click = <T>(run: () => Promise<T>) =>
  tracer.startActiveSpan('click', async (span) => {
    try {
      return await run()
    } finally {
      span.end()
    }
  })

describe('one trace', () => {
  it('has a batch in one span, and its events carry it', async () => {
    await using memory = createTestBridge()
    const contract = defineEvents({ 'shop.{id}.paid': event(z.object({ total: z.number() }), { stream: 'SHOP' }) })
    await memory.ensureStreams(contract)
    const bus = traced(memory.connect({ events: contract }))
    const seen: Array<string | undefined> = []
    using handle = bus.on('shop.{id}.paid', ({ headers }) => seen.push(headers.get('traceparent')))
    await handle.ready
    const paid = (id: string) => ({ name: 'shop.{id}.paid', params: { id }, data: { total: 1 } }) as const
    await click(() => bus.publishAll([paid('1'), paid('2')]))
    await bus.forget('shop.{id}.paid', { id: '1' })
    await tracing.ended('publish batch', 'process shop.{id}.paid', 'click')
    const [batch] = await tracing.ended('publish batch')
    expect(batch?.attributes).toMatchObject({ 'messaging.batch.message_count': 2, 'spanwire.stream.sequence': 2 })
    expect(seen).toHaveLength(2)
    for (const header of seen) expect(header).toContain(batch?.spanContext().traceId)
  })

  it('goes from a browser through the bridge to a service, and back with the publish of its handler', async () => {
    using orders = service.on('orders.{orderId}.created', async (e) => {
      await null
      await service.publish('invoices.{orderId}.sent', { orderId: e.params.orderId }, e.data)
    })
    const ids: string[] = []
    using invoices = browser.on('invoices.{orderId}.sent', (e) => ids.push(e.id))
    await Promise.all([orders.ready, invoices.ready])
    await click(() => browser.publish('orders.{orderId}.created', { orderId: '42' }, { total: 12 }))

    await tracing.ended('process invoices.{orderId}.sent', 'process orders.{orderId}.created')
    const { spans } = tracing
    expect(spans.map((span) => shape(span, spans)).sort()).toEqual([
      'CONSUMER process invoices.{orderId}.sent < publish invoices.{orderId}.sent',
      'CONSUMER process orders.{orderId}.created < publish orders.{orderId}.created',
      'INTERNAL click < nothing',
      'PRODUCER publish invoices.{orderId}.sent < process orders.{orderId}.created',
      'PRODUCER publish orders.{orderId}.created < click',
    ])
    onlyTrace(spans)

    const [publish, process] = await tracing.ended('publish invoices.{orderId}.sent', 'process invoices.{orderId}.sent')
    const common = {
      'messaging.system': 'nats',
      'messaging.destination.template': 'invoices.{orderId}.sent',
      'messaging.destination.name': 'invoices.42.sent',
      'messaging.message.id': ids[0],
    }
    expect(publish?.attributes).toEqual({
      ...common,
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
    })
    expect(process?.attributes).toEqual({
      ...common,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.message.body.size': 12,
    })
    expect(process?.links).toEqual([])
    expect(publish?.instrumentationScope.name).toBe('spanwire')
  })

  it('shows the bridge between the publisher and each handler', async () => {
    await using middle = await serve({ upstream: nats.url, auth: { secret: SECRET }, spans: bridgeSpans() })
    const page = traced(connect({ url: middle.url, token: await rootToken(), events }))
    const received = Promise.withResolvers<void>()
    using invoices = page.on('invoices.{orderId}.sent', () => received.resolve())
    await invoices.ready
    await click(() => page.publish('invoices.{orderId}.sent', { orderId: '7' }, { total: 1 }))
    await received.promise
    await tracing.ended('bridge publish', 'bridge deliver', 'process invoices.{orderId}.sent', 'click')
    const { spans } = tracing
    expect(spans.map((span) => shape(span, spans)).sort()).toEqual([
      'CONSUMER process invoices.{orderId}.sent < bridge deliver',
      'INTERNAL bridge deliver < bridge publish',
      'INTERNAL bridge publish < publish invoices.{orderId}.sent',
      'INTERNAL click < nothing',
      'PRODUCER publish invoices.{orderId}.sent < click',
    ])
    onlyTrace(spans)
    await page.close()
  })

  it('keeps tracestate and baggage', async () => {
    const seen = Promise.withResolvers<unknown>()
    using handle = service.on('orders.{orderId}.created', () => {
      const state = trace.getActiveSpan()?.spanContext().traceState
      seen.resolve([state?.get('vendor'), propagation.getActiveBaggage()?.getEntry('tenant')?.value])
    })
    await handle.ready
    const baggage = propagation.createBaggage({ tenant: { value: 'acme, inc' } })
    const came = propagation.setBaggage(remote({ traceState: createTraceState('vendor=x') }), baggage)
    await context.with(came, () => browser.publish('orders.{orderId}.created', { orderId: '1' }, { total: 1 }))
    expect(await seen.promise).toEqual(['x', 'acme, inc'])
  })

  it('is not mixed with a concurrent trace', async () => {
    const waiting: Array<() => void> = []
    using orders = service.on('orders.{orderId}.created', async (e) => {
      // All handlers wait for each other, and then continue in reverse order.
      await new Promise<void>((resolve) => {
        waiting.push(resolve)
        if (waiting.length === 20) for (const go of waiting.reverse()) go()
      })
      await service.publish('invoices.{orderId}.sent', { orderId: e.params.orderId }, e.data)
    })
    using invoices = browser.on('invoices.{orderId}.sent', () => {})
    await Promise.all([orders.ready, invoices.ready])
    const origins = new Map(Array.from({ length: 20 }, (_, n) => [`${n}`, remote()]))
    for (const [orderId, from] of origins)
      context.with(from, () => browser.publish('orders.{orderId}.created', { orderId }, { total: 1 }))
    // Each is published and handled twice.
    await eventually(() => tracing.spans.length === 80, { what: 'all spans' })
    for (const [orderId, from] of origins) {
      const traceId = trace.getSpanContext(from)?.traceId
      const own = tracing.spans.filter((span) => span.spanContext().traceId === traceId)
      expect(own.map((span) => span.attributes['messaging.destination.name']).sort()).toEqual(
        ['invoices', 'invoices', 'orders', 'orders'].map((kind) => expect.stringMatching(`^${kind}\\.${orderId}\\.`)),
      )
    }
  })

  it('is continued by a loop with contextOf', async () => {
    const orders = service.subscribe('orders.{orderId}.created')
    await orders.ready
    await click(() => browser.publish('orders.{orderId}.created', { orderId: '7' }, { total: 1 }))
    for await (const e of orders) {
      await context.with(contextOf(e), () => tracer.startActiveSpan('work', async (span) => span.end()))
      break
    }
    const [work] = await tracing.ended('work')
    const { spans } = tracing
    expect(work && shape(work, spans)).toBe('INTERNAL work < publish orders.{orderId}.created')
    onlyTrace(spans)
  })
})

describe('a request', () => {
  it('and its reply are one trace', async () => {
    using handle = service.respond('quotes.{symbol}.get', async () => ({ price: 3 }), { queue: 'quotes' })
    await handle.ready
    expect(await click(() => browser.request('quotes.{symbol}.get', { symbol: 'ABC' }, {}))).toEqual({ price: 3 })
    const [request, respond] = await tracing.ended('request quotes.{symbol}.get', 'respond quotes.{symbol}.get')
    const { spans } = tracing
    expect(spans.map((span) => shape(span, spans)).sort()).toEqual([
      'CLIENT request quotes.{symbol}.get < click',
      'INTERNAL click < nothing',
      'SERVER respond quotes.{symbol}.get < request quotes.{symbol}.get',
    ])
    onlyTrace(spans)
    expect(request?.attributes).toMatchObject({ 'messaging.operation.type': 'send' })
    expect(respond?.attributes).toMatchObject({
      'messaging.operation.name': 'respond',
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': 'quotes',
      'messaging.message.id': request?.attributes['messaging.message.id'],
    })
  })

  it('that fails records the error at both ends', async () => {
    using handle = service.respond('quotes.{symbol}.get', () => {
      throw new RangeError('no such symbol')
    })
    await handle.ready
    await expect(browser.request('quotes.{symbol}.get', { symbol: 'ABC' }, {})).rejects.toMatchObject({
      code: 'responder-failed',
    })
    const [request, respond] = await tracing.ended('request quotes.{symbol}.get', 'respond quotes.{symbol}.get')
    expect(request?.attributes['error.type']).toBe('responder-failed')
    expect(request?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'The responder failed.' })
    expect(respond?.attributes['error.type']).toBe('RangeError')
    expect(respond?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'no such symbol' })
    expect(failures).toEqual([new RangeError('no such symbol')])
  })

  it('without responders records a failure', async () => {
    await expect(browser.request('quotes.{symbol}.get', { symbol: 'ABC' }, {})).rejects.toThrow()
    const [request] = await tracing.ended('request quotes.{symbol}.get')
    expect(request?.attributes['error.type']).toBe('no-responders')
  })
})

describe('by HTTP', () => {
  const post = async (path: string, body: object, headers: Record<string, string>) =>
    fetch(`${bridge.url}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${await rootToken()}`, ...headers },
    })
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const parent = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, tracestate: 'vendor=x', baggage: 'tenant=acme' }

  it('an edge function continues the trace', async () => {
    using handle = service.on('orders.{orderId}.created', () => {})
    await handle.ready
    await using edge = traced(connect({ transport: http({ url: bridge.url, token: await rootToken() }), events }))
    await click(() => edge.publish('orders.{orderId}.created', { orderId: '42' }, { total: 12 }))
    const [process] = await tracing.ended('process orders.{orderId}.created')
    onlyTrace(tracing.spans)
    expect(process && shape(process, tracing.spans)).toMatch(/< publish orders/)
  })

  it('a plain fetch with a traceparent continues the trace', async () => {
    const seen = Promise.withResolvers<unknown>()
    using orders = service.on('orders.{orderId}.created', (e) => seen.resolve([...e.headers]))
    using quotes = service.respond('quotes.{symbol}.get', () => ({ price: 1 }))
    await Promise.all([orders.ready, quotes.ready])
    expect((await post('/publish/orders.1.created', { total: 1 }, parent)).status).toBe(202)
    expect((await post('/request/quotes.A.get', {}, parent)).status).toBe(200)
    expect(await seen.promise).toEqual(expect.arrayContaining(Object.entries(parent)))
    const spans = await tracing.ended('process orders.{orderId}.created', 'respond quotes.{symbol}.get')
    expect(onlyTrace(spans)).toBe(traceId)
    expect(spans.map((span) => span.parentSpanContext?.spanId)).toEqual(['00f067aa0ba902b7', '00f067aa0ba902b7'])
  })

  it('the trace of an event has precedence over the trace of its request', async () => {
    using orders = service.on('orders.{orderId}.created', () => {})
    await orders.ready
    const own = '11111111111111111111111111111111'
    const fields = [['traceparent', `00-${own}-2222222222222222-01`]]
    const headers = { ...parent, 'Nats-Headers': encodeURIComponent(JSON.stringify(fields)) }
    await post('/publish/orders.1.created', { total: 1 }, headers)
    const [process] = await tracing.ended('process orders.{orderId}.created')
    expect(process?.spanContext().traceId).toBe(own)
    expect(process?.spanContext().traceState).toBeUndefined()
  })
})

describe('a publish', () => {
  it('that is refused records the reason', async () => {
    const token = await createToken({ pub: { allow: ['other'] } })
    await using nobody = traced(connect({ url: bridge.url, token, events }))
    await expect(nobody.publish('orders.{orderId}.created', { orderId: '1' }, { total: 1 })).rejects.toMatchObject({
      code: 'permission-denied',
    })
    const [span] = await tracing.ended('publish orders.{orderId}.created')
    expect(span?.attributes['error.type']).toBe('permission-denied')
    expect(span?.status.code).toBe(SpanStatusCode.ERROR)
    expect(span?.events.map(({ name, attributes }) => [name, attributes?.['exception.type']])).toEqual([
      ['exception', 'permission-denied'],
    ])
  })

  it('into a stream records its sequence', async () => {
    const { seq } = await browser.publish('shop.{id}.paid', { id: '1' }, { total: 1 })
    const [span] = await tracing.ended('publish shop.{id}.paid')
    expect(span?.attributes['spanwire.stream.sequence']).toBe(seq)
  })
})

describe('a handler that fails', () => {
  it('marks its span, reports the error, and receives the next event', async () => {
    const error = new SpanwireError('unsupported', 'thrown')
    const rejection = new TypeError('rejected')
    using handle = service.on('orders.{orderId}.created', ({ params }) => {
      if (params.orderId === 'throw') throw error
      if (params.orderId === 'reject') return Promise.reject(rejection)
      if (params.orderId === 'odd') throw 'a string'
    })
    await handle.ready
    for (const orderId of ['throw', 'reject', 'odd', 'fine'])
      await browser.publish('orders.{orderId}.created', { orderId }, { total: 1 })
    await service.flush()
    await handle.drain()
    const spans = tracing.spans.filter(({ kind }) => kind === SpanKind.CONSUMER)
    expect(spans.map(({ status, attributes }) => [status.code, attributes['error.type']])).toEqual([
      [SpanStatusCode.ERROR, 'unsupported'],
      [SpanStatusCode.ERROR, 'TypeError'],
      [SpanStatusCode.ERROR, '_OTHER'],
      [SpanStatusCode.UNSET, undefined],
    ])
    expect(failures).toHaveLength(3)
    for (const thrown of [error, 'a string', rejection]) expect(failures.includes(thrown)).toBe(true)
  })
})

describe('replayed events', () => {
  const parents = ['auto', 'child', 'link'] as const
  it.each(parents)('and live events, with parent: %s', async (parent) => {
    const id = parent
    await click(() => browser.publish('shop.{id}.paid', { id }, { total: 1 }))
    const [old] = await tracing.ended('publish shop.{id}.paid')
    tracing.reset()

    await using reader = traced(connect({ url: bridge.url, token: await rootToken(), events }), { parent })
    const two = Promise.withResolvers<void>()
    let count = 0
    using handle = reader.on('shop.{id}.paid', { id }, () => void (++count === 2 && two.resolve()), { from: 'all' })
    await handle.live
    await browser.publish('shop.{id}.paid', { id }, { total: 2 })
    await two.promise
    await tracing.ended('publish shop.{id}.paid')

    const [past, now] = tracing.spans.filter(({ kind }) => kind === SpanKind.CONSUMER)
    const [live] = tracing.spans.filter(({ kind }) => kind === SpanKind.PRODUCER)
    for (const [span, origin, linked] of [
      [past, old, parent !== 'child'],
      [now, live, parent === 'link'],
    ] as const) {
      expect(span?.parentSpanContext?.spanId).toBe(linked ? undefined : origin?.spanContext().spanId)
      expect(span?.spanContext().traceId === origin?.spanContext().traceId).toBe(!linked)
      expect(span?.links.map(({ context }) => [context.traceId, context.spanId])).toEqual(
        linked ? [[origin?.spanContext().traceId, origin?.spanContext().spanId]] : [],
      )
      expect(span?.attributes['spanwire.stream.sequence']).toBe(origin?.attributes['spanwire.stream.sequence'])
    }
  })
})

describe('a work queue', () => {
  it('has a span for each attempt, in the trace of the event', async () => {
    const transport = natsTransport({ url: nats.url })
    const worker = consume(
      { events, connection: transport },
      'shop.{id}.paid',
      tracedHandler(
        async (e, { attempt }) => {
          if (attempt === 1) throw new TypeError('not yet')
          await service.publish('invoices.{orderId}.sent', { orderId: e.params.id }, e.data)
        },
        { group: 'invoices' },
      ),
      { consumer: 'invoices', from: 'new', backoff: [10], onError: (error) => failures.push(error) },
    )
    await worker.ready
    await click(() => browser.publish('shop.{id}.paid', { id: '7' }, { total: 12 }))
    await tracing.ended('publish invoices.{orderId}.sent', 'click')
    await worker.drain()
    const { spans } = tracing
    onlyTrace(spans)
    const attempts = spans.filter(({ name }) => name === 'process shop.{id}.paid')
    expect(attempts.map((span) => shape(span, spans))).toEqual(
      Array(2).fill('CONSUMER process shop.{id}.paid < publish shop.{id}.paid'),
    )
    expect(attempts.map(({ attributes }) => attributes['error.type'])).toEqual(['TypeError', undefined])
    expect(attempts[0]?.attributes['messaging.consumer.group.name']).toBe('invoices')
    expect(spans.map((span) => shape(span, spans))).toContain(
      'PRODUCER publish invoices.{orderId}.sent < process shop.{id}.paid',
    )
    expect(failures).toEqual([new TypeError('not yet')])
    await transport.close()
  })
})
