/** Publishes and subscriptions that the contract or the application refuses. */
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { BridgeOptions } from '../../../../bridge/bridge.ts'
import type { Authorize } from '../../../../bridge/index.ts'
import { defineEvents, event, type StandardSchema } from '../../../../sdk/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { bridgeFor, ScriptedClient } from '../session/scripted-client.ts'
import { gatedBridge, hpub, invalid, pub, violation } from './gated-bridge.ts'

/** Valid for numbers. It is slower for small ones, to test the order. */
const slow: StandardSchema<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    async validate(value) {
      for (let i = Number(value); i < 10; i++) await null
      return typeof value === 'number' ? { value } : { issues: [{ message: 'not a number', path: [{ key: 'n' }] }] }
    },
  },
}

const events = defineEvents({
  'orders.{id}': event(z.object({ cents: z.number() }), {
    stream: 'ORDERS',
    version: 2,
    upgrade: { 1: (old: { total: number }) => ({ cents: old.total * 100 }) },
  }),
  'chat.{room}': z.object({ text: z.string() }),
  'slow.{n}': slow,
  'never.{n}': {
    '~standard': { version: 1, vendor: 'test', validate: () => new Promise<never>(() => {}) },
  } as StandardSchema,
})

const setUp = (options: Partial<BridgeOptions<typeof events>> = {}) => gatedBridge({ events, ...options })

