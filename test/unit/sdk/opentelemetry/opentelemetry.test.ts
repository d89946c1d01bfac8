import { context, propagation, ROOT_CONTEXT, SpanStatusCode, type TextMapPropagator, trace } from '@opentelemetry/api'
import { W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { AlwaysOffSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { ReceivedEvent } from '../../../../sdk/contract/received-event.ts'
import { type BusOptions, connect, defineEvents, type HeaderFields, type OutboxEntry } from '../../../../sdk/index.ts'
import { contextOf, type TracedOptions, traced } from '../../../../sdk/opentelemetry/index.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { remote, startTracing, type Tracing } from '../../../support/tracing.ts'
import { createMemoryTransport } from '../memory-transport.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const events = defineEvents({
  'orders.{id}.created': z.object({ total: z.number() }),
  'secrets.{id}.shared': z.object({ word: z.string().refine(() => false, { error: ({ input }) => `not ${input}` }) }),
  tick: z.object({}),
})

function setUp(options: TracedOptions = {}, more: Partial<BusOptions<typeof events>> = {}) {
  const transport = createMemoryTransport()
  const failed: unknown[] = []
  const plain = connect({ transport, events, onError: (error) => failed.push(error), ...more })
  const bus = traced(plain, options)
  const deliver = (headers: HeaderFields | Uint8Array, id = '1') =>
    transport.deliver({
      subject: `orders.${id}.created`,
      payload: encode('{"total":1}'),
      headerBlock:
        headers instanceof Uint8Array
          ? headers
          : encode(`NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`),
    })
  const last = () => new Map(transport.published.at(-1)?.headers)
  return { transport, plain, bus, failed, deliver, last }
}
const publish = (bus: ReturnType<typeof setUp>['bus'], headers: HeaderFields = []) =>
  bus.publish('orders.{id}.created', { id: '42' }, { total: 12 }, { headers })

/** Created before OpenTelemetry is registered. */
const early = setUp()

describe('a traced bus without OpenTelemetry', () => {
  it('behaves like the plain bus', async () => {
    const { transport, bus, plain, failed, deliver } = setUp()
    await publish(bus, [['X', '1']])
    await bus.publish('tick', {})
    await plain.publish('tick', {}, {})
    const names = transport.published.map(({ headers }) => headers.map(([name]) => name))
    expect(names).toEqual([
      ['Nats-Msg-Id', 'Spanwire-Time', 'X'],
      ['Nats-Msg-Id', 'Spanwire-Time'],
      ['Nats-Msg-Id', 'Spanwire-Time'],
    ])
    const error = new Error('thrown')
    using handle = bus.on('orders.{id}.created', { id: '1' }, () => {
      throw error
    })
    await handle.ready
    deliver([['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01']])
    deliver([], '2')
    expect(failed).toEqual([error])
    expect(failed[0]).toBe(error)
    expect(bus.status).toBe(plain.status)
    await bus[Symbol.asyncDispose]()
    expect(plain.status.current.state).toBe('closed')
  })

  it('throws the errors of the plain bus', async () => {
    const { bus, plain } = setUp()
    const wrong = [
      ['nothing', {}],
      ['orders.{id}.created', { id: 'a.b' }, { total: 1 }],
      ['orders.{id}.created', undefined, { total: 1 }],
      ['orders.{id}.created', { id: '1' }, { total: 'x' }],
      ['not a {template', {}],
      [],
    ]
    const send = (on: typeof bus, args: unknown[]) => Reflect.apply(on.publish, on, args)
    for (const args of wrong) {
      const expected = await send(plain, args).catch((error: unknown) => error)
      expect(await send(bus, args).catch((error: unknown) => error)).toEqual(expected)
      expect(expected).toBeInstanceOf(Error)
    }
    expect(() => bus.on('nothing' as 'tick', () => {})).toThrow(/no event/)
  })
})

