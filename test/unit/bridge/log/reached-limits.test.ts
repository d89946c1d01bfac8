import { expect, it } from 'vitest'
import type { Limits } from '../../../../bridge/auth/limits.ts'
import type { LogEvent } from '../../../../bridge/log/log.ts'
import { ReachedLimits } from '../../../../bridge/log/reached-limits.ts'
import { bridgeFor, ScriptedClient, SECRET, sign } from '../session/scripted-client.ts'

const KEY = 'a-key-to-look-at-it-of-32-characters'
const nats = { sub: { allow: ['>'] }, pub: { allow: ['>'] } }

/** A bridge with these limits, a connected client `ada`, and the codes, limits and users of events. */
async function limitedBy(limits: Partial<Limits>) {
  const events: LogEvent[] = []
  const { bridge, now } = bridgeFor({
    auth: { secret: SECRET },
    monitoring: { key: KEY },
    limits,
    log: (event) => void events.push(event),
  })
  const token = await sign({ sub: 'ada', nats })
  const connect = () => ScriptedClient.connected(bridge, { auth_token: token, name: 'shop' })
  const reached = () =>
    events.filter(({ code }) => code === 'limit-reached').map(({ fields }) => [fields.limit, fields.user])
  const metrics = async () =>
    (await bridge.app.request('/metrics', { headers: { Authorization: `Bearer ${KEY}` } })).text()
  return { bridge, now, token, connect, events, reached, metrics }
}

it.each<[keyof Limits, Partial<Limits>, string]>([
  ['maxSubscriptions', { maxSubscriptions: 1 }, 'SUB a 1\r\nSUB b 2\r\n'],
  ['maxFiltersPerUser', { maxFiltersPerUser: 1 }, 'SUB a 1\r\nSUB b 2\r\n'],
  ['maxFilters', { maxFilters: 0 }, 'SUB a 1\r\n'],
  ['replays', { replays: { connection: 0, user: 1 } }, 'SUB $EDGE.REPLAY.all.a 1\r\n'],
  ['publishRate', { publishRate: { messages: 1, bytes: 100 } }, 'PUB a 0\r\n\r\nPUB a 0\r\n\r\n'],
  ['maxHeaders', { maxHeaders: 12 }, 'HPUB a 20 20\r\nNATS/1.0\r\na: bcd\r\n\r\n\r\n'],
  ['maxPayload', { maxPayload: 4 }, 'PUB a 5\r\nhello\r\n'],
  ['maxControlLine', { maxControlLine: 64 }, `SUB ${'a'.repeat(100)} 1\r\n`],
])('%s: a client that reaches it is logged, with the name of the limit and the user', async (limit, limits, input) => {
  const { connect, reached, events, metrics } = await limitedBy(limits)
  const client = await connect()
  client.send(`${input}PING\r\n`)
  await client.until('PONG')
  expect(reached()).toEqual([[limit, 'ada']])
  expect(events.find(({ code }) => code === 'limit-reached')).toMatchObject({
    level: 'warn',
    message: `A client has reached the limit ${limit}.`,
  })
  expect(await metrics()).toMatch(new RegExp(`^spanwire_limits_reached_total\\{limit="${limit}"\\} 1$`, 'm'))
})

it('a second connection of a user over the limit, and requests over the limit', async () => {
  const { bridge, token, connect, reached, events } = await limitedBy({
    maxConnectionsPerUser: 1,
    requests: { user: 0, hub: 1 },
  })
  await connect()
  await connect()
  const headers = { Authorization: `Bearer ${token}` }
  expect((await bridge.app.request('/publish/a', { method: 'POST', body: '1', headers })).status).toBe(429)
  expect(reached()).toEqual([
    ['maxConnectionsPerUser', 'ada'],
    ['requests', 'ada'],
  ])
  // The events that follow from it remain.
  expect(events.map(({ code }) => code)).toEqual(['limit-reached', 'client-closed', 'limit-reached', 'request-refused'])
})

it('memory, by HTTP', async () => {
  const { bridge, token, reached } = await limitedBy({ memory: { connection: 1, user: 1, hub: 1_000_000 } })
  const headers = { Authorization: `Bearer ${token}` }
  expect((await bridge.app.request('/publish/a', { method: 'POST', body: '1'.repeat(100), headers })).status).toBe(429)
  expect(reached()).toEqual([['memory', 'ada']])
})

it('a permission that is missing is not a limit', async () => {
  const { bridge, reached } = await limitedBy({})
  const auth_token = await sign({ sub: 'ada', nats: { sub: { allow: ['a'] }, pub: { allow: ['a'] } } })
  const client = await ScriptedClient.connected(bridge, { auth_token })
  client.send('PUB b 0\r\n\r\nSUB b 1\r\nPING\r\n')
  await client.until('PONG')
  expect(reached()).toEqual([])
})

it('each limit of a user is reported once in 10 s, and counted each time', () => {
  const limits = new ReachedLimits()
  const reported = (user: string, now: number) => limits.add('publishRate', user, now)
  expect([reported('ada', 0), reported('ada', 1), reported('bob', 2), reported('ada', 9_999)]).toEqual([
    true,
    false,
    true,
    false,
  ])
  expect([limits.add('maxPayload', 'ada', 3), reported('ada', 10_000)]).toEqual([true, true])
  expect(limits.counts).toEqual(
    new Map([
      ['publishRate', 5],
      ['maxPayload', 1],
    ]),
  )
})
