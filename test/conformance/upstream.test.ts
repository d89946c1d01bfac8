import { createEmbeddedBroker } from '../../bridge/broker/embedded.ts'
import { createUpstream } from '../../bridge/hosts/upstream-url.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { upstreamConformance } from './upstream.ts'

upstreamConformance('embedded', async () => {
  const broker = createEmbeddedBroker()
  return { connect: () => broker.connect(), [Symbol.asyncDispose]: async () => {} }
})

for (const [name, address] of [
  ['nats over TCP', 'url'],
  ['nats over WebSocket', 'wsUrl'],
] as const) {
  upstreamConformance(name, async () => {
    const server = await startNatsServer()
    return {
      connect: () => createUpstream(server[address]),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  })
}
