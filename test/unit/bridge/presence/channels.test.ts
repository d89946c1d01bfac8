import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defaultLimits } from '../../../../bridge/auth/limits.ts'
import type { Bridge } from '../../../../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import type { Client } from '../../../../bridge/delivery/client.ts'
import { ReplyGrants } from '../../../../bridge/delivery/reply-grants.ts'
import { SubjectScope } from '../../../../bridge/delivery/subject-scope.ts'
import { Channels } from '../../../../bridge/presence/channels.ts'
import type { Upstream } from '../../../../bridge/upstream/upstream.ts'
import type { PresenceNews } from '../../../../sdk/wire/presence-frames.ts'
import { createServerReader } from '../../../../sdk/wire/server-reader.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { openToAll } from '../../../support/open-to-all.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from '../session/scripted-client.ts'

// Time passes only by `pass`, so that a busy machine changes nothing.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

/** Advances time, and runs all timers that are due. */
async function pass(ms: number, each: () => void = () => {}): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    await settle()
    each()
    vi.advanceTimersByTime(50)
  }
  await settle()
}

/** Longer than changes are collected. */
const gathered = () => pass(250)

/** Presence messages and errors for a client since the last call. */
async function received(client: ScriptedClient, bridge: Bridge) {
  await settle()
  coreOf(bridge.hub).turn.flush()
  const news: PresenceNews[] = []
  const errors: string[] = []
  const read = createServerReader({
    message: (_, { payload }) => void news.push(JSON.parse(new TextDecoder().decode(payload))),
    operation: (verb, text) => void (verb === '-ERR' && errors.push(text)),
  })
  for (const bytes of client.sends.splice(0)) read(bytes)
  return { news, errors }
}

/** Changes as `+<number of connection>=<state> -<number of connection>`. */
const changes = (news: readonly PresenceNews[]) =>
  news.flatMap((one) => {
    if (one.kind !== 'changes') return []
    const joined = one.joined.map(({ id, state }) => `${id.split('.')[1]}=${JSON.stringify(state)}`)
    return [`+${joined} -${one.left.map((id) => id.split('.')[1])}`]
  })

const publish = (order: object, channel = 'room') => {
  const text = JSON.stringify(order)
  return `PUB $EDGE.PRESENCE.${channel} ${text.length}\r\n${text}\r\n`
}

