import { serve } from '../../../bridge/hosts/node.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'
import { AUDIT_SECRET, bridgeCredentials } from '../edge-protocol/targets.ts'
import { type StockClient, type StockOptions, serverSideClient, stockClients } from './stock-client.ts'

type Credentials = Pick<StockOptions, 'token' | 'user' | 'pass'>

/** An endpoint for clients under test, and the nats-server behind it. */
export interface ClientEndpoint {
  readonly url: string
  readonly full: Credentials
  /** May publish to `ok.>` and subscribe to `ok.>`. */
  readonly limited: Credentials
  readonly wrong: Credentials
  /** The client on the nats-server itself, and its options. */
  readonly peerClient: StockClient
  readonly peer: StockOptions
  /** Resets all connections of clients. */
  cut(): void
  /** Restarts nats-server. */
  restart(): Promise<void>
  close(): Promise<void>
}

export async function natsServerEndpoint(): Promise<ClientEndpoint> {
  const server = await startNatsServer({
    jetstream: true,
    config: `authorization { users: [
      { user: full, password: full }
      { user: limited, password: limited, permissions: { publish: ["ok.>"], subscribe: ["ok.>", "_INBOX.>"] } }
    ] }`,
  })
  const full = { user: 'full', pass: 'full' }
  return {
    ...(await behindProxy(server.wsPort, server, () => server[Symbol.asyncDispose]())),
    full,
    limited: { user: 'limited', pass: 'limited' },
    wrong: { user: 'full', pass: 'wrong' },
    peerClient: serverSideClient,
    peer: { servers: server.url, ...full },
  }
}

/** @param upstream which listener of nats-server the bridge uses */
export async function nodeBridgeEndpoint(upstream: 'url' | 'wsUrl' = 'url'): Promise<ClientEndpoint> {
  const server = await startNatsServer({ jetstream: true })
  const bridge = await serve({ upstream: server[upstream], auth: { secret: AUDIT_SECRET } })
  await bridge.bridge.hub.opened
  const { full, limited, wrong } = await bridgeCredentials()
  const close = async () => {
    await bridge.close()
    await server[Symbol.asyncDispose]()
  }
  return {
    ...(await behindProxy(bridge.port, server, close)),
    full: { token: full.auth_token ?? '' },
    limited: { token: limited.auth_token ?? '' },
    wrong: { token: wrong.auth_token ?? '' },
    peerClient: serverSideClient,
    peer: { servers: server.url },
  }
}

/** A bridge with the embedded broker. The other side is also a client of the bridge. */
export async function embeddedBridgeEndpoint(): Promise<ClientEndpoint> {
  const bridge = await serve({ upstream: 'embedded', auth: { secret: AUDIT_SECRET } })
  const { full, limited, wrong } = await bridgeCredentials()
  const [peerClient] = stockClients
  if (!peerClient) throw new Error('The other side has no client.')
  const proxied = await behindProxy(bridge.port, undefined, () => bridge.close())
  return {
    ...proxied,
    // The broker ends with the process. Clients see a cut connection.
    restart: async () => proxied.cut(),
    full: { token: full.auth_token ?? '' },
    limited: { token: limited.auth_token ?? '' },
    wrong: { token: wrong.auth_token ?? '' },
    peerClient,
    peer: { servers: `ws://127.0.0.1:${bridge.port}/nats`, token: full.auth_token ?? '' },
  }
}

async function behindProxy(port: number, server: NatsServer | undefined, close: () => Promise<void>) {
  const proxy = await startFaultProxy(port)
  return {
    // nats-server accepts any path.
    url: `ws://127.0.0.1:${proxy.port}/nats`,
    cut: () => proxy.cut(),
    restart: async () => server?.restart(),
    async close() {
      await proxy.close()
      await close()
    },
  }
}
