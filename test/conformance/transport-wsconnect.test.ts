import { wsconnect } from '@nats-io/nats-core'
import { fromNats } from '../../sdk/nats.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { transportConformance } from './transport.ts'

// In a file of its own: @nats-io keeps its way to connect global to the process, so after this TCP clients use it too.
const config = `authorization { users: [ { user: u, password: p, permissions: {
  publish: { allow: ">", deny: "denied.>" }, subscribe: { allow: ">", deny: "denied.>" } } } ] }`

transportConformance('fromNats(@nats-io/nats-core wsconnect)', async () => {
  const server = await startNatsServer({ config })
  const proxy = await startFaultProxy(server.wsPort)
  return {
    connect: async (options) =>
      fromNats(
        await wsconnect({
          servers: `ws://127.0.0.1:${proxy.port}`,
          user: 'u',
          pass: 'p',
          maxReconnectAttempts: -1,
          reconnectTimeWait: 50,
          reconnectJitter: 0,
        }),
        options,
      ),
    network: {
      down() {
        proxy.refuse()
        proxy.cut()
      },
      up() {
        proxy.resume()
        proxy.accept()
      },
      swallow: () => proxy.pause(),
    },
    async [Symbol.asyncDispose]() {
      await proxy.close()
      await server[Symbol.asyncDispose]()
    },
  }
})
