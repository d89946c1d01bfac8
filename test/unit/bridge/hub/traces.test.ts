import { expect, it } from 'vitest'
import type { BridgeOptions } from '../../../../bridge/bridge.ts'
import { Traces } from '../../../../bridge/hub/traces.ts'
import type { LogEvent } from '../../../../bridge/log/log.ts'
import { bridgeFor, ScriptedClient, SECRET, sign } from '../session/scripted-client.ts'

const ADMIN = 'an-administrators-key-of-32-bytes'
const nats = { sub: { allow: ['a.>'] }, pub: { allow: ['a.>'] } }
const PAYLOAD = 'a payload that must stay secret'

function setUp(more: Partial<BridgeOptions> = {}) {
  const events: LogEvent[] = []
  const made = bridgeFor({
    auth: { secret: SECRET },
    admin: { key: ADMIN },
    monitoring: { key: ADMIN },
    log: (event) => void events.push(event),
    ...more,
  })
  const connect = async (user: string) =>
    ScriptedClient.connected(made.bridge, { auth_token: await sign({ sub: user, nats }) })
  const order = async (body: object) => {
    const headers = { Authorization: `Bearer ${ADMIN}` }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    return (await made.bridge.app.request('/admin/trace', init)).status
  }
  const traced = () => events.filter(({ code }) => code === 'client-traced')
  const lines = () => traced().map(({ message, fields }) => [fields.user, message])
  return { ...made, events, connect, order, traced, lines }
}

const OPERATIONS = [
  'SUB a.* q 7\r\n',
  'UNSUB 7 3\r\n',
  `PUB a.1 _INBOX.x ${PAYLOAD.length}\r\n${PAYLOAD}\r\n`,
  'SUB b 8\r\nUNSUB 7\r\n',
].join('')

it('logs the operations of one user and their refusals, without payloads and tokens, until the time is over', async () => {
  const { connect, order, traced, lines, now, events } = setUp()
  const [ada, bob] = [await connect('ada'), await connect('bob')]
  const run = async (client: ScriptedClient) => {
    client.send(`${OPERATIONS}PING\r\n`)
    await client.until('PONG')
  }
  await run(ada)
  expect(lines()).toEqual([])
  expect(await order({ user: 'ada', seconds: 10 })).toBe(202)
  await run(ada)
  await run(bob)
  expect(lines()).toEqual([
    ['ada', 'SUB "a.*", sid "7", queue "q".'],
    ['ada', 'UNSUB sid "7" after 3 messages.'],
    ['ada', `PUB "a.1", ${PAYLOAD.length} bytes, reply "_INBOX.x".`],
    ['ada', 'SUB "b", sid "8".'],
    ['ada', '-ERR Permissions Violation for Subscription to "b"'],
    ['ada', 'UNSUB sid "7".'],
    ['ada', 'PING.'],
  ])
  const before = traced().length
  const again = await connect('ada')
  again.connection.closed()
  expect(lines().slice(before)).toEqual([
    ['ada', 'PING.'],
    ['ada', 'The client has closed the connection.'],
  ])
  now.ms += 10_000
  const after = traced().length
  await run(ada)
  expect(traced()).toHaveLength(after)
  expect(JSON.stringify(events)).not.toContain(PAYLOAD)
})

it('logs one connection, and renewed credentials without the token', async () => {
  const { bridge, connect, order, lines, events } = setUp()
  const [first, second] = [await connect('ada'), await connect('ada')]
  const [one] = bridge.hub.connections
  expect(await order({ connection: one?.stats.id })).toBe(202)
  const token = await sign({ sub: 'ada', nats })
  for (const client of [first, second]) {
    client.send(`CONNECT ${JSON.stringify({ verbose: false, auth_token: token })}\r\nPING\r\n`)
    await client.until('PONG')
  }
  expect(lines()).toEqual([
    ['ada', 'CONNECT.'],
    ['ada', 'PING.'],
  ])
  expect(JSON.stringify(events)).not.toContain(token.slice(-20))
})

it('traces a user from the beginning by the option, at a bounded rate, and keeps other events', async () => {
  const { bridge, connect, traced } = setUp({ trace: 'ada' })
  const ada = await connect('ada')
  expect((await bridge.app.request('/publish/a.1', { method: 'POST', body: '1' })).status).toBe(401)
  ada.send(`${'PING\r\n'.repeat(1_000)}SUB a.end 9\r\nPUB a.end 3\r\nend\r\n`)
  await ada.until('end')
  expect(traced()).toHaveLength(200)
  const response = await bridge.app.request('/logz', { headers: { Authorization: `Bearer ${ADMIN}` } })
  const { events } = (await response.json()) as { events: LogEvent[] }
  expect(events.map(({ code }) => code).filter((code) => code !== 'client-traced')).toEqual(['credentials-refused'])
  expect(events).toHaveLength(501)
})

it('refuses an order without a target or with a time that is too long', async () => {
  const { order } = setUp()
  expect(await order({ seconds: 1 })).toBe(400)
  for (const seconds of [0, -1, 3_601, '60', null]) expect(await order({ user: 'ada', seconds })).toBe(400)
})

it('has at most 16 targets', () => {
  const traces = new Traces()
  for (let n = 0; n < 17; n++) traces.add({ user: `u${n}` }, 1_000 + n)
  expect([traces.untilOf('c', 'u0'), traces.untilOf('c', 'u1'), traces.untilOf('c', 'u16')]).toEqual([0, 1_001, 1_016])
})
