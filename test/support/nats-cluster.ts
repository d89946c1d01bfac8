import { freePort } from '../../demo/setup/free-port.ts'
import { type NatsServer, startNatsServer } from './nats-server.ts'

/** Three real nats-servers with JetStream that are one cluster, on loopback. */
export interface NatsCluster {
  readonly nodes: readonly NatsServer[]
  /** All of them, as one upstream address. */
  readonly url: string
  /** The node that leads a stream now; undefined while there is none. */
  leaderOf(stream: string): Promise<NatsServer | undefined>
  /** Questions that JetStream was asked, on all nodes, since each was started. */
  apiRequests(): Promise<number>
  [Symbol.asyncDispose](): Promise<void>
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
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(','),
    async leaderOf(stream) {
      for (const node of nodes) {
        const known = await ask(node, 'jsz?streams=true&accounts=true').catch(() => undefined)
        const streams = JSON.stringify(known?.account_details ?? []).split('"name":"')
        const own = streams.find((text) => text.startsWith(`${stream}"`))
        const leader = own && /"leader":"n(\d)"/.exec(own)?.[1]
        if (leader !== undefined) return nodes[Number(leader)]
      }
      return undefined
    },
    async apiRequests() {
      const totals = await Promise.all(
        nodes.map(
          async (node) => ((await ask(node, 'jsz').catch(() => ({}))) as { api?: { total?: number } }).api?.total ?? 0,
        ),
      )
      return totals.reduce((sum, total) => sum + total, 0)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
    },
  }
}
