import { connect as connectNats } from 'nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineEvents } from '../../sdk/index.ts'
import { type Certificate, createCertificate } from '../support/certificate.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { createNatsOperator } from '../support/operator.ts'
import { startWorkerd, type Workerd } from '../support/workerd-process.ts'

// Uses workerd directly: Wrangler's harness cannot open outbound WebSockets, and cannot trust additional certificates.

let certificate: Certificate
beforeAll(async () => {
  certificate = await createCertificate()
})
afterAll(() => certificate?.[Symbol.asyncDispose]())

const startWorker = (vars: Record<string, string>, trusted: readonly string[] = [certificate.cert]) =>
  startWorkerd({
    main: 'test/bench/peers/spanwire-worker.ts',
    className: 'SpanwireHub',
    binding: 'HUB',
    vars,
    trusted,
  })
const events = defineEvents({ 'ticks.{name}': z.object({ at: z.number() }) })

it.each(['nats', 'tls', 'ws', 'wss'])(
  'a hub connects to NATS by %s://, receives all messages in order, and reconnects after an outage',
  async (scheme) => {
    const isSecure = scheme === 'tls' || scheme === 'wss'
    await using server = await startNatsServer(isSecure ? { certificate } : {})
    await using worker = await startWorker({ UPSTREAM_URL: scheme.startsWith('ws') ? server.wsUrl : server.url })
    const service = await connectNats({
      servers: server.url.replace('tls', 'nats'),
      ...(isSecure && { tls: { ca: certificate.cert } }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    })
    await using bus = connect({ url: worker.url, events })
    const states: string[] = []
    bus.status.subscribe(({ state }) => states.push(state))
    const heard: number[] = []
    await bus.on('ticks.{name}', ({ data }) => heard.push(data.at)).ready
    const publish = (from: number, to: number) => {
      for (let at = from; at < to; at++) service.publish('ticks.a', JSON.stringify({ at }))
    }
    publish(0, 5_000)
    await eventually(() => heard.length === 5_000, { what: 'all of them' })

    await server.restart()
    await eventually(() => states.includes('reconnecting') && bus.status.current.state === 'open', {
      what: 'the reconnect',
      deadline: 20_000,
    })
    // The service must also be connected, because its publishes are lost meanwhile.
    await eventually(() => service.flush().then(() => true))
    publish(5_000, 6_000)
    await eventually(() => heard.length === 6_000, { what: 'the messages after the outage' })
    expect(heard).toEqual(Array.from({ length: 6_000 }, (_, at) => at))

    await bus.publish('ticks.{name}', { name: 'b' }, { at: 6_000 })
    await eventually(() => heard.at(-1) === 6_000, { what: 'its own' })
    await service.close()
  },
  60_000,
)

it('delivers messages of every size complete over TCP', async () => {
  await using server = await startNatsServer({ certificate })
  await using worker = await startWorker({ UPSTREAM_URL: server.url })
  const service = await connectNats({ servers: server.url.replace('tls', 'nats'), tls: { ca: certificate.cert } })
  const sized = defineEvents({ 'sized.{at}': z.string() })
  await using bus = connect({ url: worker.url, events: sized })
  const heard: string[] = []
  await bus.on('sized.{at}', ({ data }) => heard.push(data)).ready
  const texts = [0, 1, 4_096, 65_500, 65_536, 70_000, 500_000, 3].map((size) => 'é'.repeat(size))
  for (const [at, text] of texts.entries()) service.publish(`sized.${at}`, JSON.stringify(text))
  await eventually(() => heard.length === texts.length, { what: 'all of them' })
  expect(heard.map(({ length }) => length)).toEqual(texts.map(({ length }) => length))
  expect(heard).toEqual(texts)
  // The other direction.
  const own = service.subscribe('sized.9', { max: 1 })
  await service.flush()
  await bus.publish('sized.{at}', { at: '9' }, texts[5] as string)
  for await (const message of own) expect(message.json()).toBe(texts[5])
  await service.close()
}, 60_000)

it('a hub signs in with .creds', async () => {
  const { config, creds } = await createNatsOperator()
  await using server = await startNatsServer({ config })
  await using worker = await startWorker({ UPSTREAM_URL: server.url, UPSTREAM_CREDS: creds })
  expect(await isReached(worker)).toBe(true)
}, 30_000)

it('rejects a server without TLS by tls://, and an untrusted certificate', async () => {
  await using plain = await startNatsServer()
  await using downgraded = await startWorker({ UPSTREAM_URL: plain.url.replace('nats', 'tls') })
  expect(await isReached(downgraded)).toBe(false)

  await using server = await startNatsServer({ certificate })
  // The server requires TLS although the address does not.
  for (const url of [server.url, server.url.replace('tls', 'nats'), server.wsUrl]) {
    await using untrusting = await startWorker({ UPSTREAM_URL: url }, [])
    expect(await isReached(untrusting), url).toBe(false)
  }
}, 60_000)

/** Whether the upstream of a hub opens within a few seconds. */
async function isReached({ url }: Workerd): Promise<boolean> {
  await using bus = connect({ url, events })
  const ready = bus
    .on('ticks.{name}', () => {})
    .ready.then(
      () => true,
      () => false,
    )
  const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 4_000))
  return await Promise.race([ready, late])
}
