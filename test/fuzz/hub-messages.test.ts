/**
 * Messages between hubs. Any program with access to NATS can publish on `$EDGE.HUBS.>` and `$EDGE.ADMIN`: a bridge of
 * another version, or a service that may publish to `>`.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createEmbeddedUpstream } from '../../bridge/broker/embedded.ts'
import type { PresenceNews } from '../../sdk/wire/presence-frames.ts'
import { createServerReader } from '../../sdk/wire/server-reader.ts'
import { bridgeFor, ScriptedClient, settle } from '../unit/bridge/session/scripted-client.ts'

// Promises and I/O stay real. A fault in a timer is thrown to the test that advances it.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

const SUBJECTS = ['$EDGE.HUBS.PRESENCE.room', '$EDGE.HUBS.ALIVE', '$EDGE.ADMIN']
const encode = (value: unknown) =>
  value instanceof Uint8Array
    ? value
    : new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

/** A hub with a member and a watcher in the channel `room`, next to a broker on which others publish. */
async function watchedHub() {
  const upstream = createEmbeddedUpstream()
  const { bridge, now } = bridgeFor({ upstream })
  const watcher = await ScriptedClient.connected(bridge)
  const member = await ScriptedClient.connected(bridge)
  watcher.send('SUB $EDGE.PRESENCE.room 1\r\n')
  member.send('PUB $EDGE.PRESENCE.room 13\r\n{"do":"join"}\r\n')
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 100) {
      await settle()
      vi.advanceTimersByTime(100)
      now.ms += 100
      // Otherwise they would be closed as stale connections.
      for (const client of [watcher, member]) client.send('PONG\r\n')
    }
    await settle()
  }
  await pass(300)
  await watcher.turn()
  return {
    bridge,
    watcher,
    member,
    pass,
    publish: (subject: string, value: unknown) => upstream.publish({ subject, payload: encode(value) }),
    /** Presence messages for the watcher since the last call. */
    async news(): Promise<PresenceNews[]> {
      await pass(300)
      const news: PresenceNews[] = []
      const read = createServerReader({
        message: (_, { payload }) => void news.push(JSON.parse(new TextDecoder().decode(payload))),
        operation() {},
      })
      read(encode(await watcher.turn()))
      return news
    },
  }
}

/** A watcher gets only messages of correct hubs. */
function expectWellFormed(news: readonly PresenceNews[]): void {
  for (const one of news) {
    const members = one.kind === 'changes' ? one.joined : one.kind === 'members' ? one.members : []
    for (const member of members)
      expect(member).toEqual(expect.objectContaining({ id: expect.any(String), user: expect.any(String) }))
    if (one.kind === 'changes') for (const id of one.left) expect(id).toEqual(expect.any(String))
    if (one.kind === 'signal') expect(one.id).toEqual(expect.any(String))
  }
}

const member = { id: 'x.1', user: 'eve' }

