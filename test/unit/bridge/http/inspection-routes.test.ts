import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from '../session/scripted-client.ts'

const KEY = 'a-key-to-look-at-it-of-32-characters'
const nats = { sub: { allow: ['>'] }, pub: { allow: ['>'] } }
const encode = (text: string) => new TextEncoder().encode(text)

let made: ReturnType<typeof bridgeFor>
const request = (path: string) => made.bridge.app.request(path, { headers: { Authorization: `Bearer ${KEY}` } })
const json = async (path: string) => (await (await request(path)).json()) as Record<string, unknown>

beforeEach(() => {
  made = bridgeFor({ auth: { secret: SECRET }, monitoring: { key: KEY, tail: true }, log: 'off' })
})
afterEach(() => {
  made.bridge.close()
  vi.useRealTimers()
})

it('requires the key on every route, and the option for messages', async () => {
  for (const path of ['/hubz', '/ratez', '/logz', '/jsz', '/presencez', '/relayz', '/tailz?subject=a'])
    expect([path, (await made.bridge.app.request(path)).status, (await request(path)).status]).toEqual([path, 401, 200])
  expect(await json('/hubz')).toEqual({ hubs: [], admin: false, tail: true })
  made.bridge.close()
  made = bridgeFor({ auth: { secret: SECRET }, monitoring: { key: KEY }, log: 'off' })
  expect((await request('/tailz?subject=a')).status).toBe(403)
})

it('/ratez keeps samples of 15 minutes, and takes them while there are clients', async () => {
  const { registry } = coreOf(made.bridge.hub)
  await ScriptedClient.connected(made.bridge, { auth_token: await sign({ sub: 'ada', nats }) })
  for (let s = 0; s < 1_000; s++) {
    made.now.ms += 1_000
    registry.onTick?.(made.now.ms)
  }
  const { samples, interval } = (await json('/ratez')) as { samples: Array<{ time: number }>; interval: number }
  expect([samples.length, interval]).toEqual([91, 10_000])
  expect((samples.at(-1)?.time ?? 0) - (samples[0]?.time ?? 0)).toBe(900_000)
  expect(samples.at(-1)).toMatchObject({ connections: 1 })
})

it('/logz has events since a number, and counts refusals', async () => {
  const client = new ScriptedClient(made.bridge)
  client.send('CONNECT {"auth_token":"nonsense"}\r\n')
  await client.until('Authorization')
  const first = (await json('/logz')) as { events: Array<{ seq: number; code: string }>; refused: object }
  expect(first.events.map(({ code }) => code)).toEqual(['credentials-refused'])
  expect(first.refused).toEqual({ 'credentials-refused authentication-failed': 1 })
  expect(((await json(`/logz?after=${first.events.at(-1)?.seq}`)) as { events: [] }).events).toEqual([])
  expect((await request('/logz?after=x')).status).toBe(400)
})

