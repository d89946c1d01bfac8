import { serve } from '../../bridge/hosts/node.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { createToken, SECRET } from '../support/token.ts'
import { behindProxy } from './behind-proxy.ts'
import { transportConformance } from './transport.ts'

const rules = { allow: ['>'], deny: ['denied.>'] }
const token = () => createToken({ pub: rules, subscribe: rules })

transportConformance('sse against the bridge', async () => {
  const server = await startNatsServer({ jetstream: true })
  const bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  return behindProxy(
    bridge.port,
    (address, options) =>
      webSocket({ url: `http://${address}`, via: 'sse', token, backoff: { first: 50, longest: 200 }, ...options }),
    async () => {
      await bridge.close()
      await server[Symbol.asyncDispose]()
    },
  )
})