describe('a malformed message between hubs', () => {
  it.each<[string, unknown]>([
    ['a member that is a number', { hub: 'h', n: 1, joined: [1], left: [] }],
    ['a member that is null', { hub: 'h', n: 1, joined: [null], left: [] }],
    ['a member without an id', { hub: 'h', n: 1, joined: [{ user: 'eve' }], left: [] }],
    ['a member whose id is an object', { hub: 'h', n: 1, joined: [{ id: {}, user: 'eve' }], left: [] }],
    ['a member without a user', { hub: 'h', n: 1, joined: [{ id: 'x.1' }], left: [] }],
    ['members that are text', { hub: 'h', n: 1, part: 0, members: 'abc' }],
    ['members without a part', { hub: 'h', n: 1, members: [member] }],
    ['a list of ids that is an object', { hub: 'h', n: 1, joined: [], left: {} }],
    ['an id that is a number', { hub: 'h', n: 1, joined: [], left: [1] }],
    ['changes without a count', { hub: 'h', joined: [member], left: [] }],
    ['a count that is text', { hub: 'h', n: '1', joined: [member], left: [] }],
    ['a signal without a sender', { hub: 'h', data: 1 }],
    ['a signal with a member that is text', { hub: 'h', id: 'x.1', data: 1, member: 'eve' }],
    ['a hub without a name', { hub: '', n: 1, joined: [member], left: [] }],
    ['an array', [1]],
    ['null', null],
    ['a text that is not JSON', 'hello'],
    ['JSON that is not UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22])],
  ])('is ignored: %s', async (_, message) => {
    const hub = await watchedHub()
    for (const subject of SUBJECTS) hub.publish(subject, message)
    expect(await hub.news()).toEqual([])
    expect(hub.watcher.closes).toEqual([])
    // A later message that is correct still counts.
    hub.publish('$EDGE.HUBS.PRESENCE.room', { hub: 'h', n: 1, joined: [member], left: [] })
    expect(await hub.news()).toEqual([{ kind: 'changes', joined: [member], left: [] }])
    hub.bridge.close()
  })

  it('is ignored as a whole', async () => {
    const hub = await watchedHub()
    hub.publish('$EDGE.HUBS.PRESENCE.room', { hub: 'h', n: 1, joined: [member, 1], left: [] })
    expect(await hub.news()).toEqual([])
    hub.bridge.close()
  })

  it('forwards only known fields of a member', async () => {
    const hub = await watchedHub()
    const joined = [{ ...member, state: { a: 1 }, claims: [2], toJSON: 'x', __proto__: { user: 'root' } }]
    hub.publish('$EDGE.HUBS.PRESENCE.room', { hub: 'h', n: 1, joined, left: [] })
    const [news] = await hub.news()
    expect(news).toEqual({ kind: 'changes', joined: [{ ...member, state: { a: 1 }, claims: [2] }], left: [] })
    hub.bridge.close()
  })
})

it('uses bounded memory for a flood of hub names', async () => {
  const hub = await watchedHub()
  for (let i = 0; i < 30_000; i++) hub.publish('$EDGE.HUBS.ALIVE', crypto.randomUUID())
  for (let i = 0; i < 30_000; i++)
    hub.publish('$EDGE.HUBS.PRESENCE.room', { hub: `h${i}`, n: 1, joined: [{ id: `${i}`, user: '' }], left: [] })
  const news = await hub.news()
  const joined = news.reduce((sum, one) => sum + (one.kind === 'changes' ? one.joined.length : 0), 0)
  expect(joined).toBeLessThanOrEqual(1_000)
  hub.bridge.close()
})

it('survives any sequence of messages, and forwards none that is malformed', async () => {
  const hub = await watchedHub()
  const anyMember = fc.oneof(
    fc.record({
      id: fc.constantFrom('a', 'b', 1, ''),
      user: fc.oneof(fc.string(), fc.jsonValue()),
      state: fc.jsonValue(),
    }),
    fc.jsonValue(),
  )
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.json(),
    fc.record(
      {
        hub: fc.constantFrom<unknown>('h', 'g', 1, null),
        n: fc.oneof(fc.nat(3), fc.jsonValue()),
        part: fc.oneof(fc.nat(2), fc.jsonValue()),
        joined: fc.oneof(fc.array(anyMember, { maxLength: 3 }), fc.jsonValue()),
        left: fc.oneof(fc.array(fc.constantFrom<unknown>('a', 'b', 1)), fc.jsonValue()),
        members: fc.oneof(fc.array(anyMember, { maxLength: 3 }), fc.jsonValue()),
        id: fc.constantFrom<unknown>('a', 'b', 1),
        data: fc.jsonValue(),
        member: anyMember,
        ask: fc.constantFrom<unknown>(true, false, 1),
        do: fc.constantFrom('disconnect', 'unsubscribe', 'x'),
        user: fc.jsonValue(),
        connection: fc.jsonValue(),
        filter: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  )
  const step = fc.record({ subject: fc.constantFrom(...SUBJECTS), message, ms: fc.constantFrom(0, 0, 100, 6_000) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      for (const { subject, message, ms } of steps) {
        hub.publish(subject, message)
        await hub.pass(ms)
      }
      expectWellFormed(await hub.news())
      expect(hub.watcher.closes).toEqual([])
    }),
    { numRuns: 150 },
  )
  hub.member.send('PING\r\n')
  expect(await hub.member.turn()).toContain('PONG')
  hub.bridge.close()
}, 60_000)