describe('a traced bus with OpenTelemetry', () => {
  let tracing: Tracing
  beforeAll(() => {
    tracing = startTracing()
  })
  beforeEach(() => tracing.reset())
  afterAll(() => tracing[Symbol.dispose]())

  it('records spans of a bus that was traced before the registration', async () => {
    await publish(early.bus)
    expect(tracing.spans.map(({ name }) => name)).toEqual(['publish orders.{id}.created'])
  })

  it('keeps the trace of the headers of the caller, and links to it', async () => {
    const { bus, last } = setUp()
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await context.with(remote(), () => publish(bus, [['Traceparent', traceparent]]))
    expect([...last().keys()]).toEqual(['Nats-Msg-Id', 'Spanwire-Time', 'Traceparent'])
    const [span] = tracing.spans
    expect(span?.links.map(({ context }) => context.spanId)).toEqual(['00f067aa0ba902b7'])
    expect(span?.spanContext().traceId).not.toMatch(/^4bf/)
  })

  it('keeps other headers of the caller', async () => {
    const { bus, last } = setUp()
    const baggage = propagation.createBaggage({ a: { value: '1' } })
    await context.with(propagation.setBaggage(remote(), baggage), () =>
      publish(bus, [
        ['X', '1'],
        ['baggage', 'mine=1'],
      ]),
    )
    expect(last().get('X')).toBe('1')
    expect(last().get('baggage')).toBe('mine=1')
    expect(last().get('traceparent')).toContain(tracing.spans[0]?.spanContext().spanId)
  })

  it('records the id of the caller, or a new one', async () => {
    const { bus, last } = setUp()
    await bus.publish('orders.{id}.created', { id: '1' }, { total: 1 }, { id: 'own' })
    expect(last().get('Nats-Msg-Id')).toBe('own')
    await publish(bus)
    const ids = tracing.spans.map(({ attributes }) => attributes['messaging.message.id'])
    expect(ids).toEqual(['own', last().get('Nats-Msg-Id')])
  })

  it('propagates a trace that is not sampled, without recording it', async () => {
    const provider = new TracerProvider({ sampler: new AlwaysOffSampler() })
    const { bus, transport, deliver } = setUp({ tracer: provider.getTracer('off') })
    using handle = bus.on('orders.{id}.created', { id: '1' }, () => publish(bus))
    await handle.ready
    deliver([['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00']])
    const traceparent = new Map(transport.published[0]?.headers).get('traceparent')
    expect(traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$/)
    expect(tracing.spans).toEqual([])
  })

  it('propagates a trace with a propagator only', async () => {
    trace.disable()
    try {
      const { bus, transport, deliver } = setUp()
      using handle = bus.on('orders.{id}.created', { id: '1' }, () => publish(bus))
      await handle.ready
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
      deliver([['traceparent', traceparent]])
      expect(new Map(transport.published[0]?.headers).get('traceparent')).toBe(traceparent)
    } finally {
      tracing[Symbol.dispose]()
      tracing = startTracing()
    }
  })

  it('stores the trace with an event in the outbox', async () => {
    const entries: OutboxEntry[] = []
    const store = {
      adopt: async () => [],
      put: async (entry: OutboxEntry) => entries.push(entry),
      delete: async () => {},
      close() {},
    }
    const { bus } = setUp({}, { outbox: { store } })
    await publish(bus)
    expect(new Map(entries[0]?.headers).get('traceparent')).toContain(tracing.spans[0]?.spanContext().traceId)
  })

  it('does not record the data of a failed publish', async () => {
    const { bus } = setUp()
    await expect(bus.publish('secrets.{id}.shared', { id: '1' }, { word: 'sesame' })).rejects.toThrow('not sesame')
    await expect(bus.publish('orders.{id}.created', { id: 'open sesame' }, { total: 1 })).rejects.toThrow('open sesame')
    const [data, params] = tracing.spans
    expect(data?.attributes).toMatchObject({
      'error.type': 'invalid-data',
      'messaging.destination.name': 'secrets.1.shared',
    })
    expect(params?.attributes).toMatchObject({ 'error.type': 'invalid-params' })
    for (const span of [data, params]) {
      expect(span?.status.code).toBe(SpanStatusCode.ERROR)
      expect(span?.events.map(({ name }) => name)).toEqual(['exception'])
      expect(JSON.stringify([span?.attributes, span?.status, span?.events, span?.name])).not.toMatch(/sesame/)
    }
  })

  it('runs a handler in the context of its event only', async () => {
    const { bus, deliver } = setUp()
    const seen: unknown[] = []
    using handle = bus.on('orders.{id}.created', () => {
      seen.push(propagation.getActiveBaggage()?.getAllEntries())
    })
    await handle.ready
    // The context in which a socket is read is not related to the event.
    const elsewhere = propagation.setBaggage(remote(), propagation.createBaggage({ not: { value: 'mine' } }))
    context.with(elsewhere, () => deliver([]))
    expect(seen).toEqual([undefined])
    expect(tracing.spans[0]?.parentSpanContext).toBeUndefined()
  })

  describe('hostile headers', () => {
    const text = fc.string({ unit: 'binary', maxLength: 80 })
    const hex = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789abcdefF'), minLength: length - 1, maxLength: length })
    const almost = fc
      .tuple(fc.constantFrom('00', '01', 'ff'), hex(32), hex(16), hex(2), fc.constantFrom('', '-', '-x', ' '))
      .map(([version, trace, span, flags, rest]) => `${version}-${trace}-${span}-${flags}${rest}`)
    const name = fc.constantFrom('traceparent', 'Traceparent', 'tracestate', 'baggage')
    const value = fc.oneof(
      text,
      almost,
      fc.constantFrom('a=%', 'a=b;x\ny', 'a=b;\0', ',,=,;=', '__proto__=1', 'a=1,a=2'),
    )
    const fields = fc.array(fc.tuple(name, value), { maxLength: 6 })
    const time = { interruptAfterTimeLimit: 5_000, markInterruptAsFailure: false }

    it('of a received event never throw, and never prevent a handler or its publishes', async () => {
      const { bus, transport, failed, deliver } = setUp()
      const got: ReceivedEvent[] = []
      using handle = bus.on('orders.{id}.created', { id: '1' }, (e) => {
        got.push(e)
        return publish(bus)
      })
      await handle.ready
      const block = fc.oneof(fields, fc.uint8Array({ maxLength: 100 }))
      await fc.assert(
        fc.asyncProperty(block, async (headers) => {
          const before = [got.length, transport.published.length]
          deliver(headers)
          expect([got.length, transport.published.length]).toEqual(before.map((count) => count + 1))
          expect(() => contextOf(got.at(-1) as ReceivedEvent)).not.toThrow()
          // Otherwise a transport that encodes headers would refuse the message.
          expect(() => encodeHeaders(transport.published.at(-1)?.headers ?? [])).not.toThrow()
        }),
        { numRuns: 2_000, examples: [[[['baggage', 'a=b;x\ny']]]], ...time },
      )
      await handle.drain()
      expect(failed).toEqual([])
    })

    it('of the caller never change the event or its outcome', async () => {
      const { bus, plain, transport } = setUp()
      await fc.assert(
        fc.asyncProperty(fields, async (headers) => {
          const expected = await publish(plain, headers).then(
            () => true,
            () => false,
          )
          const result = publish(bus, headers)
          expect(
            await result.then(
              () => true,
              () => false,
            ),
          ).toBe(expected)
          if (expected) expect(transport.published.at(-1)?.headers.slice(2)).toEqual(expect.arrayContaining(headers))
        }),
        { numRuns: 1_000, ...time },
      )
    })
  })

  describe('a propagator that fails', () => {
    const broken: TextMapPropagator = {
      inject: () => {
        throw new Error('inject')
      },
      extract: () => {
        throw new Error('extract')
      },
      fields: () => [],
    }
    beforeEach(() => {
      propagation.disable()
      propagation.setGlobalPropagator(broken)
    })
    afterEach(() => {
      tracing[Symbol.dispose]()
      tracing = startTracing()
    })

    it('does not prevent the delivery or publish of an event', async () => {
      const { bus, transport, deliver } = setUp()
      using handle = bus.on('orders.{id}.created', { id: '1' }, () => publish(bus))
      await handle.ready
      deliver([['traceparent', 'x']])
      expect(transport.published).toHaveLength(1)
    })
  })

  it('contextOf returns the root context without headers or without a propagator', async () => {
    const { bus, deliver } = setUp()
    const contexts: unknown[] = []
    using handle = bus.on('orders.{id}.created', (e) => contexts.push(contextOf(e)))
    await handle.ready
    deliver([])
    propagation.disable()
    deliver([['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01']])
    expect(contexts).toEqual([ROOT_CONTEXT, ROOT_CONTEXT])
    expect(contexts[0]).toBe(ROOT_CONTEXT)
    tracing[Symbol.dispose]()
    tracing = startTracing()
  })
})

it.each([new W3CTraceContextPropagator(), new W3CBaggagePropagator()])(
  'a handler is called with any propagator: %o',
  async (propagator) => {
    context.disable()
    propagation.setGlobalPropagator(propagator)
    try {
      const { bus, deliver } = setUp()
      let count = 0
      using handle = bus.on('orders.{id}.created', () => count++)
      await handle.ready
      deliver([
        ['traceparent', '00-x'],
        ['baggage', 'a=%'],
      ])
      expect(count).toBe(1)
    } finally {
      propagation.disable()
    }
  },
)
