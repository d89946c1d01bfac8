import { beforeEach, describe, expect, it, vi } from 'vitest'
import * as z from 'zod'
import type { Handle } from '../../../../sdk/contract/bus.ts'
import type { ReceivedEvent } from '../../../../sdk/contract/received-event.ts'
import { bytes, connect, defineEvents, event, type StandardSchema } from '../../../../sdk/index.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { expectNoUnhandledRejections } from '../../../support/unhandled-rejections.ts'
import { createMemoryTransport } from '../memory-transport.ts'

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

/** An asynchronous schema that is slower for small numbers, to test the order. */
const slow: StandardSchema<{ n: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    async validate(value) {
      const { n } = value as { n: number }
      for (let i = n; i < 10; i++) await null
      return n < 0 ? { issues: [{ message: 'negative' }] } : { value: { n } }
    },
  },
}

const events = defineEvents({
  'orders.{id}.created': z.object({ total: z.number() }),
  'logs.{path...}': z.object({ line: z.string() }),
  tick: slow,
  'files.{name}': bytes(),
  'hex.{name}': event(z.number(), {
    codec: {
      contentType: 'text/plain',
      encode: (data) => new TextEncoder().encode((data as number).toString(16)),
      decode: (data) => Number.parseInt(new TextDecoder().decode(data), 16),
    },
  }),
})

function setUp() {
  const transport = createMemoryTransport()
  const invalid: Array<[Error, ReceivedEvent]> = []
  const failed: Array<[unknown, ReceivedEvent]> = []
  const bus = connect({
    transport,
    events,
    onInvalid: (error, e) => invalid.push([error, e]),
    onError: (error, e) => failed.push([error, e]),
  })
  return { transport, bus, invalid, failed }
}

describe('publish', () => {
  it('fills the template, encodes the data, and adds id and time', async () => {
    const { transport, bus } = setUp()
    const before = Date.now()
    await bus.publish('orders.{id}.created', { id: '42' }, { total: 12 })
    await bus.publish('orders.{id}.created', { id: '42' }, { total: 12 })
    const [first, second] = transport.published
    expect(first?.subject).toBe('orders.42.created')
    expect(new TextDecoder().decode(first?.payload)).toBe('{"total":12}')
    const headers = new Map(first?.headers)
    expect(headers.get('Nats-Msg-Id')).toMatch(/^[0-9A-Za-z]{15,}$/)
    expect(headers.get('Nats-Msg-Id')).not.toBe(new Map(second?.headers).get('Nats-Msg-Id'))
    expect(Number(headers.get('Spanwire-Time'))).toBeGreaterThanOrEqual(before)
  })

  it('uses the id and headers of the caller', async () => {
    const { transport, bus } = setUp()
    await bus.publish('orders.{id}.created', { id: '1' }, { total: 1 }, { id: 'mine', headers: [['X', 'y']] })
    expect(transport.published[0]?.headers).toContainEqual(['Nats-Msg-Id', 'mine'])
    expect(transport.published[0]?.headers).toContainEqual(['X', 'y'])
  })

  it('rejects invalid data, params and names without sending', async () => {
    const { transport, bus } = setUp()
    await expect(bus.publish('orders.{id}.created', { id: '1' }, { total: 'x' as never })).rejects.toMatchObject({
      code: 'invalid-data',
      issues: [{ path: ['total'] }],
    })
    for (const id of ['', 'a.b', '*', '>', 'a*b', 'a>', 'a b', 'a\r\nb'])
      await expect(bus.publish('orders.{id}.created', { id }, { total: 1 }), id).rejects.toMatchObject({
        code: 'invalid-params',
      })
    await expect(bus.publish('tick', { n: -1 })).rejects.toMatchObject({ code: 'invalid-data' })
    await expect(bus.publish('nothing' as 'tick', { n: 1 })).rejects.toMatchObject({ code: 'unknown-event' })
    await expect(bus.publish('toString' as 'tick', { n: 1 })).rejects.toMatchObject({ code: 'unknown-event' })
    expect(transport.published).toEqual([])
  })

  it('accepts several tokens for a rest param', async () => {
    const { transport, bus } = setUp()
    await bus.publish('logs.{path...}', { path: 'a.b.c' }, { line: 'x' })
    expect(transport.published[0]?.subject).toBe('logs.a.b.c')
    await expect(bus.publish('logs.{path...}', { path: 'a..c' }, { line: 'x' })).rejects.toMatchObject({
      code: 'invalid-params',
    })
  })
})

