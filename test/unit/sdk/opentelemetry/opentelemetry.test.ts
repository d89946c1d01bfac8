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
  'secrets.{id}.told': z.object({ word: z.string().refine(() => false, { error: ({ input }) => `not ${input}` }) }),
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

/** Made before an application sets OpenTelemetry up. */
const early = setUp()

describe('with nothing registered', () => {
  it('is the bus as it was', async () => {
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

  it('has the errors that the bus has', async () => {
    const { bus, plain } = setUp()
    const wrong = [
      ['nothing', {}],
      ['orders.{id}.created', { id: 'a.b' }, { total: 1 }],
      ['orders.{id}.created', undefined, { total: 1 }],
      ['orders.{id}.created', { id: '1' }, { total: 'x' }],
      ['not a {template', {}],
      [],
    ] as unknown as Array<Parameters<typeof bus.publish>>
    for (const args of wrong) {
      const expected = await plain.publish(...args).catch((error) => error)
      expect(await bus.publish(...args).catch((error) => error)).toEqual(expected)
      expect(expected).toBeInstanceOf(Error)
    }
    expect(() => bus.on('nothing' as 'tick', () => {})).toThrow(/no event/)
  })
})

describe('with OpenTelemetry', () => {
  let tracing: Tracing
  beforeAll(() => {
    tracing = startTracing()
  })
  beforeEach(() => tracing.reset())
  afterAll(() => tracing[Symbol.dispose]())

  it('a bus that was traced before anything was registered is recorded too', async () => {
    await publish(early.bus)
    expect(tracing.spans.map(({ name }) => name)).toEqual(['publish orders.{id}.created'])
  })

  it('a trace that the caller’s headers name stays', async () => {
    const { bus, last } = setUp()
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await context.with(remote(), () => publish(bus, [['Traceparent', traceparent]]))
    expect([...last().keys()]).toEqual(['Nats-Msg-Id', 'Spanwire-Time', 'Traceparent'])
    const [span] = tracing.spans
    expect(span?.links.map(({ context }) => context.spanId)).toEqual(['00f067aa0ba902b7'])
    expect(span?.spanContext().traceId).not.toMatch(/^4bf/)
  })

  it('other headers stay beside it', async () => {
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

  it('ids are the caller’s, or new', async () => {
    const { bus, last } = setUp()
    await bus.publish('orders.{id}.created', { id: '1' }, { total: 1 }, { id: 'own' })
    expect(last().get('Nats-Msg-Id')).toBe('own')
    await publish(bus)
    const ids = tracing.spans.map(({ attributes }) => attributes['messaging.message.id'])
    expect(ids).toEqual(['own', last().get('Nats-Msg-Id')])
  })

  it('a trace that isn’t sampled travels on, unrecorded', async () => {
    const provider = new TracerProvider({ sampler: new AlwaysOffSampler() })
    const { bus, transport, deliver } = setUp({ tracer: provider.getTracer('off') })
    using handle = bus.on('orders.{id}.created', { id: '1' }, () => publish(bus))
    await handle.ready
    deliver([['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00']])
    const traceparent = new Map(transport.published[0]?.headers).get('traceparent')
    expect(traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$/)
    expect(tracing.spans).toEqual([])
  })

  it('a trace goes through where only a propagator is set', async () => {
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

  it('waits with the event in an outbox', async () => {
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

  it('no error says what was to be published', async () => {
    const { bus } = setUp()
    await expect(bus.publish('secrets.{id}.told', { id: '1' }, { word: 'sesame' })).rejects.toThrow('not sesame')
    await expect(bus.publish('orders.{id}.created', { id: 'open sesame' }, { total: 1 })).rejects.toThrow('open sesame')
    const [data, params] = tracing.spans
    expect(data?.attributes).toMatchObject({
      'error.type': 'invalid-data',
      'messaging.destination.name': 'secrets.1.told',
    })
    expect(params?.attributes).toMatchObject({ 'error.type': 'invalid-params' })
    for (const span of [data, params]) {
      expect(span?.status.code).toBe(SpanStatusCode.ERROR)
      expect(span?.events.map(({ name }) => name)).toEqual(['exception'])
      expect(JSON.stringify([span?.attributes, span?.status, span?.events, span?.name])).not.toMatch(/sesame/)
    }
  })

  it('a handler’s context is its event’s, and no other’s', async () => {
    const { bus, deliver } = setUp()
    const seen: unknown[] = []
    using handle = bus.on('orders.{id}.created', () => {
      seen.push(propagation.getActiveBaggage()?.getAllEntries())
    })
    await handle.ready
    // Whatever is active where a socket is read has nothing to do with the event.
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

    it('of a received event never throw, and stop no handler, nor what it publishes', async () => {
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
          // A transport of bytes would refuse it else.
          expect(() => encodeHeaders(transport.published.at(-1)?.headers ?? [])).not.toThrow()
        }),
        { numRuns: 2_000, examples: [[[['baggage', 'a=b;x\ny']]]], ...time },
      )
      await handle.drain()
      expect(failed).toEqual([])
    })

    it('of the caller never make another event of it', async () => {
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

    it('stands in no event’s way', async () => {
      const { bus, transport, deliver } = setUp()
      using handle = bus.on('orders.{id}.created', { id: '1' }, () => publish(bus))
      await handle.ready
      deliver([['traceparent', 'x']])
      expect(transport.published).toHaveLength(1)
    })
  })

  it('contextOf is the root context where there is nothing, or nothing to read it by', async () => {
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
  'takes any propagator: %o',
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
