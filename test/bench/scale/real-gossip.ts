import { connect as connectNats } from 'nats'
import { type BridgeServer, serve } from '../../../bridge/hosts/node.ts'
import { ALIVE_SUBJECT, hubSubject } from '../../../bridge/presence/hub-message.ts'
import type { RawClient } from '../../conformance/edge-protocol/raw-client.ts'
import { connected } from '../../security/live-bridge.ts'
import { eventually } from '../../support/eventually.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { createRandom } from '../../support/seed.ts'
import { rootToken, SECRET } from '../../support/token.ts'
import { CURRENT, type GossipMessage, Room } from './room.ts'

/** Messages between hubs, by kind. */
export type GossipCounts = Record<GossipMessage['kind'], number>

/** Messages that real hubs published, and messages of the model. */
export interface GossipComparison {
  readonly real: GossipCounts
  readonly model: GossipCounts
}

const CHANNEL = 'room'
/** Id of the client that counts the messages, as a hub. */
const OBSERVER = 'observer'

/**
 * Lets clients of `hubs` real hubs join and leave one channel, `steps` times, at random. The model gets the same changes.
 * Each change is complete before the next one.
 */
export async function compareRoom(hubs: number, steps: number, seed: number): Promise<GossipComparison> {
  const random = createRandom(seed)
  await using real = await startHubs(hubs)
  const model: GossipCounts = { ask: 0, answer: 0, change: 0 }
  const room = new Room(CURRENT, ({ kind }) => {
    model[kind]++
  })
  const sum = (counts: GossipCounts) => counts.ask + counts.answer + counts.change
  const clients: Array<{ readonly hub: number; readonly client: RawClient }> = []
  for (let step = 0; step < steps; step++) {
    // Few members, so that hubs leave the channel and return.
    const leaves = clients.length > 0 && random() < clients.length / hubs
    const hub = leaves ? 0 : Math.floor(random() * hubs)
    const [leaving] = leaves ? clients.splice(Math.floor(random() * clients.length), 1) : []
    if (leaving) {
      leaving.client.terminate()
      room.leave(leaving.hub)
    } else {
      clients.push({ hub, client: await real.join(hub) })
      room.arrive(hub)
    }
    room.report(leaving?.hub ?? hub)
    await eventually(() => sum(real.counts) >= sum(model), {
      what: `${JSON.stringify(model)} after step ${step}. Messages: ${JSON.stringify(real.counts)}`,
    })
  }
  await real.settle([...room.hubs].length)
  for (const { client } of clients) client.terminate()
  return { real: real.counts, model }
}

/** Cuts all hubs of a channel from NATS at once. Returns the messages until each hub has all members again. */
export async function countOutage(hubs: number): Promise<number> {
  await using real = await startHubs(hubs)
  const clients = []
  for (let hub = 0; hub < hubs; hub++) clients.push(await real.join(hub))
  await eventually(() => real.counts.change >= hubs)
  await real.settle(hubs)
  const before = { ...real.counts }
  await real.cut()
  // Each hub publishes its members and asks the others.
  await eventually(() => real.counts.ask - before.ask >= hubs && real.counts.answer - before.answer >= hubs)
  await real.settle(hubs)
  for (const client of clients) client.terminate()
  return real.counts.ask - before.ask + real.counts.answer - before.answer
}

async function startHubs(count: number) {
  const rest = new AsyncDisposableStack()
  const nats = rest.use(await startNatsServer())
  const token = await rootToken()
  const proxies = await Promise.all(Array.from({ length: count }, () => startFaultProxy(nats.port)))
  for (const proxy of proxies) rest.use(proxy)
  const bridges: BridgeServer[] = []
  for (const { port } of proxies)
    bridges.push(rest.use(await serve({ upstream: `nats://127.0.0.1:${port}`, auth: { secret: SECRET } })))
  await Promise.all(bridges.map(({ bridge }) => bridge.hub.opened))
  const observer = await connectNats({ servers: nats.url })
  rest.defer(() => observer.close())
  const counts: GossipCounts = { ask: 0, answer: 0, change: 0 }
  observer.subscribe('$EDGE.HUBS.>', {
    callback(_, message) {
      if (message.subject === ALIVE_SUBJECT) return
      const fields = message.json<Record<string, unknown>>()
      if (fields.hub === OBSERVER) return
      if ('ask' in fields) counts.ask++
      else if ('members' in fields) counts.answer++
      else counts.change++
    },
  })
  await observer.flush()
  return {
    counts,
    async join(hub: number) {
      const client = await connected(bridges[hub] as BridgeServer, { auth_token: token })
      const join = JSON.stringify({ do: 'join', state: { n: hub } })
      client.send(`SUB $EDGE.PRESENCE.${CHANNEL} 1\r\nPUB $EDGE.PRESENCE.${CHANNEL} ${join.length}\r\n${join}\r\n`)
      return client
    },
    async cut() {
      for (const proxy of proxies) proxy.cut()
      await eventually(() => bridges.every(({ bridge }) => bridge.hub.upstreamOpen), { deadline: 20_000 })
    },
    /** Asks all hubs. Their answers follow everything that they have published. */
    async settle(followers: number) {
      const before = counts.answer
      observer.publish(hubSubject(CHANNEL), JSON.stringify({ hub: OBSERVER, ask: true }))
      await eventually(() => counts.answer >= before + followers, { what: `${followers} answers` })
      counts.answer -= followers
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  }
}
