import { freePort } from '../../demo/setup/free-port.ts'
import { type NatsServer, startNatsServer } from './nats-server.ts'

/** A cluster of three real nats-servers with JetStream, on loopback. */
export interface NatsCluster {
  readonly nodes: readonly NatsServer[]
  /** Addresses of all nodes, as the URL of an upstream. */
  readonly url: string
  /** The current leader of a stream. Undefined during an election. */
  leaderOf(stream: string): Promise<NatsServer | undefined>
  /** Whether a stream has a leader and all replicas have its messages. */
  isCurrent(stream: string): Promise<boolean>
  /** Stops a node. Its `restart` starts it again. */
  stop(node: NatsServer): Promise<void>
  /** Number of JetStream API requests on all nodes. Requests shortly before the end of a node may be missing. */
  apiRequests(): Promise<number>
  [Symbol.asyncDispose](): Promise<void>
}

/** The members of `/jsz` that are read. */
interface Accounts {
  readonly account_details?: ReadonlyArray<{
    readonly stream_detail?: ReadonlyArray<{ readonly name: string; readonly cluster?: RaftGroup }>
  }>
}

interface RaftGroup {
  readonly leader?: string
  readonly replicas?: ReadonlyArray<{ readonly current: boolean }>
}

export async function startNatsCluster(): Promise<NatsCluster> {
  const ports = await Promise.all([freePort(), freePort(), freePort()])
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ')
  const nodes = await Promise.all(
    ports.map((port, index) =>
      startNatsServer({
        jetstream: true,
        config: `server_name: n${index}\ncluster { name: chaos, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
      }),
    ),
  )
  const ask = async (node: NatsServer, path: string) => {
    const answer = await fetch(`${node.monitorUrl}/${path}`, { signal: AbortSignal.timeout(1_000) })
    return (await answer.json()) as Record<string, unknown>
  }
  const requestsAt = async (node: NatsServer) =>
    ((await ask(node, 'jsz').catch(() => ({}))) as { api?: { total?: number } }).api?.total ?? 0
  let ended = 0
  /** The Raft group of a stream, as a node knows it. */
  const groupAt = async (node: NatsServer, stream: string) => {
    const known = (await ask(node, 'jsz?streams=true&accounts=true').catch(() => ({}))) as Accounts
    const details = known.account_details?.flatMap(({ stream_detail = [] }) => stream_detail)
    return details?.find(({ name }) => name === stream)?.cluster
  }
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(','),
    async leaderOf(stream) {
      for (const node of nodes) {
        const leader = (await groupAt(node, stream))?.leader
        if (leader !== undefined) return nodes[Number(leader.slice(1))]
      }
      return undefined
    },
    async isCurrent(stream) {
      // Only the leader knows which replicas are current.
      const groups = await Promise.all(nodes.map((node) => groupAt(node, stream)))
      const led = groups.find((group, index) => group?.leader === `n${index}`)
      return led?.replicas?.length === nodes.length - 1 && led.replicas.every(({ current }) => current)
    },
    async stop(node) {
      ended += await requestsAt(node)
      await node.stop()
    },
    async apiRequests() {
      const totals = await Promise.all(nodes.map(requestsAt))
      return totals.reduce((sum, total) => sum + total, ended)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
    },
  }
}
