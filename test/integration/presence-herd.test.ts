/** Presence in the SDK over two bridges on one real nats-server. One bridge is killed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { type Bus, connect, defineEvents, type Presence } from '../../sdk/index.ts'
import { connected } from '../security/live-bridge.ts'
import { eventually } from '../support/eventually.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { type HostProcess, startHost } from '../support/process-host.ts'
import { createToken, SECRET } from '../support/token.ts'

const events = defineEvents({})
const allow = ['$EDGE.PRESENCE.room', '$EDGE.PRESENCE.crowd']
const backoff = { first: 20, longest: 100 }

describe('presence over two bridges', () => {
  let nats: NatsServer
  let hosts: HostProcess[]
  const buses: Bus<typeof events>[] = []
  const open = async (url: string, sub: string) => {
    const bus = connect({
      url,
      events,
      backoff,
      token: await createToken({ sub, pub: { allow }, subscribe: { allow } }),
    })
    buses.push(bus)
    return bus
  }
  const users = ({ members }: Presence) => [...members.values()].map(({ user }) => user).sort()
  const shows = (presence: Presence, ...expected: string[]) =>
    eventually(() => users(presence).join() === expected.join(), { what: expected.join() })

  beforeAll(async () => {
    nats = await startNatsServer()
    const options = { upstream: nats.url, auth: { secret: SECRET } }
    hosts = await Promise.all([startHost('node', options), startHost('node', options)])
  })
  afterAll(async () => {
    await Promise.all(buses.map((bus) => bus.close()))
    await Promise.all(hosts.map((host) => host.stop()))
    await nats[Symbol.asyncDispose]()
  })

  it('all members receive joins, states, signals, reconnects, leaves and closes', async () => {
    const [first, second] = hosts.map(({ url }) => url) as [string, string]
    await using proxy = await startFaultProxy(Number(new URL(first).port))
    const [ada, bob, eve] = [
      await open(`http://127.0.0.1:${proxy.port}`, 'ada'),
      await open(second, 'bob'),
      await open(second, 'eve'),
    ]
    const at = await Promise.all([ada, bob, eve].map((bus) => bus.presence('room')))
    const [atAda, atBob, atEve] = at as [Presence, Presence, Presence]
    const seen: string[] = []
    atBob.subscribe(({ joined, left }) => {
      for (const { user, state } of joined) seen.push(`+${user} ${JSON.stringify(state)}`)
      for (const { user } of left) seen.push(`-${user}`)
    })
    await atAda.join({ mood: 'fine' })
    await atBob.join()
    for (const one of at) await shows(one, 'ada', 'bob')
    expect(atBob.members.get(atBob.self)?.user).toBe('bob')
    await atAda.join({ mood: 'better' })
    await eventually(() => seen.includes('+ada {"mood":"better"}'))
    const heard: string[] = []
    atEve.onSignal(({ member, data }) => heard.push(`${member?.user} ${data}`))
    await atBob.signal('types')
    await eventually(() => heard.includes('bob types'))
    // A signal right after a join names its member, although the join is reported later.
    const cat = await (await open(first, 'cat')).presence('room')
    await cat.join()
    await cat.signal('here')
    await eventually(() => heard.includes('cat here'), { what: `the cat. Received: ${heard}` })
    cat.close()
    await expect(atEve.signal('ghost')).rejects.toMatchObject({ code: 'permission-denied' })
    const before = atAda.self
    proxy.cut()
    await eventually(() => atAda.self !== before, { what: 'another connection' })
    for (const one of at) await shows(one, 'ada', 'bob')
    await eventually(() => [...atEve.members.values()].some(({ id }) => id === atAda.self))
    await atBob.leave()
    for (const one of at) await shows(one, 'ada')
    await ada.close()
    await shows(atEve)
    atEve.close()
    await expect(eve.presence('secret')).rejects.toMatchObject({ code: 'permission-denied' })
    await expect(eve.presence('a.*')).rejects.toMatchObject({ code: 'invalid-argument' })
  }, 30_000)

  it('members are complete again after an outage of NATS', async () => {
    const [first, second] = hosts.map(({ url }) => url) as [string, string]
    const [ada, bob] = [await open(first, 'ada'), await open(second, 'bob')]
    const [atAda, atBob] = [await ada.presence('room'), await bob.presence('room')]
    await atAda.join()
    await shows(atBob, 'ada')
    await nats.stop()
    await eventually(() => bob.status.current.state !== 'open')
    atBob.join().catch(() => {})
    await nats.restart()
    for (const one of [atAda, atBob])
      await eventually(() => users(one).join() === 'ada,bob', { what: 'both', deadline: 20_000 })
    await ada.close()
    await bob.close()
  }, 40_000)

  it.each(['without', 'with'])(
    'removes a member that left during an outage of another bridge, %s another watcher',
    async (watcher) => {
      const [first] = hosts.map(({ url }) => url) as [string]
      await using proxy = await startFaultProxy(nats.port)
      await using cut = await serve({ upstream: `nats://127.0.0.1:${proxy.port}`, auth: { secret: SECRET } })
      await cut.bridge.hub.opened
      const [ada, bob, eve] = [await open(first, 'ada'), await open(first, 'bob'), await open(cut.url, 'eve')]
      // Ada's bridge stays known, as it has a member in another channel. It drops channels without members and watchers.
      await (await bob.presence('crowd')).join()
      const watching = watcher === 'with' ? await bob.presence('room') : undefined
      const [atAda, atEve] = [await ada.presence('room'), await eve.presence('room')]
      await atAda.join()
      await shows(atEve, 'ada')
      proxy.refuse()
      proxy.cut()
      await eventually(() => !cut.bridge.hub.upstreamOpen)
      const atNats = await connected(nats.wsUrl, {})
      await atNats.exchange('SUB $EDGE.HUBS.PRESENCE.room 1\r\n')
      await atAda.leave()
      await ada.close()
      for (let told = await atNats.next(); told && !told.payload?.includes('"left":["'); told = await atNats.next());
      atNats.terminate()
      if (watching) await shows(watching)
      proxy.accept()
      await eventually(() => cut.bridge.hub.upstreamOpen)
      // After Ada's bridge is known again, and was queried.
      await eventually(() => users(atEve).join() === '', { what: 'the end of Ada' })
      await Promise.all([bob.close(), eve.close()])
    },
    40_000,
  )

  it('members of a killed bridge disappear within 30 s', async () => {
    const options = { upstream: nats.url, auth: { secret: SECRET } }
    const doomed = await startHost('node', options)
    const [ada, eve] = [await open(doomed.url, 'ada'), await open((hosts[1] as HostProcess).url, 'eve')]
    const [atAda, atEve] = [await ada.presence('crowd'), await eve.presence('crowd')]
    await atAda.join()
    await atEve.join()
    await shows(atEve, 'ada', 'eve')
    doomed.kill()
    await eventually(() => users(atEve).join() === 'eve', { what: 'the end of its members', deadline: 30_000 })
    await ada.close()
  }, 60_000)

  it('needs a bridge', async () => {
    const bus = connect({ url: nats.wsUrl, events, backoff })
    await expect(bus.presence('room')).rejects.toMatchObject({ code: 'unsupported' })
    await bus.close()
    await using server = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    const there = await open(server.url, 'ada')
    const presence = await there.presence('room')
    await presence.join(1)
    await shows(presence, 'ada')
    await there.close()
  }, 20_000)
})
