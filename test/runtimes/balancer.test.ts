/** Bridges behind a balancer that knows no sticky sessions, on the runtimes that host a bridge. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { type HostProcess, startHost } from '../support/process-host.ts'
import { startRoundRobin } from '../support/round-robin.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'

const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789'

describe.each(['node', 'bun', 'deno'] as const)('two bridges on %s behind a balancer', (runtime) => {
  describe.skipIf(isSkipped(runtime))('share the fallback over Server-Sent Events', () => {
    let nats: NatsServer
    let hosts: HostProcess[] = []
    let balancer: { readonly url: string } & AsyncDisposable

    beforeAll(async () => {
      nats = await startNatsServer()
      const options = { upstream: nats.url, auth: { secret: SECRET }, monitoring: { key: KEY } }
      hosts = await Promise.all([startHost(runtime, options), startHost(runtime, options)])
      balancer = await startRoundRobin(hosts.map(({ url }) => url))
    }, 60_000)

    afterAll(async () => {
      await balancer?.[Symbol.asyncDispose]()
      await Promise.all(hosts.map((host) => host.stop()))
      await nats?.[Symbol.asyncDispose]()
    })

    it('forwards POSTs to the process that holds the stream, large messages included', async () => {
      const transports = ['a', 'b'].map(() => webSocket({ url: balancer.url, via: 'sse', token: rootToken }))
      const received = transports.map(() => [] as number[])
      await Promise.all(
        transports.map(
          (transport, index) =>
            transport.subscribe('shared.x', {
              message: ({ payload }) => received[index]?.push(payload.length),
              ended() {},
            }).ready,
        ),
      )
      const sizes = [0, 5, 900_000, 70_000, 1]
      for (const size of sizes) await transports[0]?.publish('shared.x', new Uint8Array(size))
      await eventually(() => received.every((list) => list.length === sizes.length), { what: 'all messages' })
      expect(received).toEqual([sizes, sizes])
      await Promise.all(transports.map((transport) => transport.close()))
    }, 60_000)

    it('refuses a key of an unknown hub', async () => {
      const key = `${crypto.randomUUID()}.${'0'.repeat(64)}`
      const post = () =>
        fetch(`${balancer.url}/nats/stream`, { method: 'POST', body: 'x', headers: { 'Spanwire-Tunnel': `${key} 1` } })
      const answers = [await post(), await post()]
      expect(answers.map(({ status }) => status)).toEqual([404, 404])
    }, 15_000)

    it('answers monitoring of either by its id', async () => {
      const headers = { Authorization: `Bearer ${KEY}` }
      const idOf = async (url: string) =>
        ((await (await fetch(url, { headers })).json()) as { server_id: string }).server_id
      const ids = await Promise.all(hosts.map(({ url }) => idOf(`${url}/varz`)))
      expect(new Set(ids).size).toBe(2)
      for (const { url } of hosts) for (const id of ids) expect(await idOf(`${url}/varz?hub=${id}`)).toBe(id)
      const unknown = await fetch(`${hosts[0]?.url}/varz?hub=${crypto.randomUUID()}`, { headers })
      expect([unknown.status, await unknown.json()]).toMatchObject([503, { code: 'no-responders' }])
    }, 15_000)
  })
})
