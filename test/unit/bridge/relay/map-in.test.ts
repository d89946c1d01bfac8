import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type ForeignOrigin, type Incoming, type IntoOptions, into, percent } from '../../../../bridge/relay/index.ts'
import { mapIncoming } from '../../../../bridge/relay/map-in.ts'
import { defineEvents } from '../../../../sdk/index.ts'

const events = defineEvents({ 'orders.{id}.created': z.object({ total: z.number() }) }, { stream: 'S' })
const from: ForeignOrigin = {
  place: 'test:orders',
  described: { protocol: 'test', host: 'x', address: 'orders' },
  shared: false,
  identity: 'a message is known by nothing',
  openSource: () => Promise.reject(new Error('never opened')),
}
const bytes = (text: string) => new TextEncoder().encode(text)
const declare = (options: Partial<IntoOptions<typeof events, 'orders.{id}.created'>> = {}) =>
  into(events, 'orders.{id}.created', { from, params: ({ key }) => ({ id: percent.encode(key) }), ...options })
const incoming = (given: Partial<Incoming> = {}): Incoming => ({
  lane: 'orders',
  id: 'm1',
  position: undefined,
  key: bytes('a.b'),
  headers: [],
  time: 1_700_000_000_000,
  payload: bytes('{"total": 1.0}'),
  redelivered: false,
  ...given,
})
const limits = { maxMessage: 1_000 }

describe('a foreign message', () => {
  it('becomes an event with its own bytes, a subject by its key, an id and its time', () => {
    const mapped = mapIncoming(declare(), incoming(), limits)
    expect(mapped).toMatchObject({ kind: 'event', item: { subject: 'orders.a%2Eb.created', id: 'test:orders:m1' } })
    if (!('item' in mapped)) throw new Error('not an event')
    expect(new TextDecoder().decode(mapped.item.payload)).toBe('{"total": 1.0}')
    expect(mapped.item.headers).toEqual([
      ['Nats-Msg-Id', 'test:orders:m1'],
      ['Spanwire-Time', '1700000000000'],
      ['Spanwire-Relay', 'test:orders'],
    ])
  })

  it('keeps headers that are allowed, and trace headers, and no command for a stream', () => {
    const headers: Incoming['headers'] = [
      ['X-Shop', 'berlin'],
      ['x-secret', 'no'],
      ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
      ['Nats-Rollup', 'all'],
      ['NATS-MSG-ID', 'other'],
      ['spanwire-relay', 'elsewhere:x'],
      ['Spanwire-Time', '0'],
    ]
    const mapped = mapIncoming(declare({ headers: ['x-shop'] }), incoming({ headers }), limits)
    expect(mapped).toMatchObject({
      item: {
        headers: [
          ['Nats-Msg-Id', 'test:orders:m1'],
          ['Spanwire-Time', '1700000000000'],
          ['Spanwire-Relay', 'elsewhere:x,test:orders'],
          ['X-Shop', 'berlin'],
          ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
        ],
      },
    })
  })

  it.each(['Nats-Rollup', 'nats-msg-id', 'Spanwire-Relay', 'a b', 'a:b', ''])(
    'cannot be allowed the header %j',
    (name) => {
      expect(() => declare({ headers: [name] })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    },
  )

  it.each([
    ['an allowed header with a line end', {}, { headers: [['x', 'a\r\nNats-Rollup: all']] }, 'invalid-header'],
    ['a payload that is not JSON', {}, { payload: bytes('{') }, 'invalid-data'],
    ['data that the schema refuses', {}, { payload: bytes('{"total":"1"}') }, 'invalid-data'],
    ['no key', {}, { key: undefined }, 'invalid-params'],
    ['a param that is not a token', { params: () => ({ id: 'a.b' }) }, {}, 'invalid-params'],
    [
      'params that throw',
      {
        params: () => {
          throw new TypeError('x is undefined')
        },
      },
      {},
      'invalid-params',
    ],
    [
      'a payload that is too large',
      {},
      { payload: bytes(`{"total": 1, "text": "${'x'.repeat(900)}"}`) },
      'payload-too-large',
    ],
    ['a tombstone that is not declared', {}, { payload: null }, 'invalid-data'],
  ] as const)('is refused for %s', (_, options, given, code) => {
    const mapped = mapIncoming(declare({ headers: ['x'], ...options }), incoming(given as Partial<Incoming>), limits)
    expect(mapped).toMatchObject({ kind: 'refused', error: { code } })
  })

  it('without a value is ignored, or becomes an event, as it is declared', () => {
    const tombstone = incoming({ payload: null })
    expect(mapIncoming(declare({ tombstone: 'ignore' }), tombstone, limits)).toEqual({ kind: 'ignored' })
    const mapped = mapIncoming(declare({ tombstone: () => ({ total: 0 }) }), tombstone, limits)
    expect('item' in mapped && new TextDecoder().decode(mapped.item.payload)).toBe('{"total":0}')
  })

  it('that went through the event already is not stored again', () => {
    const headers = [['Spanwire-Relay', 'test:orders,nats:orders.%7Bid%7D.created']] as const
    expect(mapIncoming(declare(), incoming({ headers }), limits)).toEqual({ kind: 'loop' })
  })

  it('has no id where the broker and the declaration give none', () => {
    const mapped = mapIncoming(declare(), incoming({ id: undefined }), limits)
    expect(mapped).toMatchObject({ item: { id: undefined } })
    const own = declare({ id: ({ data }) => `t${(data as { total: number }).total}` })
    expect(mapIncoming(own, incoming({ id: undefined }), limits)).toMatchObject({ item: { id: 'test:orders:t1' } })
  })

  it('is decoded by a codec of its own, and encoded by the event’s', () => {
    const codec = {
      contentType: 'text/plain',
      encode: (data: unknown) => bytes(String(data)),
      decode: (given: Uint8Array) => ({ total: Number(new TextDecoder().decode(given)) }),
    }
    const mapped = mapIncoming(declare({ codec }), incoming({ payload: bytes('7') }), limits)
    expect('item' in mapped && new TextDecoder().decode(mapped.item.payload)).toBe('{"total":7}')
  })
})
