import { connect as connectCore } from '@nats-io/transport-node'
import { connect as connectNats } from 'nats'
import { connect as connectNatsWs } from 'nats.ws'
import { serve } from '../../bridge/hosts/node.ts'
import { http } from '../../sdk/transport/http/index.ts'
import { fromNats, type NatsConnectionLike, nats } from '../../sdk/transport/nats/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { createToken, SECRET } from '../support/token.ts'
import { behindProxy, type Options } from './behind-proxy.ts'
import { type TransportFixture, transportConformance } from './transport.ts'

const backoff = { first: 50, longest: 200 }
const config = `authorization { users: [ { user: u, password: p, permissions: {
  publish: { allow: ">", deny: "denied.>" }, subscribe: { allow: ">", deny: "denied.>" } } } ] }`
const denied = { allow: ['>'], deny: ['denied.>'] }

/** A nats-server behind a proxy that simulates network faults. */
async function plain(
  kind: 'port' | 'wsPort',
  connect: (address: string, options?: Options) => Transport | Promise<Transport>,
): Promise<TransportFixture> {
  const server = await startNatsServer({ config, jetstream: true })
  return behindProxy(server[kind], connect, () => server[Symbol.asyncDispose]())
}

/** Wraps an existing connection. */
const adopted =
  (dial: (options: object) => Promise<NatsConnectionLike>) => async (servers: string, options?: Options) =>
    fromNats(
      await dial({
        servers,
        user: 'u',
        pass: 'p',
        maxReconnectAttempts: -1,
        reconnectTimeWait: 50,
        reconnectJitter: 0,
      }),
      options,
    )

async function startBridge() {
  const server = await startNatsServer({ jetstream: true })
  const bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  const stop = async () => {
    await bridge.close()
    await server[Symbol.asyncDispose]()
  }
  return { bridge, stop, token: () => createToken({ pub: denied, subscribe: denied }) }
}

transportConformance('webSocket against nats-server', () =>
  plain('wsPort', (address, options) =>
    webSocket({ url: `ws://${address}`, user: 'u', pass: 'p', backoff, ...options }),
  ),
)

transportConformance('webSocket against the bridge', async () => {
  const { bridge, stop, token } = await startBridge()
  return behindProxy(
    bridge.port,
    (address, options) => webSocket({ url: `http://${address}`, token, backoff, ...options }),
    stop,
  )
})

transportConformance(
  'http against the bridge',
  async () => {
    const { bridge, stop, token } = await startBridge()
    return {
      connect: () => http({ url: bridge.url, token }),
      connectReceiver: () => webSocket({ url: bridge.url, token, backoff }),
      [Symbol.asyncDispose]: stop,
    }
  },
  false,
)

transportConformance('nats:// by the package nats', () =>
  plain('port', (address, options) => nats({ url: `nats://u:p@${address}`, ...options })),
)

transportConformance('fromNats(nats)', () => plain('port', adopted(connectNats)))
transportConformance('fromNats(@nats-io/transport-node)', () => plain('port', adopted(connectCore)))
transportConformance('fromNats(nats.ws)', () =>
  plain('wsPort', (address, options) => adopted(connectNatsWs)(`ws://${address}`, options)),
)
