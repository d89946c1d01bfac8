import { describe, expect, it } from 'vitest'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, ScriptedClient, SECRET, sign } from '../session/scripted-client.ts'

describe('limits', () => {
  it('reject publishes over the rate, and close a client that continues', async () => {
    const { bridge, now } = bridgeFor({ limits: { publishRate: { messages: 10, bytes: 1_000 } } })
    const client = await ScriptedClient.connected(bridge)
    client.send('SUB a 1\r\n')
    client.send('PUB a 0\r\n\r\n'.repeat(12))
    const text = await client.turn()
    expect(text.split('MSG')).toHaveLength(11)
    expect(text.split(`-ERR 'Permissions Violation for Publish to "a" with a rate over the limit'`)).toHaveLength(3)
    now.ms += 500
    client.send('PUB a 0\r\n\r\n'.repeat(6))
    expect((await client.turn()).split('MSG')).toHaveLength(6)
    now.ms += 60_000
    client.send(`PUB a 3000\r\n${'x'.repeat(3_000)}\r\n`)
    expect(await client.turn()).toContain('a rate over the limit')
    client.send('PUB a 0\r\n\r\n'.repeat(200))
    await client.until('closed')
    expect(client.closes).toEqual([{ code: 1008, reason: 'Publish Rate Exceeded' }])
    // Clients of NATS would not connect again after an unknown text.
    expect(await client.turn()).not.toContain('Publish Rate Exceeded')
  })

  it('apply to a user across its connections', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET }, limits: { publishRate: { messages: 10, bytes: 1_000 } } })
    const auth_token = await sign({ sub: 'ada', nats: { pub: { allow: ['a'] } } })
    const refused: number[] = []
    for (let i = 0; i < 3; i++) {
      const client = await ScriptedClient.connected(bridge, { auth_token })
      client.send('PUB a 0\r\n\r\n'.repeat(6))
      refused.push((await client.turn()).split('a rate over the limit').length - 1)
    }
    expect(refused).toEqual([0, 2, 6])
  })

  it('bound connections of a hub and of a user', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET }, limits: { maxConnections: 3, maxConnectionsPerUser: 2 } })
    const connect = async (sub: string) => ScriptedClient.connected(bridge, { auth_token: await sign({ sub }) })
    const [first, second, third] = [await connect('ada'), await connect('ada'), await connect('ada')]
    expect(third.closes).toEqual([{ code: 1008, reason: 'maximum account active connections exceeded' }])
    const bob = await connect('bob')
    expect((await connect('eve')).closes).toEqual([{ code: 1008, reason: 'maximum connections exceeded' }])
    second.connection.closed()
    expect((await connect('ada')).closes).toEqual([])
    expect([first.closes, bob.closes]).toEqual([[], []])
  })

  it('bound subscriptions of a client and filters of a hub', async () => {
    const { bridge } = bridgeFor({ limits: { maxSubscriptions: 3, maxFilters: 4 } })
    const [a, b] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    a.send('SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB d 4\r\n')
    expect(await a.turn()).toBe(`-ERR 'maximum subscriptions exceeded'\r\n`)
    b.send('SUB e 1\r\nSUB a 2\r\nSUB f 3\r\n')
    expect(await b.turn()).toBe(`-ERR 'maximum subscriptions exceeded'\r\n`)
    expect(bridge.hub.stats).toMatchObject({ subscriptions: 5, upstreamSubscriptions: 4 })
  })

  it('bound replays without subscribers, and end the oldest first', async () => {
    const { bridge } = bridgeFor()
    const client = await ScriptedClient.connected(bridge)
    const stream = '{"name":"S","subjects":["s.>"]}'
    client.send(`SUB made 1\r\nPUB $JS.API.STREAM.CREATE.S made ${stream.length}\r\n${stream}\r\n`)
    expect(await client.until('}')).not.toContain('"error"')
    for (let i = 0; i < 300; i++) {
      client.send(`SUB $EDGE.REPLAY.all.s.${i} r${i}\r\n`)
      await client.until('Replay Live')
      client.send(`UNSUB r${i}\r\n`)
      await client.turn()
    }
    expect(coreOf(bridge.hub).feeds.size).toBe(200)
    expect(coreOf(bridge.hub).feeds.has({ brokerFilter: 's.0' })).toBe(false)
    expect(coreOf(bridge.hub).feeds.has({ brokerFilter: 's.299' })).toBe(true)
    // A client that returns uses the same replay again.
    client.send('SUB $EDGE.REPLAY.all.s.100 back\r\n')
    await client.turn()
    for (let i = 300; i < 600; i++) client.send(`SUB $EDGE.REPLAY.all.s.${i} r${i}\r\nUNSUB r${i}\r\n`)
    await client.turn()
    expect(coreOf(bridge.hub).feeds.has({ brokerFilter: 's.100' })).toBe(true)
    bridge.close()
  })

  it('bound filters of a hub, including channels with members', async () => {
    const { bridge } = bridgeFor({ limits: { maxFilters: 5 } })
    const client = await ScriptedClient.connected(bridge)
    const join = (channel: number) => `PUB $EDGE.PRESENCE.room.${channel} 13\r\n{"do":"join"}\r\n`
    for (let channel = 1; channel <= 50; channel++) client.send(join(channel))
    expect((await client.turn()).split('a presence message')).toHaveLength(46)
    expect(coreOf(bridge.hub).channels.size).toBe(5)
    // More members can join a channel that exists.
    const other = await ScriptedClient.connected(bridge)
    other.send(join(1))
    expect(await other.turn()).toBe('')
  })

  it('bound subjects and headers', async () => {
    const { bridge } = bridgeFor({ limits: { maxSubjectLength: 5, maxHeaders: 20 } })
    const client = await ScriptedClient.connected(bridge)
    client.send('PUB abcdef 0\r\n\r\nSUB abcdef 1\r\nHPUB a 24 24\r\nNATS/1.0\r\nA: bcdefgh\r\n\r\n\r\n')
    expect(await client.turn()).toBe(
      [
        'Invalid Publish Subject',
        'Invalid Subject',
        'Permissions Violation for Publish to "a" with headers over the limit',
      ]
        .map((text) => `-ERR '${text}'\r\n`)
        .join(''),
    )
  })

  it('close an idle connection, but not one with a subscription', async () => {
    const { bridge, now } = bridgeFor({ limits: { idleTimeout: 60_000, pingInterval: 1_000_000 } })
    const [idle, listener] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    listener.send('SUB a 1\r\n')
    coreOf(bridge.hub).registry.tick()
    now.ms += 60_000
    coreOf(bridge.hub).registry.tick()
    expect(idle.closes).toEqual([{ code: 1001, reason: 'Idle Connection' }])
    expect(listener.closes).toEqual([])
  })
})
