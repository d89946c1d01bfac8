import { eventually } from '../../support/eventually.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { startHost } from '../../support/process-host.ts'
import { memoryOf } from '../process-figures.ts'
import { auth, costOf, type Note, openClient } from './measuring.ts'
import { publication, RawNats } from './raw-nats.ts'

/** Measures the messages about presence between hubs. */
export async function gossip(note: Note): Promise<void> {
  await using nats = await startNatsServer()
  const host = await startHost('node', { upstream: nats.url, auth })
  const member = (hub: number, id: number) => ({
    id: `${String(hub).padStart(8, '0')}-0000-4000-8000-000000000000.${id}`,
    user: `user-${id}`,
    state: { name: 'A name of some length', at: id },
  })
  const others = await RawNats.open(nats.url)
  const say = (news: object) => publication('$EDGE.HUBS.PRESENCE.room', JSON.stringify(news))
  const hubOf = (i: number) => `${String(i).padStart(8, '0')}-0000-4000-8000-000000000000`
  // One member, so that the hub follows the channel, without a watcher.
  const { state } = await openClient(
    host.url,
    publication('$EDGE.PRESENCE.room', JSON.stringify({ do: 'join', state: { name: 'A name', at: 1 } })),
  )
  const through = async () => {
    await others.flush()
    // An answer of the hub shows that it has processed everything before.
    others.send('SUB $EDGE.HUBS.PRESENCE.room 1\r\n')
    await others.flush()
    const from = others.received
    others.send(say({ hub: hubOf(9_999), ask: true }))
    // The question itself, and its answer.
    await eventually(() => others.received >= from + 2, { deadline: 60_000, what: 'the answer of the hub' })
    others.send('UNSUB 1\r\n')
  }
  const HUBS = 40
  const PER_HUB = 500
  const pages = Array.from({ length: HUBS }, (_, hub) =>
    say({ hub: hubOf(hub), n: 1, part: 0, members: Array.from({ length: PER_HUB }, (_, id) => member(hub, id)) }),
  )
  note('member in JSON', (pages[0]?.length ?? 0) / PER_HUB, 'B')
  const memory = memoryOf([host.pid])
  await through()
  for (const page of pages) others.send(page)
  await through()
  note('member of another hub, in memory', (memoryOf([host.pid]) - memory) / HUBS / PER_HUB, 'B')
  const repeat = async (times: number, messages: readonly string[]) => {
    for (let i = 0; i < times; i++) {
      for (const message of messages) others.send(message)
      await others.flush()
    }
    await through()
  }
  note('member in a page, received', await costOf([host.pid], HUBS * PER_HUB * 20, () => repeat(20, pages)), 'µs')
  await repeat(
    1,
    Array.from({ length: HUBS }, (_, hub) => say({ hub: hubOf(hub), n: 1, part: 0, members: [] })),
  )
  let n = 1
  const changes = (count: number) =>
    Array.from({ length: count }, (_, i) => say({ hub: hubOf(0), n: ++n, joined: [member(0, i % 20)], left: [] }))
  await repeat(1, changes(2_000))
  const CHANGES = 20_000
  note('change of one member, received', await costOf([host.pid], CHANGES, () => repeat(1, changes(CHANGES))), 'µs')
  const asks = Array.from({ length: 10_000 }, () => say({ hub: hubOf(0), ask: true }))
  note('request for all members, answered with one', await costOf([host.pid], 10_000, () => repeat(1, asks)), 'µs')
  await Promise.all(
    Array.from({ length: 499 }, (_, i) =>
      openClient(
        host.url,
        publication(
          '$EDGE.PRESENCE.room',
          JSON.stringify({ do: 'join', state: { name: 'A name of some length', at: i } }),
        ),
      ),
    ),
  )
  note(
    'request for all members, answered with 500',
    await costOf([host.pid], 500, () => repeat(1, asks.slice(0, 500))),
    'µs',
  )
  const alive = Array.from({ length: 50_000 }, (_, i) => publication('$EDGE.HUBS.ALIVE', hubOf(i % 100)))
  note('alive message, received', await costOf([host.pid], 50_000, () => repeat(1, alive)), 'µs')
  if (state.messages > 0) throw new Error('A client without a subscription received messages.')
  others.close()
  await host.stop()
}
