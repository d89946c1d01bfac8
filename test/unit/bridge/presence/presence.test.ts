import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { defaultLimits } from '../../../../bridge/auth/limits.ts'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import { Presence } from '../../../../bridge/presence/presence.ts'
import type { Upstream } from '../../../../bridge/upstream/upstream.ts'
import type { PresenceNews } from '../../../../sdk/wire/presence-frames.ts'
import { createServerReader } from '../../../../sdk/wire/server-reader.ts'
import { eventually } from '../../../support/eventually.ts'
import { openToAll } from '../../../support/open-to-all.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from '../session/scripted-client.ts'

afterEach(() => vi.useRealTimers())

/** What a client was told, and who it thinks is there. */
async function told(client: ScriptedClient, bridge: { hub: { turn: { flush(): void } } }) {
  await settle()
  bridge.hub.turn.flush()
  const news: PresenceNews[] = []
  const errors: string[] = []
  const read = createServerReader({
    message: (_, { payload }) => void news.push(JSON.parse(new TextDecoder().decode(payload))),
    operation: (verb, text) => void (verb === '-ERR' && errors.push(text)),
  })
  for (const bytes of client.sends.splice(0)) read(bytes)
  return { news, errors }
}
const changes = (news: readonly PresenceNews[]) =>
  news.flatMap((one) =>
    one.kind === 'changes'
      ? [
          `+${one.joined.map(({ id, state }) => `${id.split('.')[1]}=${JSON.stringify(state)}`)} -${one.left.map((id) => id.split('.')[1])}`,
        ]
      : [],
  )
const say = (order: object) => {
  const text = JSON.stringify(order)
  return `PUB $EDGE.PRESENCE.room ${text.length}\r\n${text}\r\n`
}
/** Until what hubs gather has been told. */
const moment = () => new Promise((resolve) => setTimeout(resolve, 250))

