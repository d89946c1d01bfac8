/** Costs of fan-out: subscriptions at the broker, encodings and writes. */
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { allocateMessage } from '../../../../bridge/hosts/node-socket.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from '../session/scripted-client.ts'

afterEach(() => vi.useRealTimers())

const subscribe = 'CONNECT {"verbose":false,"no_responders":true,"headers":true}\r\nSUB a.* 1\r\nPING\r\n'
const publish = (upstream: { publish(message: object): void }, subject: string, count: number) => {
  for (let n = 0; n < count; n++) upstream.publish({ subject, payload: new TextEncoder().encode(`${n}`) })
}

describe('many subscribers of one filter', () => {
  it('have one subscription at the broker for 10,000 clients', async () => {
    const { bridge, upstream } = bridgeFor()
    const subscribed = vi.spyOn(upstream, 'subscribe')
    const clients = Array.from({ length: 10_000 }, () => new ScriptedClient(bridge))
    for (const client of clients) client.send(subscribe)
    await settle()
    expect(bridge.hub.stats).toMatchObject({ connections: 10_000, subscriptions: 10_000, upstreamSubscriptions: 1 })
    expect(subscribed.mock.calls.filter(([filter]) => filter === 'a.*').length).toBe(1)
    for (const client of clients) client.connection.closed()
    expect(bridge.hub.stats).toMatchObject({ connections: 0, subscriptions: 0, upstreamSubscriptions: 0 })
  }, 30_000)

  it('get 100 messages of a turn in one write, with bytes that are encoded once', async () => {
    const { bridge, upstream } = bridgeFor()
    const clients = Array.from({ length: 200 }, () => new ScriptedClient(bridge))
    for (const client of clients) client.send(subscribe)
    for (const client of clients) await client.turn()
    publish(upstream, 'a.b', 100)
    await settle()
    coreOf(bridge.hub).turn.flush()
    for (const { sends } of clients) expect(sends.length).toBe(1)
    expect(new Set(clients.map(({ sends }) => sends[0])).size).toBe(1)
    const text = new TextDecoder().decode(clients[0]?.sends[0])
    expect(text.match(/^MSG a\.b 1 \d+\r$/gm)?.length).toBe(100)
  })
})

describe('many subscribers of all subjects', () => {
  it('get the same bytes in one write, without the inboxes among them', async () => {
    const { bridge, upstream } = bridgeFor()
    const clients = Array.from({ length: 50 }, () => new ScriptedClient(bridge))
    for (const client of clients) client.send(subscribe.replace('a.*', '>'))
    for (const client of clients) await client.turn()
    publish(upstream, 'a.b', 50)
    publish(upstream, '_INBOX.k3f9.1', 1)
    await settle()
    coreOf(bridge.hub).turn.flush()
    publish(upstream, '$EDGE.ANYTHING', 1)
    publish(upstream, 'a.b', 50)
    await settle()
    coreOf(bridge.hub).turn.flush()
    for (const turn of [0, 1]) {
      expect(new Set(clients.map(({ sends }) => sends[turn])).size).toBe(1)
      expect(new TextDecoder().decode(clients[0]?.sends[turn]).match(/^MSG \S+/gm)).toEqual(Array(50).fill('MSG a.b'))
    }
    for (const { sends } of clients) expect(sends.length).toBe(2)
  })
})

