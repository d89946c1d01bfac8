/** The fallback for blocked WebSockets, on every runtime of the bridge. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { startHost } from '../support/process-host.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'

/** A proxy without sticky sessions: each request goes to the next target. */
async function alternate(...targets: readonly string[]) {
  let count = 0
  const posts: string[] = []
  const proxy = createServer((incoming, outgoing) => {
    const target = targets[count++ % targets.length] as string
    if (incoming.method === 'POST') posts.push(target)
    const { method, headers } = incoming
    const forwarded = request(`${target}${incoming.url}`, { method, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    posts,
    async close() {
      proxy.closeAllConnections()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}

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

  it.skipIf(isSkipped(runtime))(
    'needs no sticky sessions: two bridges behind a proxy that alternates',
    async () => {
      await using nats = await startNatsServer()
      const options = { upstream: nats.url, auth: { secret: SECRET } }
      const hosts = await Promise.all([startHost(runtime, options), startHost(runtime, options)])
      const proxy = await alternate(...hosts.map(({ url }) => url))
      const transport = webSocket({ url: proxy.url, via: 'sse', token: rootToken })
      const got: string[] = []
      const message = ({ payload }: { payload: Uint8Array }) => got.push(`${payload[0]} ${payload.length}`)
      await transport.subscribe('tunnel.y', { message, ended() {} }).ready
      const sizes = [1, 900_000, 5, 300_000, 2, 3]
      for (const [index, size] of sizes.entries()) {
        await transport.publish('tunnel.y', new Uint8Array(size).fill(index))
        await transport.flush()
      }
      await eventually(() => got.length === sizes.length, { what: 'all messages' })
      expect(got).toEqual(sizes.map((size, index) => `${index} ${size}`))
      for (const { url } of hosts) expect(proxy.posts).toContain(url)
      await transport.close()
      await proxy.close()
      for (const host of hosts) await host.stop()
    },
    60_000,
  )
})
