import specs from '@asyncapi/specs'
import { Ajv } from 'ajv'
import * as fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activemq } from '../../../../bridge/relay/activemq/index.ts'
import { into, outOf } from '../../../../bridge/relay/index.ts'
import { kafka } from '../../../../bridge/relay/kafka/index.ts'
import { rabbitmq } from '../../../../bridge/relay/rabbitmq/index.ts'
import { type AsyncApiOptions, toAsyncApi } from '../../../../sdk/asyncapi/index.ts'
import { bytes, defineEvents, event } from '../../../../sdk/index.ts'

const about = { title: 'Shop', version: '1.0.0' }

/** Validates with the JSON Schema of the specification. */
const validate = new Ajv({ strict: false, validateFormats: false }).compile(specs.schemasWithoutId['3.0.0'] as object)
function check(events: Parameters<typeof toAsyncApi>[0], options: Partial<AsyncApiOptions> = {}) {
  const document = JSON.parse(JSON.stringify(toAsyncApi(events, { ...about, ...options })))
  validate(document)
  expect(validate.errors ?? []).toEqual([])
  return document
}

/** Returns the references that do not resolve. */
function dangling(document: object): string[] {
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path as string)
  const find = (path: string) =>
    path.split('/').reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document)
  expect(refs.length).toBeGreaterThan(0)
  return refs.filter((path) => find(path) === undefined)
}

const events = defineEvents({
  'orders.{orderId}.created': event(z.object({ total: z.number(), at: z.string().default('now') }), { stream: 'SHOP' }),
  'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }),
  'logs.{path...}': z.string(),
  frames: bytes(),
})

