import { networkInterfaces } from 'node:os'
import { connect, type Msg, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { freePort } from '../../demo/setup/free-port.ts'
import { defineEvents, connect as openBus } from '../../sdk/index.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { type HostProcess, startHost } from '../support/process-host.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'

const events = defineEvents({ 'replaced.{via}': z.object({ n: z.number() }) })
const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

let server: NatsServer
let backend: NatsConnection
let token: string

beforeAll(async () => {
  server = await startNatsServer()
  backend = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  token = await rootToken()
}, 60_000)

afterAll(async () => {
  await backend?.close()
  await server?.[Symbol.asyncDispose]()
})

for (const runtime of ['node', 'bun', 'deno'] as const)
  describe.skipIf(isSkipped(runtime))(`a bridge on ${runtime}`, () => {
    let host: HostProcess

    beforeAll(async () => {
      host = await startHost(runtime, {
        upstream: server.url,
        auth: { secret: SECRET },
        origins: ['https://app.example'],
      })
    }, 30_000)

    afterAll(() => host?.stop())

    async function connected(): Promise<RawClient> {
      const client = await RawClient.open(`${host.url.replace('http', 'ws')}/nats`)
      await client.exchange(`CONNECT {"auth_token":"${token}","verbose":false,"headers":true,"no_responders":true}\r\n`)
      return client
    }

    it('carries messages between its clients and NATS', async () => {
      const client = await connected()
      await client.exchange('SUB down.> 1\r\n')
      backend.publish('down.a', 'x'.repeat(100_000))
      expect(await client.next()).toMatchObject({ line: 'MSG down.a 1 100000' })
      expect([...client.kinds]).toEqual(['binary'])
      const subscription = backend.subscribe('up.>')
      await backend.flush()
      client.sendText('PUB up.a 2\r\nhi\r\n')
      for await (const message of subscription) {
        expect(message.string()).toBe('hi')
        break
      }
      client.close()
      expect((await client.ended()).code).toBe(1005)
    })

    it('serves the HTTP routes', async () => {
      await eventually(async () => (await fetch(`${host.url}/healthz`)).ok, { what: 'a healthy bridge' })
      const client = await connected()
      await client.exchange('SUB by.http 1\r\n')
      const post = (headers: Record<string, string>) =>
        fetch(`${host.url}/publish/by.http`, { method: 'POST', body: 'hello', headers })
      expect((await post({})).status).toBe(401)
      expect((await post({ Authorization: `Bearer ${token}` })).status).toBe(202)
      expect(await client.next()).toMatchObject({ payload: 'hello' })
      expect((await fetch(`${host.url}/nats`)).status).toBe(426)
      client.terminate()
    })

    it('checks the Origin of an upgrade', async () => {
      const upgrade = (origin: string) => RawClient.open(`${host.url.replace('http', 'ws')}/nats`, [], origin)
      await expect(upgrade('https://evil.example')).rejects.toThrow(/403/)
      const welcome = await upgrade('https://app.example')
      expect(await welcome.info()).toMatchObject({ headers: true })
      welcome.terminate()
    })

    it('closes a connection with the code and the reason', async () => {
      const client = await RawClient.open(`${host.url.replace('http', 'ws')}/nats`)
      const { lines, ending } = await client.exchange('CONNECT {"auth_token":"nonsense"}\r\n')
      expect(lines).toEqual([{ line: "-ERR 'Authorization Violation'" }])
      expect(ending).toEqual({ code: 1008, reason: 'Authorization Violation' })
    })

    it('ends a connection with the code and the reason while the client keeps sending', async () => {
      const endings = Array.from({ length: 20 }, async () => {
        const client = await connected()
        client.send('FOO\r\n')
        const flood = setInterval(() => client.send(`PUB a 100\r\n${'x'.repeat(100)}\r\n`.repeat(10)), 1)
        return client.ended().finally(() => clearInterval(flood))
      })
      const ending = { code: 1002, reason: 'Unknown Protocol Operation' }
      expect(await Promise.all(endings)).toEqual(endings.map(() => ending))
    }, 15_000)

    it('removes the interest of a client whose connection is reset', async () => {
      const client = await connected()
      await client.exchange(`SUB only.${runtime} 1\r\n`)
      expect(await subscriptionsTo(`only.${runtime}`)).toBe(1)
      client.terminate()
      await eventually(async () => (await subscriptionsTo(`only.${runtime}`)) === 0, {
        what: 'the end of the interest',
      })
    })

    it('sends an error to its clients when it closes', async () => {
      const client = await connected()
      const code = host.stop()
      // Without a word, as nats-server: some clients of NATS would not connect again.
      expect(await client.ended()).toEqual({ code: 1001, reason: 'Server Shutdown' })
      expect(await code).toBe(0)
    }, 15_000)

    it.each(['websocket', 'sse'] as const)(
      'drains to another bridge without a lost or repeated publish: %s',
      async (via) => {
        const options = { upstream: server.url, auth: { secret: SECRET }, port: await freePort() }
        const first = await startHost(runtime, options)
        await using bus = openBus({ url: first.url, events, token, via, backoff: { first: 50, longest: 50 } })
        const seen: number[] = []
        const subscription = backend.subscribe(`replaced.${via}`, {
          callback: (_, { data }) => void seen.push((JSON.parse(utf8(data)) as { n: number }).n),
        })
        let published = 0
        let replaced = false
        // Sequential publishes. A rejection fails the test.
        const publishing = (async () => {
          for (let more = 100; more > 0; published++) {
            if (replaced) more--
            await bus.publish('replaced.{via}', { via }, { n: published })
          }
        })()
        await eventually(() => published > 10)
        expect(await first.drain()).toBe(0)
        const second = await startHost(runtime, options)
        replaced = true
        await publishing
        await eventually(() => seen.length >= published, { what: 'all published events' })
        expect(seen).toEqual(seen.map((_, index) => index))
        expect(seen.length).toBe(published)
        subscription.unsubscribe()
        await bus.close()
        await second.stop()
      },
      30_000,
    )

    // Bun and Deno close the connection before the response is written.
    it('answers pending HTTP requests before a drain ends', async () => {
      const leaving = await startHost(runtime, { upstream: server.url, auth: { secret: SECRET } })
      const asked = Promise.withResolvers<Msg>()
      const service = backend.subscribe(`slow.${runtime}`, { callback: (_, question) => asked.resolve(question) })
      await backend.flush()
      const headers = { Authorization: `Bearer ${token}` }
      const answer = fetch(`${leaving.url}/request/slow.${runtime}`, { method: 'POST', headers })
      const question = await asked.promise
      const drained = leaving.drain()
      await eventually(async () => (await (await fetch(`${leaving.url}/healthz`)).text()).includes('draining'))
      question.respond('done')
      const said = await answer
      expect(said.headers.get('connection')).toBe('close')
      expect(await said.text()).toBe('done')
      expect(await drained).toBe(0)
      service.unsubscribe()
    }, 15_000)

    it('closes a client that answers PING and does not read', async () => {
      const limits = { maxPending: 1024 * 1024, maxPayload: 128 * 1024 }
      const small = await startHost(runtime, { upstream: server.url, auth: { secret: SECRET }, limits })
      const client = await RawClient.open(`${small.url.replace('http', 'ws')}/nats`)
      await client.exchange(`CONNECT {"auth_token":"${token}","verbose":false}\r\nSUB flood.${runtime} 1\r\n`)
      client.pause()
      // Up to 50 MB, which exceeds the socket buffers.
      for (let i = 0; i < 500 && (await subscriptionsTo(`flood.${runtime}`)) > 0; i++) {
        backend.publish(`flood.${runtime}`, new Uint8Array(100_000))
        client.send('PONG\r\n')
      }
      await eventually(async () => (await subscriptionsTo(`flood.${runtime}`)) === 0, { what: 'its end' })
      client.terminate()
      await small.stop()
    }, 30_000)

    it('accepts many small messages in one frame, also with a small maxPayload', async () => {
      const limits = { maxPayload: 4_096 }
      const small = await startHost(runtime, { upstream: 'embedded', auth: { secret: SECRET }, limits })
      const client = await RawClient.open(`${small.url.replace('http', 'ws')}/nats`)
      await client.exchange(`CONNECT {"auth_token":"${token}","verbose":false}\r\nSUB a.b 1\r\n`)
      // nats.ws sends up to 32 KiB of publishes of one turn in one frame.
      const { lines, ending } = await client.exchange(`PUB a.b 100\r\n${'x'.repeat(100)}\r\n`.repeat(250))
      expect([lines.length, ending]).toEqual([250, undefined])
      client.terminate()
      await small.stop()
    }, 15_000)

    it.skipIf(!hasIPv6)(
      'returns a usable URL when it listens on IPv6',
      async () => {
        const other = await startHost(runtime, { upstream: 'embedded', auth: { secret: SECRET }, host: '::1' })
        expect((await fetch(`${other.url}/healthz`)).status).toBe(200)
        await other.stop()
      },
      15_000,
    )

    it('reports the reason when it cannot listen', async () => {
      const { port } = new URL(server.monitorUrl)
      const busy = startHost(runtime, { upstream: 'embedded', auth: { secret: SECRET }, port: Number(port) })
      await expect(busy).rejects.toThrow(/Can't listen on 127.0.0.1:\d+/)
    }, 15_000)
  })

async function subscriptionsTo(filter: string): Promise<number> {
  const response = await fetch(`${server.monitorUrl}/subsz?subs=1&limit=10000`)
  const { subscriptions_list: list = [] } = (await response.json()) as {
    subscriptions_list?: Array<{ subject: string }>
  }
  return list.filter(({ subject }) => subject === filter).length
}