describe('presence', () => {
  it('reports members, and each change once, collected', async () => {
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
    a.send(publish({ do: 'join', state: 1 }))
    await gathered()
    watcher.send('SUB $EDGE.PRESENCE.room 7\r\n')
    const [first] = (await received(watcher, bridge)).news
    expect(first).toMatchObject({ kind: 'members', more: false, members: [{ user: '', state: 1 }] })
    b.send(publish({ do: 'join', state: 'x' }) + publish({ do: 'join', state: 'y' }))
    a.send(publish({ do: 'join', state: 2 }))
    await gathered()
    expect(changes((await received(watcher, bridge)).news)).toEqual(['+1=2,2="y" -'])
    b.send(publish({ do: 'signal', data: 'typing' }))
    expect((await received(watcher, bridge)).news).toMatchObject([{ kind: 'signal', data: 'typing' }])
    b.connection.closed()
    a.send(publish({ do: 'leave' }))
    await gathered()
    expect(changes((await received(watcher, bridge)).news)).toEqual(['+ -1,2'])
    watcher.send('UNSUB 7\r\n')
    await settle()
    expect(bridge.hub.stats.channels).toBe(0)
  })

  it('ends in channels that new credentials do not allow', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const rooms = (...names: string[]) =>
      sign({ nats: { pub: { allow: names.map((name) => `$EDGE.PRESENCE.${name}`) }, sub: { allow: ['>'] } } })
    const client = await ScriptedClient.connected(bridge, { auth_token: await rooms('room', 'hall') })
    client.send(publish({ do: 'join' }) + publish({ do: 'join' }, 'hall'))
    await settle()
    expect(bridge.hub.stats.channels).toBe(2)
    client.send(`CONNECT {"auth_token":"${await rooms('hall')}"}\r\nPING\r\n`)
    expect(await client.until('PONG')).not.toContain('ERR')
    await gathered()
    expect(bridge.hub.stats.channels).toBe(1)
    client.send(publish({ do: 'leave' }, 'hall'))
    await gathered()
    expect(bridge.hub.stats.channels).toBe(0)
    bridge.close()
  })

  it('is the same at every hub, also at a later one, and after a hub has closed', async () => {
    const upstream = createEmbeddedUpstream()
    const one = bridgeFor({ upstream }).bridge
    const two = bridgeFor({ upstream }).bridge
    const a = await ScriptedClient.connected(one)
    a.send(publish({ do: 'join', state: 1 }))
    await gathered()
    const b = await ScriptedClient.connected(two)
    b.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await gathered()
    const { news } = await received(b, two)
    expect(news[0]).toMatchObject({ kind: 'members', members: [] })
    expect(news[1]).toMatchObject({ kind: 'changes', joined: [{ state: 1 }] })
    a.send(publish({ do: 'signal', data: 5 }))
    expect((await received(b, two)).news).toMatchObject([{ kind: 'signal', data: 5 }])
    one.close()
    await gathered()
    expect((await received(b, two)).news).toMatchObject([{ kind: 'changes', joined: [], left: [expect.any(String)] }])
    two.close()
  })

  it('drops the members of a hub that is silent for 20 s', async () => {
    const upstream = createEmbeddedUpstream()
    const [one, two] = [bridgeFor({ upstream }), bridgeFor({ upstream })]
    const a = await ScriptedClient.connected(one.bridge)
    const b = await ScriptedClient.connected(two.bridge)
    a.send(publish({ do: 'join' }))
    b.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await gathered()
    await received(b, two.bridge)
    // A hub that publishes that it is alive keeps its members.
    for (let i = 0; i < 10; i++) {
      two.now.ms += 5_000
      coreOf(one.bridge.hub).channels.tick()
      await settle()
      coreOf(two.bridge.hub).channels.tick()
    }
    await gathered()
    expect((await received(b, two.bridge)).news).toEqual([])
    two.now.ms += 20_001
    coreOf(two.bridge.hub).channels.tick()
    await gathered()
    expect(changes((await received(b, two.bridge)).news)).toHaveLength(1)
    one.bridge.close()
    two.bridge.close()
  })

  it('keeps members of a hub that reconnects later than this one, except for members that have left', async () => {
    const upstream = createEmbeddedUpstream()
    let isConnected = true
    /** The second hub's upstream, which loses messages while it is not connected. */
    const gated: Upstream = {
      get state() {
        return upstream.state
      },
      get info() {
        return upstream.info
      },
      onState: (listener) => upstream.onState(listener),
      publish: (message) => void (isConnected && upstream.publish(message)),
      subscribe: (filter, queue, deliver) =>
        upstream.subscribe(filter, queue, (message) => isConnected && deliver(message)),
      flush: () => upstream.flush(),
      close: async () => {},
    }
    const { bridge: one, now } = bridgeFor({ upstream })
    const { bridge: two } = bridgeFor({ upstream: gated })
    const { channels: atOne } = coreOf(one.hub)
    const { channels: atTwo } = coreOf(two.hub)
    const watcher = await ScriptedClient.connected(one)
    watcher.send('SUB $EDGE.PRESENCE.room 1\r\n')
    const [ada, bob] = [await ScriptedClient.connected(two), await ScriptedClient.connected(two)]
    const elsewhere = await ScriptedClient.connected(two)
    const members = new Map<string, unknown>()
    const membersAfter = async (ms: number) => {
      await pass(ms, () => {
        now.ms += 50
      })
      for (const news of (await received(watcher, one)).news)
        if (news.kind === 'changes') {
          for (const { id, state } of news.joined) members.set(id, state)
          for (const id of news.left) members.delete(id)
        }
      return [...members.values()].sort()
    }
    ada.send(publish({ do: 'join', state: 'ada' }))
    bob.send(publish({ do: 'join', state: 'bob' }))
    elsewhere.send('SUB $EDGE.PRESENCE.hall 1\r\n')
    expect(await membersAfter(500)).toEqual(['ada', 'bob'])

    isConnected = false
    bob.connection.closed()
    atOne.reconnected()
    expect(await membersAfter(6_000)).toEqual(['ada', 'bob'])
    isConnected = true
    atTwo.reconnected()
    expect(await membersAfter(1_000)).toEqual(['ada'])

    // The last member leaves. The hub is alive, but has forgotten the channel, so it does not answer.
    isConnected = false
    elsewhere.send(publish({ do: 'join' }, 'hall'))
    ada.connection.closed()
    await membersAfter(500)
    atOne.reconnected()
    expect(await membersAfter(3_000)).toEqual(['ada'])
    isConnected = true
    atTwo.reconnected()
    atTwo.tick()
    expect(await membersAfter(6_000)).toEqual([])
    for (const bridge of [one, two]) bridge.close()
  })

  it('sends few messages for 5,000 members that join at once, to watchers and to other hubs', async () => {
    const upstream = createEmbeddedUpstream()
    let between = 0
    upstream.subscribe('$EDGE.HUBS.PRESENCE.>', undefined, () => between++)
    const [one, two] = [bridgeFor({ upstream }).bridge, bridgeFor({ upstream }).bridge]
    const watchers = [await ScriptedClient.connected(one), await ScriptedClient.connected(two)] as const
    for (const watcher of watchers) watcher.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await gathered()
    await received(watchers[0], one)
    await received(watchers[1], two)
    between = 0
    const clients: ScriptedClient[] = []
    for (let i = 0; i < 5_000; i++) {
      const client = new ScriptedClient(one)
      client.send(`CONNECT {"verbose":false}\r\n${publish({ do: 'join', state: i })}`)
      clients.push(client)
    }
    const joined = [new Set<string>(), new Set<string>()]
    const messages = [0, 0]
    for (let i = 0; i < 10 && joined.some(({ size }) => size < 5_000); i++) {
      await gathered()
      for (const [index, bridge] of [one, two].entries()) {
        const { news } = await received(watchers[index] as ScriptedClient, bridge)
        messages[index] = (messages[index] as number) + news.length
        for (const one of news) if (one.kind === 'changes') for (const { id } of one.joined) joined[index]?.add(id)
      }
    }
    expect(joined.map(({ size }) => size)).toEqual([5_000, 5_000])
    // 500 members in each message, and some messages for the moments of their report.
    for (const count of messages) expect(count).toBeLessThan(40)
    expect(between).toBeLessThan(40)
    for (const client of clients) client.connection.closed()
    await gathered()
    await gathered()
    for (const [index, bridge] of [one, two].entries())
      expect((await received(watchers[index] as ScriptedClient, bridge)).news.length).toBeLessThan(40)
    one.close()
    two.close()
  }, 60_000)

  describe('between hubs', () => {
    /** The channels of a hub, and ids of members that it reports to other hubs. */
    function reporting() {
      const upstream = createEmbeddedUpstream()
      const channels = new Channels({ upstream, limits: defaultLimits, hub: 'hub', clock: Date.now })
      const reported = new Set<string>()
      upstream.subscribe('$EDGE.HUBS.PRESENCE.room', undefined, ({ payload }) => {
        for (const { id } of JSON.parse(new TextDecoder().decode(payload)).joined ?? []) reported.add(id)
      })
      const join = (id: string, state: string, claims?: object) =>
        channels.take('room', clientOf(id, claims), new TextEncoder().encode(`{"do":"join","state":${state}}`))
      return { channels, reported, join }
    }

    function clientOf(id: string, presence?: object): Client {
      const everything = { allow: ['>'], deny: [] }
      const scope = new SubjectScope(undefined, 'key')
      return {
        id,
        identity: { user: 'ada', permissions: { publish: everything, subscribe: everything }, presence },
        scope,
        replies: new ReplyGrants(scope, undefined, Date.now),
        flags: { verbose: false, pedantic: false, echo: true, headers: true, noResponders: true },
      }
    }

    it('splits many members with large states and claims, so that each message fits into NATS', async () => {
      const { channels, reported, join } = reporting()
      for (let i = 0; i < 500; i++)
        expect(join(`${i}`, `"${'s'.repeat(1_000)}"`, { avatar: 'a'.repeat(1_200) })).toBe(true)
      await gathered()
      expect(reported.size).toBe(500)
      channels.close()
    })

    it('reports all members, also next to members whose states grow when they are encoded again', async () => {
      const { channels, reported, join } = reporting()
      // 1,050 bytes; 4,600 with 1e20 as 100000000000000000000.
      for (let i = 0; i < 300; i++) join(`${i}`, `[${Array(200).fill('1e20').join()}]`)
      join('small', '1')
      await gathered()
      expect(reported.has('small')).toBe(true)
      channels.close()
    })

    /** Several hubs with one member each in the channel `room`, and the messages between them. */
    async function hubsWithMembers(count: number) {
      const upstream = createEmbeddedUpstream()
      const messages: Array<{ readonly subject: string; readonly fields: Record<string, unknown> }> = []
      upstream.subscribe('$EDGE.HUBS.*.>', undefined, ({ subject, payload }) =>
        messages.push({ subject, fields: JSON.parse(new TextDecoder().decode(payload)) }),
      )
      const hubs = Array.from({ length: count }, () => bridgeFor({ upstream }).bridge)
      const join = async (hub: Bridge) => {
        const client = await ScriptedClient.connected(hub)
        client.send(`SUB $EDGE.PRESENCE.room 1\r\n${publish({ do: 'join' })}`)
        await gathered()
        return client
      }
      const clients = []
      for (const hub of hubs) clients.push(await join(hub))
      const membersAt = (hub: Bridge) => [...coreOf(hub.hub).channels.list()].flatMap(({ members }) => members).length
      const close = () => {
        for (const hub of hubs) hub.close()
      }
      return { upstream, hubs, clients, messages, join, membersAt, close }
    }

    it('sends all members only to the hub that requests them', async () => {
      const { hubs, messages, membersAt, close } = await hubsWithMembers(4)
      expect(hubs.map(membersAt)).toEqual([4, 4, 4, 4])
      const answers = messages.filter(({ fields }) => 'members' in fields)
      const [, , , last] = hubs
      // The second hub sent a request to one hub, the third to two, the fourth to three.
      expect(answers).toHaveLength(6)
      expect(answers.slice(3).map(({ subject }) => subject)).toEqual(
        Array(3).fill(`$EDGE.HUBS.ANSWERS.${last && coreOf(last.hub).id}.room`),
      )
      close()
    })

    it('sends all members to the channel for a hub of an earlier version, and takes them from there', async () => {
      const { upstream, hubs, messages, membersAt, close } = await hubsWithMembers(2)
      const say = (fields: object) =>
        upstream.publish({
          subject: '$EDGE.HUBS.PRESENCE.room',
          payload: new TextEncoder().encode(JSON.stringify({ hub: 'old', ...fields })),
        })
      messages.length = 0
      say({ ask: true })
      say({ n: 3, part: 0, members: [{ id: 'old.1', user: '' }] })
      await gathered()
      const answers = messages.filter(({ fields }) => 'members' in fields && fields.hub !== 'old')
      expect(answers.map(({ subject }) => subject)).toEqual(Array(2).fill('$EDGE.HUBS.PRESENCE.room'))
      expect(hubs.map(membersAt)).toEqual([3, 3])
      close()
    })

    it('requests nothing when a hub returns to a channel that it had left', async () => {
      const { hubs, clients, messages, join, membersAt, close } = await hubsWithMembers(3)
      const [returning] = hubs as [Bridge]
      clients[0]?.send(`UNSUB 1\r\n${publish({ do: 'leave' })}`)
      await gathered()
      expect(hubs.map(membersAt)).toEqual([0, 2, 2])
      messages.length = 0
      await join(returning)
      expect(hubs.map(membersAt)).toEqual([3, 3, 3])
      expect(messages.filter(({ fields }) => 'ask' in fields).map(({ fields }) => fields.hub)).toEqual([
        coreOf(returning.hub).id,
      ])
      close()
    })

    it('does not keep members of a returning hub whose departure was missed', async () => {
      const { upstream, hubs, membersAt, close } = await hubsWithMembers(1)
      const [hub] = hubs as [Bridge]
      const say = (fields: object) =>
        upstream.publish({
          subject: '$EDGE.HUBS.PRESENCE.room',
          payload: new TextEncoder().encode(JSON.stringify({ hub: 'h', ...fields })),
        })
      say({ n: 1, joined: [{ id: 'h.1', user: '' }], left: [] })
      await gathered()
      expect(membersAt(hub)).toBe(2)
      say({ n: 1, joined: [{ id: 'h.2', user: '' }], left: [] })
      await gathered()
      expect(membersAt(hub)).toBe(2)
      close()
    })

    it('publishes nothing for a signal without data, which is refused', async () => {
      const upstream = createEmbeddedUpstream()
      const [one, two] = [bridgeFor({ upstream }).bridge, bridgeFor({ upstream }).bridge]
      const [a, b] = [await ScriptedClient.connected(one), await ScriptedClient.connected(two)]
      for (const client of [a, b]) client.send(publish({ do: 'join' }))
      await gathered()
      let between = 0
      upstream.subscribe('$EDGE.HUBS.PRESENCE.room', undefined, () => between++)
      a.send(publish({ do: 'signal' }).repeat(2))
      expect((await received(a, one)).errors).toEqual(
        Array(2).fill(
          'Permissions Violation for Publish to "$EDGE.PRESENCE.room" with a presence message that is invalid or over a limit',
        ),
      )
      await gathered()
      expect(between).toBe(0)
      one.close()
      two.close()
    })
  })

  it('needs permission to subscribe for watchers and to publish for members, and keeps tenants apart', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET, subjectPrefix: '{{org}}' } })
    const allow = ['$EDGE.PRESENCE.room']
    const connect = async (claims: object) =>
      ScriptedClient.connected(bridge, { auth_token: await sign({ sub: 'ada', org: 'a', ...claims }) })
    const watcher = await connect({ nats: { sub: { allow } } })
    const member = await connect({ nats: { pub: { allow } }, presence: { name: 'Ada' } })
    const wide = await connect({
      nats: { pub: { allow: ['>'] }, sub: { allow: ['>'], deny: ['$EDGE.PRESENCE.secret'] } },
    })
    const other = await connect({ org: 'b', nats: { sub: { allow: ['>'] } } })
    watcher.send(`SUB $EDGE.PRESENCE.room 1\r\nSUB $EDGE.PRESENCE.other 2\r\n${publish({ do: 'join' })}`)
    member.send(`SUB $EDGE.PRESENCE.room 1\r\n${publish({ do: 'join' })}`)
    wide.send(
      'SUB $EDGE.PRESENCE.secret 1\r\nSUB $EDGE.PRESENCE.room queue 2\r\nSUB $EDGE.PRESENCE.* 3\r\nSUB $EDGE.PRESENCE.room 4\r\n',
    )
    other.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await gathered()
    const seen = await received(watcher, bridge)
    expect(seen.errors).toEqual([
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.other"',
      'Permissions Violation for Publish to "$EDGE.PRESENCE.room"',
    ])
    expect(seen.news.at(-1)).toMatchObject({ joined: [{ user: 'ada', claims: { name: 'Ada' } }] })
    expect((await received(member, bridge)).errors).toEqual([
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.room"',
    ])
    expect((await received(wide, bridge)).errors).toEqual([
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.secret"',
      'Permissions Violation for Subscription to "$EDGE.PRESENCE.room" using queue "queue"',
      'Invalid Subject',
    ])
    expect((await received(other, bridge)).news).toMatchObject([{ kind: 'members', members: [] }])
  })

  it('hides hidden members, and refuses orders that are too large, too many or malformed', async () => {
    const { bridge } = bridgeFor({ limits: { presence: { channels: 2, state: 50 } } })
    const [ghost, watcher] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    watcher.send('SUB $EDGE.PRESENCE.room 1\r\n')
    await received(watcher, bridge)
    ghost.send(publish({ do: 'join', hidden: true }))
    await gathered()
    expect((await received(watcher, bridge)).news).toEqual([])
    ghost.send(publish({ do: 'join' }))
    await gathered()
    expect(changes((await received(watcher, bridge)).news)).toEqual(['+1=undefined -'])
    ghost.send(publish({ do: 'join', hidden: true }))
    await gathered()
    expect(changes((await received(watcher, bridge)).news)).toEqual(['+ -1'])
    await received(ghost, bridge)
    ghost.send(publish({ do: 'join', state: 'x'.repeat(200) }) + publish({ do: 'dance' }))
    ghost.send(publish({ do: 'signal', data: 1 }))
    ghost.send(`${publish({ do: 'join' }, 'b')}${publish({ do: 'join' }, 'c')}PUB $EDGE.PRESENCE.room 1\r\n{\r\n`)
    const { errors } = await received(ghost, bridge)
    expect(errors).toEqual(
      ['room', 'room', 'room', 'c', 'room'].map(
        (channel) =>
          `Permissions Violation for Publish to "$EDGE.PRESENCE.${channel}" with a presence message that is invalid or over a limit`,
      ),
    )
    expect(ghost.closes).toEqual([])
  })

  it('survives any bytes that a client publishes to a channel', async () => {
    const { bridge } = bridgeFor({ auth: openToAll, limits: { publishRate: { messages: 1e9, bytes: 1e9 } } })
    const client = await ScriptedClient.connected(bridge)
    client.send('SUB $EDGE.PRESENCE.room 1\r\n')
    const order = fc.record(
      {
        do: fc.constantFrom('join', 'leave', 'signal', 1),
        state: fc.jsonValue(),
        hidden: fc.jsonValue(),
        data: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    const payloads = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .oneof(
          fc.json(),
          order.map((value) => JSON.stringify(value)),
        )
        .map((text) => new TextEncoder().encode(text)),
    )
    fc.assert(
      fc.property(payloads, (payload) => {
        client.send(`PUB $EDGE.PRESENCE.room ${payload.length}\r\n`)
        client.connection.receive(payload)
        client.send('\r\n')
        coreOf(bridge.hub).turn.flush()
        vi.advanceTimersByTime(100)
      }),
      { numRuns: 500 },
    )
    expect(client.closes).toEqual([])
    client.send('PING\r\n')
    expect(await client.until('PONG\r\n')).toContain('PONG')
    bridge.close()
  })
})
