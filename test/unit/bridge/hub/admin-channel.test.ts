import { describe, expect, it } from 'vitest'
import { createEmbeddedBroker } from '../../../../bridge/broker/embedded.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from '../session/scripted-client.ts'

const KEY = 'an-administrators-key-of-32-bytes'
const nats = { sub: { allow: ['>'] }, pub: { allow: ['>'] } }

async function order(bridge: ReturnType<typeof bridgeFor>['bridge'], what: string, body: unknown, key = KEY) {
  const response = await bridge.app.request(`/admin/${what}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  })
  await settle()
  return response.status
}

describe('administrative commands', () => {
  const twoHubs = () => {
    const broker = createEmbeddedBroker()
    const options = { auth: { secret: SECRET }, admin: { key: KEY } }
    return [
      bridgeFor({ ...options, upstream: broker.connect() }).bridge,
      bridgeFor({ ...options, upstream: broker.connect() }).bridge,
    ] as const
  }

  it('disconnect a user at every hub', async () => {
    const [here, there] = twoHubs()
    const ada = await ScriptedClient.connected(there, { auth_token: await sign({ sub: 'ada', nats }) })
    const bob = await ScriptedClient.connected(there, { auth_token: await sign({ sub: 'bob', nats }) })
    expect(await order(here, 'disconnect', { user: 'ada' })).toBe(202)
    expect(ada.closes).toEqual([{ code: 1008, reason: 'User Authentication Revoked' }])
    expect(bob.closes).toEqual([])
  })

  it('disconnect one connection', async () => {
    const [here] = twoHubs()
    const token = await sign({ sub: 'ada', nats })
    const clients = [
      await ScriptedClient.connected(here, { auth_token: token }),
      await ScriptedClient.connected(here, { auth_token: token }),
    ]
    expect(await order(here, 'disconnect', { connection: `${here.hub.id}.1` })).toBe(202)
    expect(clients.map(({ closes }) => closes.length)).toEqual([1, 0])
  })

  it('end subscriptions of a user', async () => {
    const [here, there] = twoHubs()
    const ada = await ScriptedClient.connected(there, { auth_token: await sign({ sub: 'ada', nats }) })
    ada.send('SUB a 1\r\nSUB b 2\r\n')
    expect(await order(here, 'unsubscribe', { user: 'ada', filter: 'a' })).toBe(202)
    expect(await ada.turn()).toBe(`-ERR 'Permissions Violation for Subscription to "a"'\r\n`)
    expect(there.hub.stats.subscriptions).toBe(1)
  })

  it('end a subscription by its id in /connz', async () => {
    const [here, there] = twoHubs()
    const ada = await ScriptedClient.connected(there, { auth_token: await sign({ sub: 'ada', nats }) })
    ada.send('SUB $EDGE.PRESENCE.room.1 1\r\nSUB $EDGE.CONFLATE.prices.* 2\r\nSUB room.1 3\r\n')
    const listed = () => [...there.hub.connections][0]?.filters
    expect(await order(here, 'unsubscribe', { user: 'ada', filter: 'room.1' })).toBe(202)
    expect(listed()).toEqual(['$EDGE.PRESENCE.room.1', '$EDGE.CONFLATE.prices.*'])
    for (const filter of listed() ?? []) expect(await order(here, 'unsubscribe', { user: 'ada', filter })).toBe(202)
    expect(listed()).toEqual([])
  })

  it('require the key, valid input, and the option', async () => {
    const [here] = twoHubs()
    expect(await order(here, 'disconnect', { user: 'ada' }, 'another-key-of-at-least-32-characters')).toBe(401)
    expect(await order(here, 'disconnect', { user: '' })).toBe(400)
    expect(await order(here, 'unsubscribe', { user: 'ada' })).toBe(400)
    expect(await order(bridgeFor().bridge, 'disconnect', { user: 'ada' })).toBe(404)
    expect(() => bridgeFor({ admin: { key: 'short' } })).toThrow('32 characters')
  })

  it('can not be published, triggered or received by a client', async () => {
    const [here, there] = twoHubs()
    const ada = await ScriptedClient.connected(there, { auth_token: await sign({ sub: 'ada', nats }) })
    const mallory = await ScriptedClient.connected(here, { auth_token: await sign({ sub: 'mallory', nats }) })
    const forged = JSON.stringify({ do: 'disconnect', user: 'ada' })
    mallory.send(
      `SUB > 1\r\nSUB $EDGE.> 2\r\nPUB $EDGE.ADMIN ${forged.length}\r\n${forged}\r\nPUB echo $EDGE.ADMIN ${forged.length}\r\n${forged}\r\n`,
    )
    expect((await mallory.turn()).split('-ERR')).toHaveLength(4)
    await order(here, 'disconnect', { user: 'unknown' })
    expect(await mallory.turn()).toBe('')
    expect(ada.closes).toEqual([])
  })
})