describe('a contract as an AsyncAPI document', () => {
  it('is valid, and every reference resolves', () => {
    for (const url of [
      undefined,
      'https://bridge.example.com/edge/',
      'wss://nats.example.com',
      'nats://127.0.0.1:4222',
    ])
      expect(dangling(check(events, url ? { url } : {}))).toEqual([])
  })

  it('has a channel for each event, with its parameters, stream and message', () => {
    const { channels, components, operations } = check(events)
    expect(channels['orders.orderId.created']).toEqual({
      address: 'orders.{orderId}.created',
      messages: { event: { $ref: '#/components/messages/orders.orderId.created' } },
      parameters: { orderId: { description: 'One subject token.' } },
      'x-jetstream-stream': 'SHOP',
    })
    // A field with a default is optional for publishers.
    expect(components.messages['orders.orderId.created']).toMatchObject({
      name: 'orders.{orderId}.created',
      contentType: 'application/json',
      payload: { type: 'object', properties: { total: { type: 'number' } }, required: ['total'] },
    })
    expect(channels['logs.path']).toMatchObject({ address: 'logs.{path}', parameters: { path: {} } })
    expect(components.messages.frames).toMatchObject({ contentType: 'application/octet-stream' })
    expect(components.messages.frames.payload).toBeUndefined()
    expect(Object.keys(operations)).toHaveLength(8)
    expect(operations['publish.frames'].action).toBe('send')
    expect(operations['subscribe.frames'].action).toBe('receive')
  })

  it('describes the reply of a request', () => {
    const { channels, components, operations } = check(events)
    expect(operations['publish.quotes.symbol.get'].reply).toEqual({
      channel: { $ref: '#/channels/quotes.symbol.get.reply' },
      messages: [{ $ref: '#/channels/quotes.symbol.get.reply/messages/reply' }],
    })
    expect(channels['quotes.symbol.get.reply'].address).toBeNull()
    expect(components.messages['quotes.symbol.get.reply'].payload.properties).toEqual({ price: { type: 'number' } })
  })

  it('has the URL of the bridge or of NATS as its server', () => {
    expect(check(events, { url: 'https://bridge.example.com/edge/' }).servers).toMatchObject({
      bridge: { host: 'bridge.example.com', protocol: 'wss', pathname: '/edge/nats' },
    })
    expect(check(events, { url: 'nats://127.0.0.1:4222' }).servers).toEqual({
      nats: { host: '127.0.0.1:4222', protocol: 'nats' },
    })
    expect(() => toAsyncApi(events, { ...about, url: 'ftp://a' })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    )
  })

  it('names the option for a schema without JSON Schema', () => {
    const others = defineEvents({ tick: v.object({ at: v.number() }) })
    expect(() => toAsyncApi(others, about)).toThrow(
      'The schema of tick is of a library (valibot) without Standard JSON',
    )
    expect(() => toAsyncApi(defineEvents({ day: z.date() }), about)).toThrow(
      expect.objectContaining({
        code: 'unsupported',
        message: 'The schema of day has no JSON Schema: use the option toJsonSchema.',
      }),
    )
    const { components } = check(others, { toJsonSchema: () => ({ type: 'object' }) })
    expect(components.messages.tick.payload).toEqual({ type: 'object' })
    expect(check(others, { toJsonSchema: () => undefined }).components.messages.tick.payload).toBeUndefined()
  })

  it('keeps all events distinct, for random names', () => {
    const word = fc.string({ unit: fc.constantFrom(...'ab-_$é1'), minLength: 1, maxLength: 3 })
    const token = fc.oneof(
      word,
      word.map((name) => `{${name}}`),
      fc.constant('reply'),
    )
    const template = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join('.'))
    fc.assert(
      fc.property(fc.uniqueArray(template, { minLength: 1, maxLength: 8 }), fc.boolean(), (names, isRequest) => {
        const usable = names.filter((name) => {
          const params = name.match(/\{[^}]*\}/g) ?? []
          return new Set(params).size === params.length
        })
        const entry = isRequest ? event(z.string(), { reply: z.string() }) : z.string()
        const contract = Object.fromEntries(usable.map((name) => [name, entry]))
        const document = JSON.parse(JSON.stringify(toAsyncApi(contract, about)))
        const addresses = Object.values(document.channels as Record<string, { address: string | null }>)
        expect(addresses.flatMap(({ address }) => address ?? []).sort()).toEqual(usable.sort())
        if (usable.length > 0) expect(dangling(document)).toEqual([])
      }),
    )
  })

  it('describes relays, with broker, channel, bindings and event', () => {
    const shop = kafka({ brokers: 'kafka:9092' })
    const rabbit = rabbitmq({ url: 'amqp://guest:secret@rabbit:5672/shop' })
    const params = () => ({ orderId: '1' })
    const relays = {
      orders: into(events, 'orders.{orderId}.created', { from: shop.topic('orders'), params }),
      more: into(events, 'orders.{orderId}.created', { from: shop.topic('more'), params }),
      out: outOf(events, 'orders.{orderId}.created', { to: rabbit.exchange('orders') }),
      queue: outOf(events, 'orders.{orderId}.created', { to: activemq({ url: 'stomp://mq' }).queue('orders') }),
    }
    const document = check(events, { url: 'nats://nats:4222', relays })
    expect(dangling(document)).toEqual([])
    expect(Object.keys(document.servers).sort()).toEqual(['amqp.rabbit_5672', 'kafka.kafka_9092', 'nats', 'stomp.mq'])
    expect(JSON.stringify(document)).not.toContain('secret')
    expect(document.channels['relay.orders']).toMatchObject({
      address: 'orders',
      bindings: { kafka: { topic: 'orders' } },
      messages: { event: { $ref: '#/components/messages/orders.orderId.created' } },
    })
    expect(document.operations['relay.orders']).toMatchObject({
      action: 'receive',
      'x-relayed-to': { $ref: '#/channels/orders.orderId.created' },
    })
    expect(document.channels['relay.out'].bindings.amqp).toMatchObject({
      is: 'routingKey',
      exchange: { vhost: 'shop' },
    })
    expect(document.operations['relay.out'].action).toBe('send')
  })
})
