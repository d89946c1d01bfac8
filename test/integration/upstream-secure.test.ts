import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { serve } from '../../bridge/hosts/node.ts'
import { createUpstream } from '../../bridge/hosts/upstream-url.ts'
import type { NatsUpstreamOptions } from '../../bridge/upstream/nats.ts'
import { connect, defineEvents } from '../../sdk/index.ts'
import { type Certificate, createCertificate } from '../support/certificate.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'
import { createNatsOperator } from '../support/operator.ts'

let certificate: Certificate
beforeAll(async () => {
  certificate = await createCertificate()
})
afterAll(() => certificate?.[Symbol.asyncDispose]())

const events = defineEvents({ 'ticks.{name}': z.object({ at: z.number() }) })

/** Connects a bridge to NATS with these options, and waits for an event of its client. */
async function carried(url: string, options: Omit<NatsUpstreamOptions, 'url'>): Promise<number> {
  const upstream = createUpstream(url, options)
  await using bridge = await serve({ upstream, auth: openToAll })
  await using bus = connect({ url: bridge.url, events })
  let heard = 0
  await bus.on('ticks.{name}', ({ data }) => (heard = data.at)).ready
  await bus.publish('ticks.{name}', { name: 'a' }, { at: 7 })
  await eventually(() => heard > 0, { what: 'its own event' })
  await upstream.close()
  return heard
}

/** Returns the error of an upstream that cannot connect. */
async function complaint(url: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const upstream = createUpstream(url, { onError: ({ code, message }) => resolve(`${code}: ${message}`) })
  const said = await promise
  expect(upstream.state).toBe('connecting')
  await upstream.close()
  return said
}

it('connects by tls:// with a trusted certificate, and by nats:// if the server requires TLS', async () => {
  await using server = await startNatsServer({ certificate })
  const tls = { ca: certificate.cert }
  expect(await carried(server.url, { tls })).toBe(7)
  expect(await carried(server.url.replace('tls', 'nats'), { tls })).toBe(7)
})

it('connects to a server that starts TLS before INFO', async () => {
  const starting = startNatsServer({ certificate, handshakeFirst: true })
  const server = await starting.catch((error: Error) => error)
  // nats-server before 2.10 does not support it.
  if (server instanceof Error) return expect(server.message).toMatch(/unknown field .*handshake_first/)
  await using _ = server
  expect(await carried(server.url, { tls: { ca: certificate.cert, handshakeFirst: true } })).toBe(7)
})

it('reports an untrusted certificate, and a server without TLS', async () => {
  await using server = await startNatsServer({ certificate })
  expect(await complaint(server.url)).toMatch(/^connection-refused: Can't connect to NATS .*self-signed certificate/)
  expect(await complaint(server.wsUrl)).toMatch(/^connection-refused: Can't connect to NATS/)
  await using plain = await startNatsServer()
  expect(await complaint(plain.url.replace('nats', 'tls'))).toMatch(/^connection-refused: Can't connect to NATS/)
})

it('connects with valid .creds, and reports invalid ones', async () => {
  const { config, creds } = await createNatsOperator()
  await using server = await startNatsServer({ config })
  for (const url of [server.url, server.wsUrl]) expect(await carried(url, { credentials: { creds } })).toBe(7)
  const { creds: foreign } = await createNatsOperator()
  const { promise, resolve } = Promise.withResolvers<string>()
  const upstream = createUpstream(server.url, {
    credentials: { creds: foreign },
    onError: ({ code }) => resolve(code),
  })
  expect(await promise).toBe('authentication-failed')
  await upstream.close()
})