describe('dead letters', () => {
  const open = (deadLetters: readonly string[]) => {
    made.bridge.close()
    made = bridgeFor({ auth: { secret: SECRET }, monitoring: { key: KEY, deadLetters } })
  }
  const store = async (name: string, subjects: readonly string[], published: readonly string[]) => {
    const body = encode(JSON.stringify({ name, subjects }))
    made.upstream.publish({ subject: `$JS.API.STREAM.CREATE.${name}`, reply: '_INBOX.none', payload: body })
    await settle()
    for (const subject of published) made.upstream.publish({ subject, payload: encode('{}') })
    await settle()
  }
  const series = async () => (await (await request('/metrics')).text()).match(/^spanwire_dead_letters\{.*$/gm)

  it('are counted by stream and subject, for the filters of the option', async () => {
    open(['dead.>', 'failed.*'])
    await store('DEAD', ['dead.>'], ['dead.billing', 'dead.billing', 'dead.mail'])
    await store('MIXED', ['failed.*', 'orders.>'], ['failed.a', 'orders.1'])
    await store('OTHER', ['other'], ['other'])
    expect(await series()).toEqual([
      'spanwire_dead_letters{stream="DEAD",subject="dead.billing"} 2',
      'spanwire_dead_letters{stream="DEAD",subject="dead.mail"} 1',
      'spanwire_dead_letters{stream="MIXED",subject="failed.a"} 1',
    ])
    expect((await json('/jsz')).dead_letters).toHaveLength(3)
  })

  it('are counted for the 100 subjects with the most of them', async () => {
    open(['dead.>'])
    const subjects = Array.from({ length: 150 }, (_, n) => `dead.${n}`)
    await store('DEAD', ['dead.>'], [...subjects, 'dead.149'])
    const lines = await series()
    expect([lines?.length, lines?.[0]]).toEqual([100, expect.stringContaining('dead.149')])
  })

  it('are not counted without the option, and filters must be valid', async () => {
    await store('DEAD', ['dead.>'], ['dead.a'])
    expect(await series()).toBe(null)
    expect(await json('/jsz')).not.toHaveProperty('dead_letters')
    for (const wrong of [['dead..a'], 'dead.>', Array.from({ length: 11 }, () => 'a')])
      expect(() => open(wrong as string[])).toThrow(/^monitoring\.deadLetters (contains|must be)/)
  })
})

it('/jsz lists streams and consumers with their lag', async () => {
  const ask = async (subject: string, body: object) => {
    const { promise, resolve } = Promise.withResolvers<string>()
    made.upstream.subscribe('_INBOX.test', undefined, ({ payload }) => resolve(new TextDecoder().decode(payload)))
    made.upstream.publish({ subject, reply: '_INBOX.test', payload: encode(JSON.stringify(body)) })
    return promise
  }
  await ask('$JS.API.STREAM.CREATE.ORDERS', { name: 'ORDERS', subjects: ['orders.>'] })
  await ask('$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.billing', {
    stream_name: 'ORDERS',
    config: { durable_name: 'billing', ack_policy: 'explicit', filter_subject: 'orders.*.paid' },
  })
  for (const subject of ['orders.1.paid', 'orders.2.paid', 'orders.3.made'])
    made.upstream.publish({ subject, payload: encode('{}') })
  await settle()
  expect(await json('/jsz')).toMatchObject({
    enabled: true,
    total: 1,
    streams: [
      {
        name: 'ORDERS',
        subjects: ['orders.>'],
        messages: 3,
        last_seq: 3,
        consumer_count: 1,
        consumers: [{ name: 'billing', filter: 'orders.*.paid', durable: true, num_pending: 2, lag: 2 }],
      },
    ],
  })
})

it('/presencez lists channels with members and watchers', async () => {
  const ada = await ScriptedClient.connected(made.bridge, { auth_token: await sign({ sub: 'ada', nats }) })
  ada.send('SUB $EDGE.PRESENCE.lobby 1\r\nPUB $EDGE.PRESENCE.lobby 13\r\n{"do":"join"}\r\nPING\r\n')
  await ada.until('PONG\r\n')
  expect(await json('/presencez')).toMatchObject({
    total: 1,
    channels: [{ name: 'lobby', watchers: 1, num_members: 1, members: [{ user: 'ada' }] }],
  })
})

it('/relayz follows announcements while it is queried, and drops silent processes', async () => {
  const calls: string[] = []
  made.upstream.subscribe('$EDGE.RELAYS.PING', undefined, ({ subject }) => calls.push(subject))
  expect(await json('/relayz')).toMatchObject({ processes: [] })
  await settle()
  expect(calls).toHaveLength(1)
  const status = { process: 'p1', relays: [{ name: 'in' }] }
  for (const text of ['not json', '{"process":1}', JSON.stringify(status), ' '.repeat(70_000)])
    made.upstream.publish({ subject: '$EDGE.RELAYS.STATUS', payload: encode(text) })
  await settle()
  expect(await json('/relayz')).toMatchObject({ processes: [status] })
  made.now.ms += 16_000
  expect(await json('/relayz')).toMatchObject({ processes: [] })
})

describe('/tailz', () => {
  const publish = (subject: string, payload = '{}') => made.upstream.publish({ subject, payload: encode(payload) })
  const tail = async (query: string) =>
    (await json(`/tailz?${query}`)) as {
      next: number
      missed: number
      ended: boolean
      messages: Array<Record<string, unknown>>
    }

  it('returns messages after the first query, once each, with the beginning of large ones', async () => {
    publish('a.0')
    expect(await tail('subject=a.*')).toMatchObject({ next: 0, messages: [] })
    publish('a.1', '{"n":1}')
    publish('b.1')
    publish('a.2', `${'x'.repeat(4_095)}é and more`)
    made.upstream.publish({ subject: 'a.3', payload: new Uint8Array([255, 0]) })
    await settle()
    const page = await tail('subject=a.*&after=0')
    expect(page).toMatchObject({ next: 3, missed: 0, ended: false })
    expect(page.messages).toMatchObject([
      { seq: 1, subject: 'a.1', text: '{"n":1}', size: 7 },
      { seq: 2, text: 'x'.repeat(4_095), cut: true },
      { seq: 3, base64: '/wA=' },
    ])
    expect((await tail('subject=a.*&after=3')).messages).toEqual([])
    expect((await request('/tailz?subject=a..b')).status).toBe(400)
  })

  it('leaves out replies and internal subjects unless the filter names them', async () => {
    await tail('subject=>')
    await tail('subject=$EDGE.>')
    for (const subject of ['_INBOX.x.y', '$EDGE.ADMIN.x', 'plain']) publish(subject)
    await settle()
    expect((await tail('subject=>&after=0')).messages.map(({ subject }) => subject)).toEqual(['plain'])
    expect((await tail('subject=$EDGE.>&after=0')).messages.map(({ subject }) => subject)).toEqual(['$EDGE.ADMIN.x'])
  })

  it('is bounded: messages that are kept, bytes of a response, filters, and messages per second', async () => {
    await tail('subject=a')
    for (let n = 0; n < 500; n++) publish('a', 'x'.repeat(4_096))
    await settle()
    const page = await tail('subject=a&after=0')
    expect(page.missed).toBe(300)
    expect(page.messages.length).toBeGreaterThan(10)
    expect(JSON.stringify(page).length).toBeLessThan(300_000)
    expect((await tail(`subject=a&after=${page.next}`)).messages[0]?.seq).toBe(page.next + 1)
    for (const subject of ['b', 'c', 'd']) await tail(`subject=${subject}`)
    expect((await request('/tailz?subject=e')).status).toBe(429)
    for (let n = 0; n < 2_000; n++) publish('a', '')
    await settle()
    expect((await tail('subject=a&after=600')).ended).toBe(true)
    expect((await tail('subject=a')).ended).toBe(false)
  })

  it('ends its subscription when it is no longer queried', async () => {
    vi.useFakeTimers()
    const unsubscribed = vi.fn()
    const { subscribe } = made.upstream
    made.upstream.subscribe = (filter, queue, deliver) => {
      const end = subscribe.call(made.upstream, filter, queue, deliver)
      return (how) => {
        unsubscribed(filter)
        end(how)
      }
    }
    await tail('subject=a')
    made.now.ms += 4_000
    vi.advanceTimersByTime(5_000)
    expect(unsubscribed).not.toHaveBeenCalled()
    made.now.ms += 7_000
    vi.advanceTimersByTime(5_000)
    expect(unsubscribed).toHaveBeenCalledWith('a')
  })
})