describe('subscribers of all subjects with different permissions', () => {
  it('get what each may get, also after new credentials in the middle of a turn', async () => {
    const { bridge, upstream } = bridgeFor({ auth: { secret: SECRET } })
    const tokenFor = (sub: string, deny: string[]) => sign({ sub, nats: { sub: { allow: ['>'], deny } } })
    const denies = [[], ['a.secret'], []]
    const clients: ScriptedClient[] = []
    for (const [index, deny] of denies.entries())
      clients.push(await ScriptedClient.connected(bridge, { auth_token: await tokenFor(`u${index}`, deny) }))
    for (const client of clients) client.send('SUB > 1\r\nPING\r\n')
    for (const client of clients) await client.until('PONG\r\n')
    const publishAll = async () => {
      for (const subject of ['a.open', 'a.secret', '_INBOX.k3f9.1', 'a.open']) publish(upstream, subject, 1)
      await settle()
    }
    const subjects = (text: string) => [...text.matchAll(/^MSG (\S+)/gm)].map(([, subject]) => subject)
    const all = ['a.open', 'a.secret', 'a.open']
    const open = ['a.open', 'a.open']
    await publishAll()
    const [first] = clients
    first?.send(`CONNECT ${JSON.stringify({ auth_token: await tokenFor('u0', ['a.secret']) })}\r\nPING\r\n`)
    expect(subjects((await first?.until('PONG\r\n')) ?? '')).toEqual(all)
    await publishAll()
    const received: unknown[] = []
    for (const client of clients) received.push(subjects(await client.turn()))
    expect(received).toEqual([open, [...open, ...open], [...all, ...all]])
  })
})

describe('a flush window', () => {
  const connected = async (bridge: ReturnType<typeof bridgeFor>['bridge']) => {
    const client = new ScriptedClient(bridge)
    client.send(subscribe)
    await client.until('PONG')
    return client
  }
  /** Fakes the timers of the hub only. */
  const fakeTimers = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const received = (client: ScriptedClient) => client.sends.splice(0).map((bytes) => new TextDecoder().decode(bytes))

  it('joins messages of several turns into one write', async () => {
    const { bridge, upstream } = bridgeFor({ flushWindow: 10 })
    const clients = [await connected(bridge), await connected(bridge)] as const
    fakeTimers()
    for (let turn = 0; turn < 3; turn++) {
      publish(upstream, 'a.b', 2)
      await settle()
      coreOf(bridge.hub).turn.flush()
    }
    expect(clients.map(({ sends }) => sends.length)).toEqual([0, 0])
    vi.advanceTimersByTime(10)
    expect(clients.map(({ sends }) => sends.length)).toEqual([1, 1])
    expect(clients[0].sends[0]).toBe(clients[1].sends[0])
    expect(received(clients[0])[0]?.match(/^MSG/gm)?.length).toBe(6)
  })

  it('keeps the order: an urgent frame also sends pending ones', async () => {
    const { bridge, upstream } = bridgeFor({ flushWindow: (filter) => (filter.startsWith('a.') ? 50 : 0) })
    const client = await connected(bridge)
    client.send('SUB now 2\r\nSUB _INBOX.x.> 3\r\n')
    await client.turn()
    fakeTimers()
    publish(upstream, 'a.b', 1)
    await settle()
    coreOf(bridge.hub).turn.flush()
    expect(client.sends).toEqual([])
    publish(upstream, 'now', 1)
    await settle()
    coreOf(bridge.hub).turn.flush()
    expect(received(client).join('')).toBe('MSG a.b 1 1\r\n0\r\nMSG now 2 1\r\n0\r\n')
    publish(upstream, 'a.b', 1)
    await settle()
    client.send('PING\r\n')
    expect(await client.turn()).toBe('MSG a.b 1 1\r\n0\r\nPONG\r\n')
    vi.advanceTimersByTime(50)
    expect(client.sends).toEqual([])
  })

  it('must be between 0 and 50 ms', () => {
    for (const flushWindow of [-1, 51, Number.NaN])
      expect(() => bridgeFor({ flushWindow })).toThrow(/flushWindow is .*\. It must be 0 to 50 ms/)
  })
})

describe('a WebSocket message of the Node host', () => {
  it('has the format of RFC 6455 at every size', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(65_535, 65_536, 70_000)), (size) => {
        const frame = allocateMessage(size, (length) => new Uint8Array(length))
        const view = new DataView(frame.buffer)
        expect(frame[0]).toBe(0x82)
        const length = frame[1] === 126 ? view.getUint16(2) : frame[1] === 127 ? Number(view.getBigUint64(2)) : frame[1]
        expect(length).toBe(size)
        const head = frame[1] === 126 ? 4 : frame[1] === 127 ? 10 : 2
        expect(frame.length).toBe(head + size)
      }),
    )
  })
})
