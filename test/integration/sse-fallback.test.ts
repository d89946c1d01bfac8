import { afterEach, expect, it, vi } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { webSocket } from '../../sdk/transport/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

afterEach(() => vi.unstubAllGlobals())

/** As a network does that lets no WebSocket through: the dial fails, and nothing says why. */
function blockWebSockets() {
  let dials = 0
  vi.stubGlobal(
    'WebSocket',
    class {
      onclose: ((event: object) => void) | null = null
      constructor() {
        dials++
        setTimeout(() => this.onclose?.({ code: 1006, reason: '' }))
      }
      close() {}
    },
  )
  return { dials: () => dials }
}

it('where WebSockets are blocked the client goes around by itself, and remembers it', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  const blocked = blockWebSockets()
  const options = { url: server.url, token: rootToken, backoff: { first: 5, longest: 10 } }
  const transport = webSocket(options)
  const seen: number[] = []
  await transport.subscribe('a', { message: ({ payload }) => seen.push(payload[0] as number), ended() {} }).ready
  await transport.publish('a', Uint8Array.of(7))
  await eventually(() => seen.length === 1)
  expect(blocked.dials()).toBe(2)
  await transport.close()
})

it('a client that is told to use WebSockets, or whose bridge is away, does not', async () => {
  await using nats = await startNatsServer()
  await using server = await serve({ upstream: nats.url, auth: { secret: SECRET } })
  const blocked = blockWebSockets()
  const transport = webSocket({
    url: server.url,
    via: 'websocket',
    token: rootToken,
    backoff: { first: 5, longest: 10 },
  })
  await eventually(() => blocked.dials() > 4)
  expect(transport.status.state).toBe('connecting')
  await transport.close()
})
