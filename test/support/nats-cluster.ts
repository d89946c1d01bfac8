import { freePort } from '../../demo/setup/free-port.ts'
import { type NatsServer, startNatsServer } from './nats-server.ts'

/** Three real nats-servers with JetStream that are one cluster, on loopback. */
export interface NatsCluster {
  readonly nodes: readonly NatsServer[]
  /** All of them, as one upstream address. */
  readonly url: string
  /** The node that leads a stream now; undefined while there is none. */
  leaderOf(stream: string): Promise<NatsServer | undefined>
  /** Ends a node; its `restart` brings it back. */
  stop(node: NatsServer): Promise<void>
  /** Questions that JetStream was asked, on all nodes, as far as they were counted when one was ended. */
  apiRequests(): Promise<number>
  [Symbol.asyncDispose](): Promise<void>
}

/** What `/jsz` says, as far as it is read. */
interface Accounts {
  readonly account_details?: ReadonlyArray<{
    readonly stream_detail?: ReadonlyArray<{ readonly name: string; readonly cluster?: { readonly leader?: string } }>
  }>
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
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(','),
    async leaderOf(stream) {
      for (const node of nodes) {
        const known = (await ask(node, 'jsz?streams=true&accounts=true').catch(() => ({}))) as Accounts
        for (const { stream_detail = [] } of known.account_details ?? []) {
          const leader = stream_detail.find(({ name }) => name === stream)?.cluster?.leader
          if (leader !== undefined) return nodes[Number(leader.slice(1))]
        }
      }
      return undefined
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
