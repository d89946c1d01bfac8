import { connect as connectNats, Events } from 'nats'
import { connect, webSocket } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import type { NatsCluster } from '../support/nats-cluster.ts'
import { clusterEvents } from './cluster-contract.ts'
import type { Fleet } from './fleet.ts'

/** Time for the acknowledgement of a published event, in ms. */
const PATIENCE = 120_000

/** Publishes numbered events at a steady rate: streamed ones through the bridges, the others to NATS directly. */
export async function startFlow(cluster: NatsCluster, fleet: Fleet, token: string, rate: number) {
  const publisher = connect({
    transport: webSocket({
      url: fleet.urls[0] ?? '',
      token: () => token,
      via: 'websocket',
      backoff: { first: 100, longest: 2_000 },
      pingInterval: 2_000,
      offline: { maxMessages: 100_000 },
      openSocket: () =>
        new WebSocket(`${fleet.urls[Math.floor(Math.random() * fleet.urls.length)]?.replace('http', 'ws')}/nats`),
    }),
    events: clusterEvents,
  })
  const direct = await connectToNats(cluster)
  const acknowledged: number[] = []
  const rejected: Record<string, number> = {}
  const underway = new Set<Promise<void>>()
  let n = 0
  let seq = 0
  const publish = () => {
    const number = ++n
    const done = publisher
      .publish('chaos.{id}', { id: `${number % 5}` }, { n: number }, { timeout: PATIENCE })
      .then((stored) => {
        acknowledged.push(number)
        seq = Math.max(seq, stored.seq)
      })
      .catch((error: Error) => {
        rejected[error.message] = (rejected[error.message] ?? 0) + 1
      })
      .finally(() => underway.delete(done))
    underway.add(done)
    direct.publish((n) => [`live.${n % 5}`, JSON.stringify({ n })])
  }
  let ticker: ReturnType<typeof setInterval> | undefined = setInterval(publish, 1_000 / rate)
  return {
    acknowledged,
    rejected,
    rate,
    get live() {
      return direct.published
    },
    get unconfirmed() {
      return direct.unconfirmed
    },
    /** Highest sequence that is acknowledged. */
    get seq() {
      return seq
    },
    /** Waits for the acknowledgement of an event that is published from now on. Returns its sequence. */
    async next(): Promise<number> {
      const from = n
      await eventually(() => acknowledged.some((number) => number > from), { deadline: PATIENCE, what: 'a publish' })
      return seq
    },
    async stop(): Promise<void> {
      if (!ticker) return
      clearInterval(ticker)
      ticker = undefined
      await Promise.allSettled([...underway])
      await Promise.all([publisher.close(), direct.close()])
    },
  }
}

/**
 * A publisher of numbered messages at NATS itself. It publishes only with a connection. A message that is not confirmed may
 * be lost before it reaches NATS.
 */
async function connectToNats(cluster: NatsCluster) {
  const servers = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`)
  const connection = await connectNats({
    servers,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    pingInterval: 1_000,
  })
  let isConnected = true
  let published = 0
  let confirmed = 0
  void (async () => {
    for await (const { type } of connection.status()) {
      if (type === Events.Disconnect) isConnected = false
      if (type === Events.Reconnect) isConnected = true
    }
  })()
  return {
    get published() {
      return published
    },
    get unconfirmed() {
      return published - confirmed
    },
    publish(encode: (n: number) => [subject: string, payload: string]) {
      if (!isConnected) return
      connection.publish(...encode(++published))
      connection.flush().then(
        () => confirmed++,
        () => {},
      )
    },
    close: () => connection.close(),
  }
}
