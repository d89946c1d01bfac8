/** Tenants that share one stream: what one of them can do to another, or learn of it. */
import { connect as dial, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { NATS_HEADERS } from '../../sdk/wire/header-names.ts'
import type { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, post, sign } from './live-bridge.ts'

const STREAM = 'INTERNAL-LEDGER'

let bridges: LiveBridges
let bridge: BridgeServer
let root: NatsConnection
beforeAll(async () => {
  bridges = await LiveBridges.start({ jetstream: true })
  bridge = await bridges.serve({ auth: { secret: SECRET, subjectPrefix: 'tenants.{{org}}' } })
  root = await dial({ servers: bridges.nats.url })
  const config = {
    name: STREAM,
    subjects: ['tenants.*.orders.>'],
    storage: 'memory',
    republish: { src: 'tenants.*.orders.>', dest: 'tenants.{{wildcard(1)}}.copies.>' },
  }
  const created = await root.request(`$JS.API.STREAM.CREATE.${STREAM}`, JSON.stringify(config))
  expect(created.json<{ error?: unknown }>().error).toBeUndefined()
}, 60_000)
afterAll(async () => {
  await root?.close()
  await bridges?.close()
})

const token = (org: string) => sign({ sub: org, org, nats: everything })
async function tenant(org: string): Promise<RawClient> {
  const client = await connected(bridge, { auth_token: await token(org) })
  await client.exchange('SUB _INBOX.k.* inbox\r\n')
  return client
}
function hpub(subject: string, fields: readonly string[]): string {
  const block = `NATS/1.0\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`
  return `HPUB ${subject} _INBOX.k.1 ${block.length} ${block.length}\r\n${block}\r\n`
}
async function answer(client: RawClient, subject: string, ...fields: string[]) {
  client.send(hpub(subject, fields))
  const { line = '', payload = '' } = (await client.next()) ?? {}
  return line.startsWith('MSG') ? JSON.parse(payload) : line
}
const violation = (header: string) => `-ERR 'Permissions Violation for Publish to "orders.1" with ${header}'`

describe('the duplicate window of a stream', () => {
  it('is a tenant’s own: one can not take the message ids of another', async () => {
    const [evil, acme] = [await tenant('evil'), await tenant('acme')]
    expect(await answer(evil, 'orders.1', 'Nats-Msg-Id: order-42')).toMatchObject({ seq: expect.any(Number) })
    const stored = await answer(acme, 'orders.1', 'Nats-Msg-Id: order-42')
    expect(stored).toEqual({ stream: 'EDGE', seq: expect.any(Number) })
    expect(await answer(acme, 'orders.1', 'Nats-Msg-Id: order-42')).toEqual({ ...stored, duplicate: true })
    // Not by a longer id either, nor by HTTP, by id or by header.
    for (const id of ['tenants.acme.order-43', 'acme.order-43', '.order-43'])
      expect(await answer(evil, 'orders.1', `Nats-Msg-Id: ${id}`)).not.toHaveProperty('duplicate')
    const publish = async (org: string, headers: Record<string, string>) =>
      (await post(bridge, '/publish/orders.1', await token(org), { headers })).json()
    expect(await publish('evil', { 'Idempotency-Key': 'order-43' })).toMatchObject({ duplicate: false })
    expect(await publish('acme', { 'Idempotency-Key': 'order-43' })).toMatchObject({ duplicate: false })
    expect(await answer(acme, 'orders.1', 'Nats-Msg-Id: order-43')).toMatchObject({ duplicate: true })
    const named = { [NATS_HEADERS]: encodeURIComponent(JSON.stringify([['Nats-Msg-Id', 'order-42']])) }
    expect(await publish('acme', named)).toMatchObject({ duplicate: true })
    for (const client of [evil, acme]) client.terminate()
  })

  it('keeps the id as its publisher wrote it, for its own subscribers', async () => {
    const acme = await tenant('acme')
    await acme.exchange('SUB orders.ids 1\r\n')
    const token = 'Nats-Msg-Id: order-44'
    acme.send(hpub('orders.ids', [token, 'X: Nats-Msg-Id: x']))
    const message = await acme.next()
    expect(message?.headers).toContain(`${token}\r\nX: Nats-Msg-Id: x\r\n`)
    acme.terminate()
  })
})

describe('what a tenant learns of a shared stream', () => {
  it('is not its name: from acknowledgements, errors, and what a stream republishes', async () => {
    const acme = await tenant('acme')
    await acme.exchange('SUB copies.> 1\r\n')
    const seen: unknown[] = []
    seen.push(await answer(acme, 'orders.1', 'A: b'))
    seen.push(await acme.next())
    seen.push(await answer(acme, 'orders.1', 'Nats-Expected-Last-Sequence: 1'))
    const reply = await post(bridge, '/request/orders.1', await token('acme'), { body: 'x' })
    seen.push([...reply.headers], await reply.json(), await acme.next())
    expect(JSON.stringify(seen)).toContain('"stream":"EDGE"')
    expect(JSON.stringify(seen)).toContain('Nats-Stream: EDGE')
    expect(JSON.stringify(seen)).toContain('Nats-Subject: orders.1')
    expect(JSON.stringify(seen)).toContain('wrong last sequence')
    expect(JSON.stringify(seen)).not.toContain(STREAM)
    expect(JSON.stringify(seen)).not.toContain('tenants')
    acme.terminate()
  })

  it('leaves answers of services alone that look like an acknowledgement, but are none', async () => {
    const acme = await tenant('acme')
    await acme.exchange('SUB ask 1\r\n')
    for (const text of [`{"stream":"${STREAM}"}`, `{"stream":"${STREAM}","seq":"1"}`, `{"a":1,"stream":"S","seq":1}`]) {
      acme.send('PUB ask _INBOX.k.1 0\r\n\r\n')
      const [, , , reply] = ((await acme.next())?.line ?? '').split(' ')
      acme.send(`PUB ${reply} ${text.length}\r\n${text}\r\n`)
      expect((await acme.next())?.payload).toBe(text)
    }
    acme.terminate()
  })

  it('is not the last sequence of a subject of another tenant, nor anything by a header that the bridge does not know', async () => {
    const evil = await tenant('evil')
    for (const header of [
      'Nats-Expected-Last-Subject-Sequence-Subject: tenants.acme.orders.1',
      'Nats-Expected-Last-Subject-Sequence-Subject: orders.1',
      `Nats-Expected-Stream: ${STREAM}`,
      'Nats-Batch-Id: theirs',
      'Nats-Schedule: @every 1s',
      'Nats-Stream-Source: OTHER 9999999',
      'Nats-Request-Info: {"acc":"A"}',
      'Nats-Consumer-Stalled: tenants.acme.orders.1',
      'Nats-Expected-Last-Msg-Id: order-42',
      'Nats-Of-Tomorrow: 1',
      'nats-of-tomorrow: 1',
    ])
      expect(await answer(evil, 'orders.1', header), header).toBe(violation(header.split(':')[0] ?? ''))
    const headers = { [NATS_HEADERS]: encodeURIComponent(JSON.stringify([['Nats-Of-Tomorrow', '1']])) }
    expect((await post(bridge, '/publish/orders.1', await token('evil'), { headers })).status).toBe(403)
    // A header that has no end is as good as its beginning at nats-server.
    const block = 'NATS/1.0\r\nNats-Msg-Id: x'
    const { lines } = await evil.exchange(`HPUB orders.1 ${block.length} ${block.length}\r\n${block}\r\n`)
    expect(lines.map(({ line }) => line)).toEqual([violation('Nats-Msg-Id')])
    evil.terminate()
  })
})
