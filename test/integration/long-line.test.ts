import { expect, it } from 'vitest'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'

const LONG = 'a'.repeat(5_000)
const utf8 = (text: string) => new TextEncoder().encode(text)

it('a subject over 4,096 bytes costs its own operation, not the connection', { timeout: 30_000 }, async () => {
  await using nats = await startNatsServer()
  const client = webSocket({ url: nats.wsUrl, backoff: { first: 10 } })
  const received = Promise.withResolvers<string>()
  const ended = Promise.withResolvers<Error>()
  client.subscribe('b', {
    message: ({ payload }) => received.resolve(new TextDecoder().decode(payload)),
    ended: received.reject,
  })
  await client.flush()

  const subscription = client.subscribe(LONG, { message: () => {}, ended: ended.resolve })
  expect(await ended.promise).toMatchObject({ code: 'payload-too-large' })
  await expect(subscription.ready).rejects.toMatchObject({ code: 'payload-too-large' })
  // The server closes the connection for it. The client makes another one, and keeps the subscription to b.
  await eventually(() => client.flush().then(() => true))

  await expect(client.publish(LONG, utf8('x'))).rejects.toMatchObject({ code: 'payload-too-large' })
  await eventually(() => client.publish('b', utf8('works')).then(() => true))
  expect(await received.promise).toBe('works')
  await client.close()
})
