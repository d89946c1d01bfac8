/** The bridge in memory behaves like every other transport, so that applications can rely on their tests. */

import { createBridge } from '../../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../../bridge/broker/embedded.ts'
import { createNetwork } from '../../bridge/testing/network.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { transportConformance } from './transport.ts'

const denied = { allow: ['>'], deny: ['denied.>'] }

transportConformance('webSocket against the test bridge’s network', async () => {
  const upstream = createEmbeddedUpstream()
  const bridge = createBridge({ upstream, auth: { anonymous: { publish: denied, subscribe: denied } } })
  const network = createNetwork(
    (socket) => bridge.hub.open(socket),
    () => {},
  )
  const backoff = { first: 20, longest: 50 }
  return {
    connect: (options = {}) =>
      webSocket({ url: 'ws://test.invalid/nats', openSocket: network.dial, backoff, via: 'websocket', ...options }),
    network: { down: network.down, up: network.heal, swallow: network.partition },
    async [Symbol.asyncDispose]() {
      bridge.close()
      await upstream.close()
    },
  }
})
