import { wsconnect } from '@nats-io/nats-core'
import { fromNats } from '../../sdk/transport/nats/index.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { behindProxy } from './behind-proxy.ts'
import { transportConformance } from './transport.ts'

// In a file of its own: @nats-io keeps its way to connect global to the process, so after this TCP clients use it too.
const config = `authorization { users: [ { user: u, password: p, permissions: {
  publish: { allow: ">", deny: "denied.>" }, subscribe: { allow: ">", deny: "denied.>" } } } ] }`

transportConformance('fromNats(@nats-io/nats-core wsconnect)', async () => {
  const server = await startNatsServer({ config })
  const dial = (address: string) =>
    wsconnect({
      servers: `ws://${address}`,
      user: 'u',
      pass: 'p',
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      reconnectJitter: 0,
    })
  return behindProxy(
    server.wsPort,
    async (address, options) => fromNats(await dial(address), options),
    () => server[Symbol.asyncDispose](),
  )
})
