import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { type Transport, webSocket } from '../../sdk/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { type NatsServer, startNatsServer } from './nats-server.ts'
import { rootToken, SECRET } from './token.ts'

/** A nats-server, a bridge in front of it, and a bridge with the embedded broker. */
export interface BrokerStack extends AsyncDisposable {
  readonly server: NatsServer
  readonly bridge: BridgeServer
  readonly embedded: BridgeServer
  /** A token with all permissions. */
  readonly token: string
}

export async function startBrokerStack(options: { readonly jetstream: boolean }): Promise<BrokerStack> {
  await using started = new AsyncDisposableStack()
  const open = async (upstream: string) =>
    started.adopt(await serve({ upstream, auth: { secret: SECRET } }), (bridge) => bridge.close())
  const server = started.use(await startNatsServer(options))
  const [embedded, bridge, token] = [await open('embedded'), await open(server.url), await rootToken()]
  const all = started.move()
  return { server, bridge, embedded, token, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Ways to a broker, by name. Each call of one opens a connection. */
export function targetsOf(stack: () => BrokerStack): Record<string, () => Transport> {
  return {
    'nats-server by TCP': () => nats({ url: stack().server.url }),
    'nats-server through a bridge': () => webSocket({ url: stack().bridge.url, token: stack().token }),
    'the embedded broker': () => webSocket({ url: stack().embedded.url, token: stack().token }),
  }
}