describe('a publish', () => {
  it('is refused with the issues if its schema refuses the data, and the connection stays open', async () => {
    const { bridge, log } = setUp()
    const client = await ScriptedClient.connected(bridge)
    client.send(`SUB > 1\r\n${pub('chat.a', { text: 7, secret: 'payload' })}${pub('chat.a', { text: 'x' })}PING\r\n`)
    const text = await client.until('PONG\r\n')
    const message = 'Invalid input: expected string, received number'
    expect(text).toContain(invalid('chat.a', [{ message, path: ['text'] }]))
    expect(text.match(/^MSG/gm)).toHaveLength(1)
    expect(log).toMatchObject([{ code: 'event-refused', fields: { event: 'chat.{room}', error: 'invalid-data' } }])
    expect(JSON.stringify(log)).not.toContain('payload')
  })

  it.each([
    ['bytes that are not JSON', pub('chat.a', '{'), /It is not application\/json/],
    ['no bytes', pub('chat.a', ''), /expected object, received undefined/],
    ['a marker of a removal without a stream', hpub('chat.a', { 'KV-Operation': 'DEL' }, ''), /received undefined/],
    ['an older version that is valid as it is', pub('orders.1', { cents: 5 }), /received NaN/],
    ['a newer version', hpub('orders.1', { 'Spanwire-Version': '3' }, { cents: 5 }), /deploy the new contract/],
    ['a version that is not a number', hpub('orders.1', { 'Spanwire-Version': 'x' }, { cents: 5 }), /must be a number/],
    [
      'a schedule for an event',
      hpub('timers.1', { 'Nats-Schedule': '@at x', 'Nats-Schedule-Target': 'chat.a' }, {}),
      /expected string, received undefined/,
    ],
    [
      'a schedule on an event',
      hpub('chat.a', { 'nats-schedule-target': 'orders.1', 'Spanwire-Version': '2' }, { cents: 1 }),
      /chat\.a has version 2/,
    ],
  ])('is refused with %s', async (_, frame, message) => {
    const client = await ScriptedClient.connected(setUp().bridge)
    client.send(`${frame}PING\r\n`)
    expect(await client.until('PONG\r\n')).toMatch(message)
  })

  it.each([
    ['the current version', hpub('orders.1', { 'Spanwire-Version': '2' }, { cents: 5 })],
    ['an older version', pub('orders.1', { total: 5 })],
    ['a marker of a removal', hpub('orders.1', { 'KV-Operation': 'DEL' }, '')],
    [
      'a query whether it was stored',
      hpub('orders.1', { 'Nats-Rollup': 'spanwire', 'Nats-Expected-Last-Msg-Id': 'spanwire: was it stored?' }, ''),
    ],
    ['a reply subject', pub('chat.a', { text: 'x' }, '_INBOX.me.1')],
    ['a request to JetStream', pub('$JS.API.INFO', '', '_INBOX.me.1')],
    ['an answer to an inbox', pub('_INBOX.other.1', 'anything')],
    ['an asynchronous schema', pub('slow.1', 1)],
  ])('passes with %s', async (_, frame) => {
    const client = await ScriptedClient.connected(setUp().bridge)
    client.send(`SUB _INBOX.me.* 1\r\n${frame}PING\r\n`)
    expect(await client.until('PONG\r\n')).not.toContain('-ERR')
  })

  it('to a subject that no event has is refused, unless unknownSubjects is pass', async () => {
    for (const unknownSubjects of ['refuse', 'pass'] as const) {
      const client = await ScriptedClient.connected(setUp({ unknownSubjects }).bridge)
      client.send(`${pub('other', 1)}${hpub('timers.1', { 'Nats-Schedule-Target': 'other' }, 1)}PING\r\n`)
      const text = await client.until('PONG\r\n')
      const beyond = 'a refusal "no event of the contract has this subject"'
      const refused = violation('other', beyond) + violation('timers.1', beyond)
      expect(text).toBe(`${unknownSubjects === 'refuse' ? refused : ''}PONG\r\n`)
    }
  })

  it('with the subject of an event as its reply subject is refused: the answer would not be checked', async () => {
    const client = await ScriptedClient.connected(setUp({ unknownSubjects: 'pass' }).bridge)
    client.send(`${pub('other', 1, 'chat.a')}PING\r\n`)
    expect(await client.until('PONG\r\n')).toContain(`Publish with Reply of "chat.a"`)
  })

  it('keeps its place among others while a schema is asynchronous', async () => {
    const client = await ScriptedClient.connected(setUp().bridge)
    const frames = [
      pub('slow.a', 1),
      pub('slow.b', 'x'),
      pub('chat.a', { text: 'c' }),
      pub('slow.d', 9),
      pub('chat.e', {}),
    ]
    client.send(`SUB > 1\r\n${frames.join('')}UNSUB 1\r\n${pub('slow.f', 3)}PING\r\n`)
    const text = await client.until('PONG\r\n')
    expect([...text.matchAll(/(?:MSG |Publish to ")([a-z.]+)/g)].map(([, subject]) => subject)).toEqual(
      // An answer is sent at once, messages at the end of the turn.
      expect.arrayContaining(['slow.a', 'slow.b', 'chat.a', 'slow.d', 'chat.e']),
    )
    expect([...text.matchAll(/^MSG ([a-z.]+)/gm)].map(([, subject]) => subject)).toEqual(['slow.a', 'chat.a', 'slow.d'])
    expect([...text.matchAll(/Publish to "([a-z.]+)/g)].map(([, subject]) => subject)).toEqual(['slow.b', 'chat.e'])
  })

  it('of a client that left is concluded', async () => {
    const { bridge } = setUp()
    const [leaving, other] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    other.send('SUB slow.* 1\r\n')
    leaving.send(Array.from({ length: 100 }, (_, n) => pub(`slow.${n}`, 1)).join(''))
    leaving.connection.closed()
    let text = ''
    await eventually(async () => {
      text += await other.turn()
      return bridge.hub.stats.connections === 1
    })
    text += await other.turn()
    expect([...text.matchAll(/^MSG slow\.(\d+)/gm)].map(([, n]) => Number(n))).toEqual(
      Array.from({ length: 100 }, (_, n) => n),
    )
  })
})

describe('by HTTP', () => {
  const post = (bridge: ReturnType<typeof setUp>['bridge'], path: string, body: string) =>
    bridge.app.request(path, { method: 'POST', body })

  it.each(['/publish/chat.a', '/request/chat.a', '/publish/slow.1'])(
    '%s is refused with 422 and the issues',
    async (path) => {
      const response = await post(setUp().bridge, path, '{"text":7}')
      expect(response.status).toBe(422)
      expect(response.headers.get('Content-Type')).toBe('application/problem+json')
      expect(await response.json()).toMatchObject({
        code: 'invalid-data',
        detail: expect.stringContaining('is not valid: '),
        issues: [{ message: expect.stringMatching(/expected string|not a number/), path: [expect.any(String)] }],
      })
    },
  )

  it('a valid publish, and a subject that no event has', async () => {
    const { bridge } = setUp()
    expect((await post(bridge, '/publish/chat.a', '{"text":"x"}')).status).toBe(202)
    const refused = await post(bridge, '/publish/other', '1')
    expect([refused.status, (await refused.json()).code]).toEqual([403, 'permission-denied'])
  })

  it('a batch has the issues in its lines', async () => {
    const { bridge } = setUp({ authorize: { publish: (_, { subject }) => subject !== 'chat.no' } })
    const lines = [
      { subject: 'chat.a', data: { text: 'x' } },
      { subject: 'chat.a', data: {} },
      { subject: 'slow.1', data: 1 },
      { subject: 'chat.no', data: { text: 'x' } },
    ]
    const response = await post(bridge, '/publish', lines.map((line) => JSON.stringify(line)).join('\n'))
    const results = (await response.text()).trim().split('\n')
    expect(results.map((line) => JSON.parse(line))).toMatchObject([
      { ok: true },
      { ok: false, code: 'invalid-data', issues: [{ path: ['text'] }] },
      { ok: true },
      { ok: false, code: 'permission-denied' },
    ])
  })

  it('a batch of 10,000 lines with a schema that never decides ends after one timeout', async () => {
    const limits = { publishRate: { messages: 100_000, bytes: 1e9 } }
    const { bridge } = setUp({ authorize: { timeout: 20 }, limits })
    const response = await post(bridge, '/publish', '{"subject":"never.a","data":1}\n'.repeat(10_000))
    const results = (await response.text()).trim().split('\n')
    expect(results).toHaveLength(10_000)
    expect(new Set(results.map((line) => JSON.parse(line).code))).toEqual(new Set(['permission-denied']))
  })

  it('a batch of 10,000 lines with an application that never decides ends after one timeout', async () => {
    let calls = 0
    const never = () => {
      calls++
      return new Promise<boolean>(() => {})
    }
    const limits = { publishRate: { messages: 100_000, bytes: 1e9 } }
    const { bridge } = setUp({ authorize: { publish: never, timeout: 20 }, limits })
    const response = await post(bridge, '/publish', '{"subject":"chat.a","data":{"text":"x"}}\n'.repeat(10_000))
    const results = (await response.text()).trim().split('\n')
    expect(results).toHaveLength(10_000)
    expect(new Set(results.map((line) => JSON.parse(line).code))).toEqual(new Set(['permission-denied']))
    expect(calls).toBe(32)
  })
})

describe('a decision of the application', () => {
  it('gets user and event, and refuses unless it is true', async () => {
    const seen: unknown[] = []
    const authorize: Authorize<typeof events> = {
      publish: (user, given) => {
        seen.push([user.user, given])
        return given.name === 'chat.{room}' && given.params.room === 'open'
      },
    }
    const client = await ScriptedClient.connected(setUp({ authorize }).bridge)
    client.send(`${pub('chat.open', { text: 'x', more: 1 })}${pub('chat.closed', { text: 'x' })}PING\r\n`)
    expect(await client.until('PONG\r\n')).toBe(
      `${violation('chat.closed', 'a refusal "the application does not permit it"')}PONG\r\n`,
    )
    expect(seen[0]).toEqual([
      '',
      { name: 'chat.{room}', subject: 'chat.open', params: { room: 'open' }, data: { text: 'x' }, isRemoval: false },
    ])
  })

  it.each<[string, () => unknown, RegExp]>([
    [
      'throws',
      () => {
        throw new TypeError('with payload')
      },
      /with a refusal "the decision of the application failed"/,
    ],
    [
      'rejects',
      () => Promise.reject(new Error('with payload')),
      /with a refusal "the decision of the application failed"/,
    ],
    ['is truthy only', () => 1, /with a refusal "the application does not permit it"/],
    ['is undefined', () => undefined, /with a refusal "the application does not permit it"/],
    ['never comes', () => new Promise(() => {}), /with a refusal "no decision of the application in time"/],
  ])('that %s is a refusal', async (_, publish, text) => {
    const { bridge, log } = setUp({ authorize: { publish: publish as () => boolean, timeout: 20 } })
    const client = await ScriptedClient.connected(bridge)
    client.send(`${pub('chat.a', { text: 'secret' })}PING\r\n`)
    expect(await client.until('PONG\r\n')).toMatch(text)
    expect(log).toHaveLength(1)
    expect(JSON.stringify(log)).not.toMatch(/payload|secret/)
  })

  it('about a subscription gets the params that it fixes, for each event that it may receive', async () => {
    const asked: unknown[] = []
    const subscribe: Authorize['subscribe'] = async (_, name, params) => {
      asked.push([name, params])
      return name === 'chat.{room}' && params.room === 'open'
    }
    const client = await ScriptedClient.connected(setUp({ authorize: { subscribe } }).bridge)
    const subjects = ['chat.open', 'chat.closed', 'chat.*', '>', 'other', '_INBOX.me.*', '$EDGE.REPLAY.all.chat.closed']
    client.send(`${subjects.map((subject, sid) => `SUB ${subject} ${sid}\r\n`).join('')}PING\r\n`)
    const text = await client.until('PONG\r\n')
    expect([...text.matchAll(/Subscription to "(.*?)"/g)].map(([, subject]) => subject)).toEqual([
      'chat.closed',
      'chat.*',
      '>',
      'other',
      '$EDGE.REPLAY.all.chat.closed',
    ])
    expect(asked.slice(0, 3)).toEqual([
      ['chat.{room}', { room: 'open' }],
      ['chat.{room}', { room: 'closed' }],
      ['chat.{room}', {}],
    ])
  })

  it('takes its time without a change of order, for 10,000 publishes, and other clients are not affected', async () => {
    let running = 0
    let most = 0
    const publish: Authorize['publish'] = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 1))
      running--
      return true
    }
    const limits = { publishRate: { messages: 100_000, bytes: 1e9 } }
    const { bridge } = setUp({ authorize: { publish }, limits })
    const [busy, quiet] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    quiet.send('SUB chat.* 1\r\n')
    busy.send(`${Array.from({ length: 10_000 }, (_, n) => pub(`chat.${n}`, { text: 'x' })).join('')}PING\r\n`)
    quiet.send(`${pub('chat.quiet', { text: 'x' })}`)
    let text = ''
    await eventually(
      async () => {
        text += await quiet.turn()
        return text.includes('MSG chat.9999 ')
      },
      { deadline: 30_000, interval: 1 },
    )
    const order = [...text.matchAll(/^MSG chat\.(\w+)/gm)].map(([, id]) => id)
    expect(order.indexOf('quiet')).toBeLessThan(200)
    expect(order.filter((id) => id !== 'quiet')).toEqual(Array.from({ length: 10_000 }, (_, n) => String(n)))
    expect(most).toBeLessThanOrEqual(33)
    expect(await busy.until('PONG\r\n')).toBe('PONG\r\n')
  })

  it('that never comes leaves no memory behind, and a client over its memory is closed', async () => {
    const limits = {
      memory: { connection: 3e6, user: 3e6, hub: 1e8 },
      maxPending: 100_000,
      maxPayload: 50_000,
      publishRate: { messages: 1e6, bytes: 1e9 },
    }
    const { bridge } = setUp({ authorize: { publish: () => new Promise(() => {}), timeout: 60_000 }, limits })
    const [hung, quiet] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    const frame = pub('chat.a', { text: 'x'.repeat(10_000) })
    for (let n = 0; n < 10_000 && hung.closes.length === 0; n++) {
      hung.send(frame)
      if (n % 100 === 0) await hung.turn()
    }
    expect(hung.closes).toEqual([{ code: 1008, reason: 'Memory Limit Exceeded' }])
    hung.connection.closed()
    quiet.send('PING\r\n')
    expect(await quiet.until('PONG\r\n')).toContain('PONG')
    expect(bridge.hub.stats.connections).toBe(1)
  })

  it('needs the contract', () => {
    expect(() => bridgeFor({ authorize: { publish: () => true } })).toThrow(/set events/)
    expect(() => setUp({ authorize: { timeout: 0 } })).toThrow(/authorize\.timeout/)
    expect(() => setUp({ unknownSubjects: 'deny' as never })).toThrow(/unknownSubjects is deny/)
  })
})
