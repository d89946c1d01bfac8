/** The fallback for blocked WebSockets, on every runtime of the bridge. */
import { describe, expect, it } from 'vitest'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { startHost } from '../support/process-host.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'

describe.each(['bun', 'deno', 'node'] as const)('sse against a bridge on %s', (runtime) => {
  it.skipIf(isSkipped(runtime))(
    'carries messages, and ends when the client closes',
    async () => {
      await using nats = await startNatsServer()
      const host = await startHost(runtime, { upstream: nats.url, auth: { secret: SECRET } })
      const transport = webSocket({ url: host.url, via: 'sse', token: rootToken })
      const sizes: number[] = []
      await transport.subscribe('tunnel.x', { message: ({ payload }) => sizes.push(payload.length), ended() {} }).ready
      for (const size of [0, 5, 900_000]) await transport.publish('tunnel.x', new Uint8Array(size))
      await eventually(() => sizes.length === 3, { what: 'three messages' })
      expect(sizes).toEqual([0, 5, 900_000])
      await transport.close()
      const interest = async () =>
        (await (await fetch(`${nats.monitorUrl}/subsz?subs=1&limit=1000`)).text()).includes('"tunnel.x"')
      await eventually(async () => !(await interest()), { what: 'the end of the interest', deadline: 25_000 })
      await host.stop()
    },
    60_000,
  )
})
