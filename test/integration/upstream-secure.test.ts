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

/** What a client of a bridge hears that reaches NATS so. */
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

/** What an upstream says that can't reach NATS. */
async function complaint(url: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const upstream = createUpstream(url, { onError: ({ code, message }) => resolve(`${code}: ${message}`) })
  const said = await promise
  expect(upstream.state).toBe('connecting')
  await upstream.close()
  return said
}

it('tls:// with a certificate that is trusted; also where only the server asks for TLS', async () => {
  await using server = await startNatsServer({ certificate })
  const tls = { ca: certificate.cert }
  expect(await carried(server.url, { tls })).toBe(7)
  expect(await carried(server.url.replace('tls', 'nats'), { tls })).toBe(7)
})

it('TLS before the server says a word, where it wants that', async () => {
  const starting = startNatsServer({ certificate, handshakeFirst: true })
  const server = await starting.catch((error: Error) => error)
  // What is older than 2.10 doesn't know it.
  if (server instanceof Error) return expect(server.message).toMatch(/unknown field .*handshake_first/)
  await using _ = server
  expect(await carried(server.url, { tls: { ca: certificate.cert, handshakeFirst: true } })).toBe(7)
})

it('a certificate that nobody trusts, and a server without TLS, are refused and told', async () => {
  await using server = await startNatsServer({ certificate })
  expect(await complaint(server.url)).toMatch(/^connection-refused: NATS can't be reached .*self-signed certificate/)
  expect(await complaint(server.wsUrl)).toMatch(/^connection-refused: NATS can't be reached/)
  await using plain = await startNatsServer()
  expect(await complaint(plain.url.replace('nats', 'tls'))).toMatch(/^connection-refused: NATS can't be reached/)
})

it('.creds: the right ones open, others are told', async () => {
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