describe('receiving', () => {
  it('returns name, subject, params, data, headers, id, time and reply of an event', () => {
    const { transport, bus } = setUp()
    const seen: ReceivedEvent[] = []
    bus.on('orders.{id}.created', (e) => seen.push(e))
    const headerBlock = encodeHeaders([
      ['Nats-Msg-Id', 'i'],
      ['Spanwire-Time', '5'],
      ['a', '1'],
      ['A', '2'],
    ])
    transport.deliver({ subject: 'orders.7.created', reply: 'r', headerBlock, payload: encode({ total: 1 }) })
    const [e] = seen as [ReceivedEvent]
    expect(e).toMatchObject({
      name: 'orders.{id}.created',
      subject: 'orders.7.created',
      params: { id: '7' },
      data: { total: 1 },
      id: 'i',
      time: 5,
      reply: 'r',
    })
    expect([e.headers.get('A'), e.headers.getAll('A'), [...e.headers].length]).toEqual(['1', ['1', '2'], 4])
  })

  it('sets an empty id and the time of receipt for messages of other publishers', () => {
    const { transport, bus } = setUp()
    const seen: ReceivedEvent[] = []
    bus.on('orders.{id}.created', (e) => seen.push(e))
    const before = Date.now()
    transport.deliver({ subject: 'orders.7.created', payload: encode({ total: 1 }) })
    expect(seen[0]?.id).toBe('')
    expect(seen[0]?.time).toBeGreaterThanOrEqual(before)
  })

  it('decodes bytes and custom codecs', async () => {
    const { transport, bus } = setUp()
    const seen: unknown[] = []
    bus.on('files.{name}', (e) => seen.push(e.data))
    bus.on('hex.{name}', (e) => seen.push(e.data))
    await bus.publish('files.{name}', { name: 'a' }, Uint8Array.of(1, 2))
    await bus.publish('hex.{name}', { name: 'a' }, 255)
    expect(seen).toEqual([Uint8Array.of(1, 2), 255])
    expect(new TextDecoder().decode(transport.published[1]?.payload)).toBe('ff')
  })

  it('keeps the order with an asynchronous schema', async () => {
    const { transport, bus, invalid } = setUp()
    const events = bus.subscribe('tick')
    const numbers = [1, 9, -1, 3, 8]
    for (const n of numbers) transport.deliver({ subject: 'tick', payload: encode({ n }) })
    const seen: number[] = []
    for await (const { data } of events) if (seen.push(data.n) === 4) break
    expect(seen).toEqual([1, 9, 3, 8])
    expect(invalid.map(([, e]) => e.data)).toEqual([{ n: -1 }])
  })
})

describe('a subscription continues (each is a bug found in other clients)', () => {
  expectNoUnhandledRejections()
  const consoleError = vi.spyOn(console, 'error').mockImplementation(() => {})
  beforeEach(() => void consoleError.mockClear())
  const created = (total: unknown, id = '1') => ({ subject: `orders.${id}.created`, payload: encode({ total }) })

  it('after a handler throws', () => {
    const { transport, bus, failed } = setUp()
    const seen: number[] = []
    bus.on('orders.{id}.created', ({ data }) => {
      seen.push(data.total)
      throw new Error(`no ${data.total}`)
    })
    const others: number[] = []
    bus.on('orders.{id}.created', ({ data }) => others.push(data.total))
    transport.deliver(created(1))
    transport.deliver(created(2))
    expect([seen, others]).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(failed.map(([error, e]) => [(error as Error).message, e.subject])).toEqual([
      ['no 1', 'orders.1.created'],
      ['no 2', 'orders.1.created'],
    ])
  })

  it('after the promise of a handler is rejected', async () => {
    const { transport, bus, failed } = setUp()
    bus.on('orders.{id}.created', async () => {
      throw new Error('later')
    })
    transport.deliver(created(1))
    transport.deliver(created(2))
    await vi.waitFor(() => expect(failed.length).toBe(2))
  })

  it('after onError throws', () => {
    const transport = createMemoryTransport()
    const bus = connect({
      transport,
      events,
      onError: () => {
        throw new Error('again')
      },
    })
    const seen: number[] = []
    bus.on('orders.{id}.created', ({ data }) => {
      seen.push(data.total)
      throw new Error('no')
    })
    transport.deliver(created(1))
    transport.deliver(created(2))
    expect(seen).toEqual([1, 2])
  })

  it('after an invalid event', () => {
    const { transport, bus, invalid, failed } = setUp()
    const seen: number[] = []
    bus.on('orders.{id}.created', ({ data }) => seen.push(data.total))
    transport.deliver(created(1))
    transport.deliver(created('x'))
    transport.deliver({ subject: 'orders.1.created', payload: new TextEncoder().encode('{') })
    transport.deliver(created(2))
    expect(seen).toEqual([1, 2])
    expect(invalid.map(([error, e]) => [(error as { code?: string }).code, e.data, e.payload.length])).toEqual([
      ['invalid-data', { total: 'x' }, 13],
      ['invalid-data', undefined, 1],
    ])
    expect(failed).toEqual([])
  })

  it('after onInvalid throws or rejects', () => {
    const transport = createMemoryTransport()
    let calls = 0
    const bus = connect({
      transport,
      events,
      onInvalid: () => {
        if (calls++ > 0) return Promise.reject(new Error('rejected'))
        throw new Error('thrown')
      },
    })
    const seen: number[] = []
    bus.on('orders.{id}.created', ({ data }) => seen.push(data.total))
    for (const total of ['x', 'y', 3]) transport.deliver(created(total))
    expect(seen).toEqual([3])
    expect(calls).toBe(2)
  })

  it('after a handler subscribes again', () => {
    const { transport, bus } = setUp()
    const seen: string[] = []
    const subscribe = (name: string) => {
      const handle = bus.on('orders.{id}.created', ({ data }) => {
        seen.push(`${name}${data.total}`)
        handle.unsubscribe()
        subscribe(`${name}'`)
      })
    }
    subscribe('a')
    for (const total of [1, 2, 3]) transport.deliver(created(total))
    expect(seen).toEqual(['a1', "a'2", "a''3"])
    expect(transport.subscriptions.size).toBe(1)
  })

  it('without an unhandled rejection after it is refused', () => {
    const { transport, bus } = setUp()
    bus.on('orders.{id}.created', () => {})
    transport.refuse(new Error('refused'))
  })

  it('after an invalid header block', () => {
    const { transport, bus } = setUp()
    const seen: ReceivedEvent[] = []
    bus.on('orders.{id}.created', (e) => seen.push(e))
    transport.deliver({ ...created(1), headerBlock: new TextEncoder().encode('abcd') })
    expect(seen[0]?.id).toBe('')
  })

  it('after a status listener throws', async () => {
    const { bus } = setUp()
    const seen: string[] = []
    bus.status.subscribe(() => {
      throw new Error('no')
    })
    bus.status.subscribe(({ state }) => seen.push(state))
    await bus.close()
    expect(seen).toEqual(['closed'])
  })
})

