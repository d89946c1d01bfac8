import { wsconnect } from '@nats-io/nats-core'
import { fromNats } from '../../sdk/transport/nats/index.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { behindProxy } from './behind-proxy.ts'
import { transportConformance } from './transport.ts'

// A separate file, because the transport of @nats-io is global to the process: TCP clients would use WebSocket.
const config = `authorization { users: [ { user: u, password: p, permissions: {
  publish: { allow: ">", deny: "denied.>" }, subscribe: { allow: ">", deny: "denied.>" } } } ] }`

transportConformance('fromNats(@nats-io/nats-core wsconnect)', async () => {
  const server = await startNatsServer({ config, jetstream: true })
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