describe('presence', () => {
  it('shows who is there, and what changes, once each and gathered', async () => {
    const { bridge } = bridgeFor()
    const [a, b, watcher] = [1, 2, 3].map(() => new ScriptedClient(bridge)) as [
      ScriptedClient,
      ScriptedClient,
      ScriptedClient,
    ]
    for (const client of [a, b, watcher]) {
      client.send('CONNECT {"verbose":false}\r\nPING\r\n')
      await client.until('PONG')
    }
    a.send(say({ do: 'join', state: 1 }))
    await moment()
    watcher.send('SUB $EDGE.PRESENCE.room 7\r\n')
    const [first] = (await told(watcher, bridge)).news
    expect(first).toMatchObject({ kind: 'members', more: false, members: [{ user: '', state: 1 }] })
    b.send(say({ do: 'join', state: 'x' }) + say({ do: 'join', state: 'y' }))
    a.send(say({ do: 'join', state: 2 }))
    await moment()
    expect(changes((await told(watcher, bridge)).news)).toEqual(['+1=2,2="y" -'])
    b.send(say({ do: 'signal', data: 'typing' }))
    expect((await told(watcher, bridge)).news).toMatchObject([{ kind: 'signal', data: 'typing' }])
    b.connection.closed()
    a.send(say({ do: 'leave' }))
    await moment()
    expect(changes((await told(watcher, bridge)).news)).toEqual(['+ -1,2'])
    watcher.send('UNSUB 7\r\n')
    await settle()
    expect(bridge.hub.presence.size).toBe(0)
  })

  it('ends where new credentials don’t allow it any more', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const rooms = (...names: string[]) =>
      sign({ nats: { pub: { allow: names.map((name) => `$EDGE.PRESENCE.${name}`) }, sub: { allow: ['>'] } } })
    const client = await ScriptedClient.connected(bridge, { auth_token: await rooms('room', 'hall') })
    const join = '{"do":"join"}'
    for (const name of ['room', 'hall']) client.send(`PUB $EDGE.PRESENCE.${name} ${join.length}\r\n${join}\r\n`)
    await settle()
    expect(bridge.hub.presence.size).toBe(2)
    client.send(`CONNECT {"auth_token":"${await rooms('hall')}"}\r\nPING\r\n`)
    expect(await client.until('PONG')).not.toContain('ERR')
    await moment()
    expect(bridge.hub.presence.has('room')).toBe(false)
    expect(bridge.hub.presence.has('hall')).toBe(true)
    bridge.close()
  })

  it('is the same at every hub, also at one that comes later, and without one that ends', async () => {
    const upstream = createEmbeddedUpstream()
    const one = bridgeFor({ upstream }).bridge
    const two = bridgeFor({ upstream }).bridge
    const a = await ScriptedClient.connected(one)
    a.send(say({ do: 'join', state: 1 }))
    await moment()
    const b = await ScriptedClient.connected(two)
    b.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await moment()
    const { news } = await told(b, two)
    expect(news[0]).toMatchObject({ kind: 'members', members: [] })
    expect(news[1]).toMatchObject({ kind: 'changes', joined: [{ state: 1 }] })
    a.send(say({ do: 'signal', data: 5 }))
    expect((await told(b, two)).news).toMatchObject([{ kind: 'signal', data: 5 }])
    one.close()
    await moment()
    expect((await told(b, two)).news).toMatchObject([{ kind: 'changes', joined: [], left: [expect.any(String)] }])
    two.close()
  })

  it('drops the members of a hub that is no longer heard', async () => {
    const upstream = createEmbeddedUpstream()
    const [one, two] = [bridgeFor({ upstream }), bridgeFor({ upstream })]
    const a = await ScriptedClient.connected(one.bridge)
    const b = await ScriptedClient.connected(two.bridge)
    a.send(say({ do: 'join' }))
    b.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await moment()
    await told(b, two.bridge)
    // As long as it says that it is there, it is.
    for (let i = 0; i < 10; i++) {
      two.now.ms += 5_000
      one.bridge.hub.presence.tick()
      await settle()
      two.bridge.hub.presence.tick()
    }
    await moment()
    expect((await told(b, two.bridge)).news).toEqual([])
    two.now.ms += 20_001
    two.bridge.hub.presence.tick()
    await moment()
    expect(changes((await told(b, two.bridge)).news)).toHaveLength(1)
    one.bridge.close()
    two.bridge.close()
  })

  it('keeps the members of a hub that is back later than this one after an outage, but for those that have left', async () => {
    const upstream = createEmbeddedUpstream()
    let isThere = true
    /** The second hub's: what is said while it is away doesn't pass. */
    const gated: Upstream = {
      get state() {
        return upstream.state
      },
      get info() {
        return upstream.info
      },
      onState: (listener) => upstream.onState(listener),
      publish: (message) => void (isThere && upstream.publish(message)),
      subscribe: (filter, queue, deliver) =>
        upstream.subscribe(filter, queue, (message) => isThere && deliver(message)),
      flush: () => upstream.flush(),
      close: async () => {},
    }
    const { bridge: one, now } = bridgeFor({ upstream })
    const { bridge: two } = bridgeFor({ upstream: gated })
    const watcher = await ScriptedClient.connected(one)
    watcher.send('SUB $EDGE.PRESENCE.room 1\r\n')
    const [ada, bob] = [await ScriptedClient.connected(two), await ScriptedClient.connected(two)]
    const elsewhere = await ScriptedClient.connected(two)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const there = new Map<string, unknown>()
    const pass = async (ms: number) => {
      for (let at = 0; at < ms; at += 100) {
        await settle()
        vi.advanceTimersByTime(100)
        now.ms += 100
      }
      for (const news of (await told(watcher, one)).news)
        if (news.kind === 'changes') {
          for (const { id, state } of news.joined) there.set(id, state)
          for (const id of news.left) there.delete(id)
        }
      return [...there.values()].sort()
    }
    ada.send(say({ do: 'join', state: 'ada' }))
    bob.send(say({ do: 'join', state: 'bob' }))
    elsewhere.send('SUB $EDGE.PRESENCE.hall 1\r\n')
    expect(await pass(500)).toEqual(['ada', 'bob'])

    isThere = false
    bob.connection.closed()
    one.hub.presence.reconnected()
    expect(await pass(6_000)).toEqual(['ada', 'bob'])
    isThere = true
    two.hub.presence.reconnected()
    expect(await pass(1_000)).toEqual(['ada'])

    // Nobody of it is in the channel any more: it is heard, and has forgotten the channel.
    isThere = false
    elsewhere.send('PUB $EDGE.PRESENCE.hall 13\r\n{"do":"join"}\r\n')
    ada.connection.closed()
    await pass(500)
    one.hub.presence.reconnected()
    expect(await pass(6_000)).toEqual(['ada'])
    isThere = true
    two.hub.presence.reconnected()
    two.hub.presence.tick()
    expect(await pass(6_000)).toEqual([])
    for (const bridge of [one, two]) bridge.close()
  })

  it('5,000 members who come at once cost a watcher a few messages, and another hub as few', async () => {
    const upstream = createEmbeddedUpstream()
    let passed = 0
    upstream.subscribe('$EDGE.HUBS.PRESENCE.>', undefined, () => passed++)
    const [one, two] = [bridgeFor({ upstream }).bridge, bridgeFor({ upstream }).bridge]
    const watchers = [await ScriptedClient.connected(one), await ScriptedClient.connected(two)] as const
    for (const watcher of watchers) watcher.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await moment()
    await told(watchers[0], one)
    await told(watchers[1], two)
    passed = 0
    const clients: ScriptedClient[] = []
    for (let i = 0; i < 5_000; i++) {
      const client = new ScriptedClient(one)
      client.send(`CONNECT {"verbose":false}\r\n${say({ do: 'join', state: i })}`)
      clients.push(client)
    }
    let seen = [new Set<string>(), new Set<string>()]
    let messages = [0, 0]
    const read = async () => {
      for (const [index, bridge] of [one, two].entries()) {
        const { news } = await told(watchers[index] as ScriptedClient, bridge)
        messages[index] = (messages[index] as number) + news.length
        for (const one of news) if (one.kind === 'changes') for (const { id } of one.joined) seen[index]?.add(id)
      }
    }
    for (let i = 0; i < 40 && seen.some(({ size }) => size < 5_000); i++) {
      await moment()
      await read()
    }
    expect(seen.map(({ size }) => size)).toEqual([5_000, 5_000])
    // 500 in each, and some for the moments at which they were told.
    for (const count of messages) expect(count).toBeLessThan(40)
    expect(passed).toBeLessThan(40)
    for (const client of clients) client.connection.closed()
    seen = [new Set(), new Set()]
    messages = [0, 0]
    await moment()
    await moment()
    await read()
    for (const count of messages) expect(count).toBeLessThan(40)
    one.close()
    two.close()
  }, 60_000)

  describe('to other hubs', () => {
    /** A hub's presence, and whose coming the others heard of. */
    function spoken() {
      const upstream = createEmbeddedUpstream()
      const presence = new Presence(upstream, defaultLimits, 'hub', Date.now)
      const heard = new Set<string>()
      upstream.subscribe('$EDGE.HUBS.PRESENCE.room', undefined, ({ payload }) => {
        for (const { id } of JSON.parse(new TextDecoder().decode(payload)).joined ?? []) heard.add(id)
      })
      const join = (id: string, state: string, claims?: object) =>
        presence.take('room', { id, user: 'ada', claims }, new TextEncoder().encode(`{"do":"join","state":${state}}`))
      return { presence, heard, join }
    }

    it('tells of many members with large states and claims: a message is not larger than NATS takes', async () => {
      const { presence, heard, join } = spoken()
      for (let i = 0; i < 500; i++)
        expect(join(`${i}`, `"${'s'.repeat(1_000)}"`, { avatar: 'a'.repeat(1_200) })).toBeUndefined()
      await eventually(() => heard.size === 500, { what: 'all of them' })
      presence.close()
    })

    it('tells of everybody, also beside members whose states grow when they are written anew', async () => {
      const { presence, heard, join } = spoken()
      // 1,050 bytes, and 4,600 where 1e20 is 100000000000000000000.
      for (let i = 0; i < 300; i++) join(`${i}`, `[${Array(200).fill('1e20').join()}]`)
      join('honest', '1')
      await eventually(() => heard.has('honest'), { what: 'the honest one' })
      presence.close()
    })

    it('says nothing of a signal without data, which is not understood', async () => {
      const upstream = createEmbeddedUpstream()
      const [one, two] = [bridgeFor({ upstream }).bridge, bridgeFor({ upstream }).bridge]
      const [a, b] = [await ScriptedClient.connected(one), await ScriptedClient.connected(two)]
      for (const client of [a, b]) client.send(say({ do: 'join' }))
      await moment()
      let passed = 0
      upstream.subscribe('$EDGE.HUBS.PRESENCE.room', undefined, () => passed++)
      a.send(say({ do: 'signal' }).repeat(2))
      expect((await told(a, one)).errors).toEqual(
        Array(2).fill('Presence Violation for Publish to "$EDGE.PRESENCE.room"'),
      )
      await moment()
      expect(passed).toBe(0)
      one.close()
      two.close()
    })
  })

  it('needs permission: to subscribe to see, to publish to join; tenants are apart', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET, subjectPrefix: '{{org}}' } })
    const allow = ['$EDGE.PRESENCE.room']
    const connect = async (claims: object) =>
      ScriptedClient.connected(bridge, { auth_token: await sign({ sub: 'ada', org: 'a', ...claims }) })
    const sees = await connect({ nats: { sub: { allow } } })
    const joins = await connect({ nats: { pub: { allow } }, presence: { name: 'Ada' } })
    const wide = await connect({
      nats: { pub: { allow: ['>'] }, sub: { allow: ['>'], deny: ['$EDGE.PRESENCE.secret'] } },
    })
    const other = await connect({ org: 'b', nats: { sub: { allow: ['>'] } } })
    sees.send(`SUB $EDGE.PRESENCE.room 1\r\nSUB $EDGE.PRESENCE.other 2\r\n${say({ do: 'join' })}`)
    joins.send(`SUB $EDGE.PRESENCE.room 1\r\n${say({ do: 'join' })}`)
    wide.send(
      'SUB $EDGE.PRESENCE.secret 1\r\nSUB $EDGE.PRESENCE.room queue 2\r\nSUB $EDGE.PRESENCE.* 3\r\nSUB $EDGE.PRESENCE.room 4\r\n',
    )
    other.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await moment()
    const seen = await told(sees, bridge)
    expect(seen.errors).toEqual([
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.other"',
      'Permissions Violation for Publish to "$EDGE.PRESENCE.room"',
    ])
    expect(seen.news.at(-1)).toMatchObject({ joined: [{ user: 'ada', claims: { name: 'Ada' } }] })
    expect((await told(joins, bridge)).errors).toEqual([
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.room"',
    ])
    expect((await told(wide, bridge)).errors).toEqual([
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.secret"',
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.room" using queue "queue"',
      'Invalid Subject',
    ])
    expect((await told(other, bridge)).news).toMatchObject([{ kind: 'members', members: [] }])
  })

  it('hides who wants to be hidden, and refuses what is too large, too much or not understood', async () => {
    const { bridge } = bridgeFor({ limits: { presence: { channels: 2, state: 50 } } })
    const [ghost, watcher] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    watcher.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await told(watcher, bridge)
    ghost.send(say({ do: 'join', hidden: true }))
    await moment()
    expect((await told(watcher, bridge)).news).toEqual([])
    ghost.send(say({ do: 'join' }))
    await moment()
    expect(changes((await told(watcher, bridge)).news)).toEqual(['+1=undefined -'])
    ghost.send(say({ do: 'join', hidden: true }))
    await moment()
    expect(changes((await told(watcher, bridge)).news)).toEqual(['+ -1'])
    await told(ghost, bridge)
    ghost.send(say({ do: 'join', state: 'x'.repeat(200) }) + say({ do: 'dance' }) + say({ do: 'signal', data: 1 }))
    ghost.send(
      'PUB $EDGE.PRESENCE.b 13\r\n{"do":"join"}\r\nPUB $EDGE.PRESENCE.c 13\r\n{"do":"join"}\r\nPUB $EDGE.PRESENCE.room 1\r\n{\r\n',
    )
    const { errors } = await told(ghost, bridge)
    expect(errors).toEqual(
      ['room', 'room', 'room', 'c', 'room'].map(
        (channel) => `Presence Violation for Publish to "$EDGE.PRESENCE.${channel}"`,
      ),
    )
    expect(ghost.closes).toEqual([])
  })

  it('any bytes of a client or of NATS end nothing', async () => {
    const upstream = createEmbeddedUpstream()
    const { bridge } = bridgeFor({ upstream, auth: openToAll, limits: { publishRate: { messages: 1e9, bytes: 1e9 } } })
    const client = await ScriptedClient.connected(bridge)
    client.send('SUB $EDGE.PRESENCE.room 1\r\n')
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc
        .record(
          {
            do: fc.constantFrom('join', 'leave', 'signal', 1),
            hub: fc.constantFrom('x', 'y', 1),
            n: fc.jsonValue(),
            joined: fc.jsonValue(),
            left: fc.jsonValue(),
            members: fc.jsonValue(),
            part: fc.jsonValue(),
            state: fc.jsonValue(),
            data: fc.jsonValue(),
          },
          { requiredKeys: [] },
        )
        .map((value) => new TextEncoder().encode(JSON.stringify(value))),
    )
    await fc.assert(
      fc.asyncProperty(bytes, async (payload) => {
        upstream.publish({ subject: '$EDGE.HUBS.PRESENCE.room', payload })
        client.connection.receive(new TextEncoder().encode(`PUB $EDGE.PRESENCE.room ${payload.length}\r\n`))
        client.connection.receive(payload)
        client.send('\r\n')
        bridge.hub.turn.flush()
      }),
      { numRuns: 500 },
    )
    await settle()
    expect(client.closes).toEqual([])
    client.send('PING\r\n')
    expect(await client.until('PONG\r\n')).toContain('PONG')
    bridge.close()
  })
})