describe('subscribe', () => {
  const created = (total: number) => ({ subject: 'orders.1.created', payload: encode({ total }) })

  it('subscribes at once, before the first next()', () => {
    const { transport, bus } = setUp()
    bus.subscribe('orders.{id}.created', { id: '7' })
    bus.subscribe('logs.{path...}')
    bus.subscribe('logs.{path...}', { path: 'a.b' })
    expect([...transport.subscriptions]).toEqual(['orders.7.created', 'logs.>', 'logs.a.b'])
  })

  it('ends on break', async () => {
    const { transport, bus } = setUp()
    const events = bus.subscribe('orders.{id}.created')
    transport.deliver(created(1))
    for await (const _ of events) break
    expect(transport.subscriptions.size).toBe(0)
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  it('ends when its signal aborts, and at once with an aborted signal', async () => {
    const { transport, bus } = setUp()
    const abort = new AbortController()
    const events = bus.subscribe('orders.{id}.created', {}, { signal: abort.signal })
    const next = events.next()
    abort.abort()
    expect((await next).done).toBe(true)
    const late = bus.subscribe('orders.{id}.created', {}, { signal: abort.signal })
    expect((await late.next()).done).toBe(true)
    bus.on('orders.{id}.created', () => {}, { signal: abort.signal })
    expect(transport.subscriptions.size).toBe(0)
  })

  it('rejects with slow-consumer after the buffered events when the buffer is full', async () => {
    const { transport, bus } = setUp()
    const events = bus.subscribe('orders.{id}.created', {}, { buffer: 2 })
    for (const total of [1, 2, 3, 4]) transport.deliver(created(total))
    expect(transport.subscriptions.size).toBe(0)
    const seen: number[] = []
    const read = async () => {
      for await (const { data } of events) seen.push(data.total)
    }
    await expect(read()).rejects.toMatchObject({ code: 'slow-consumer' })
    expect(seen).toEqual([1, 2])
  })

  it('keeps received events readable after drain', async () => {
    const { transport, bus } = setUp()
    const events = bus.subscribe('orders.{id}.created')
    transport.deliver(created(1))
    await bus.drain()
    const seen: number[] = []
    for await (const { data } of events) seen.push(data.total)
    expect(seen).toEqual([1])
  })

  it('does not wait for the promise of a handler on drain, as the handler may wait for the drain', async () => {
    const { bus } = setUp()
    let drained: Promise<void> | undefined
    const handle: Handle = bus.on('orders.{id}.created', async () => {
      drained = handle.drain()
      await drained
    })
    await bus.publish('orders.{id}.created', { id: '1' }, { total: 1 })
    await drained
    const busy = bus.on('orders.{id}.created', () => new Promise(() => {}))
    await bus.publish('orders.{id}.created', { id: '1' }, { total: 1 })
    await busy.drain()
  })

  it('ends at the end of a using block', async () => {
    const { transport, bus } = setUp()
    {
      await using _events = bus.subscribe('orders.{id}.created')
      using _handle = bus.on('tick', () => {})
      expect(transport.subscriptions.size).toBe(2)
    }
    expect(transport.subscriptions.size).toBe(0)
  })

  it('iterates over the status until the bus is closed', async () => {
    const { bus } = setUp()
    const states: string[] = []
    for await (const { state } of bus.status) {
      states.push(state)
      void bus.close()
    }
    expect(states).toEqual(['open', 'closed'])
  })
})
