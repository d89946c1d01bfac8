import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { NEVER_STORED } from '../../sdk/jetstream/never-stored.ts'
import { NATS_HEADERS } from '../../sdk/wire/header-names.ts'
import type { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, linesOf, post, sign } from './live-bridge.ts'

/** nats-server publishes traces to the subject in this header, with the permissions of the bridge. */
const TRACE = 'Nats-Trace-Dest'

let bridges: LiveBridges
let bridge: BridgeServer
let tenants: BridgeServer
let atNats: RawClient
let watcher: RawClient
beforeAll(async () => {
  bridges = await LiveBridges.start()
  bridge = await bridges.serve({ auth: { secret: SECRET } })
  tenants = await bridges.serve({ auth: { secret: SECRET, subjectPrefix: 'tenants.{{org}}' } })
  atNats = await bridges.atNats()
  watcher = await bridges.atNats()
  await watcher.exchange('SUB secret.> 1\r\n')
}, 60_000)
afterAll(async () => {
  atNats?.terminate()
  watcher?.terminate()
  await bridges?.close()
})

const mine = { pub: { allow: ['mine.>'] } }
const hpub = (subject: string, block: string) => {
  const size = Buffer.byteLength(block)
  return `HPUB ${subject} ${size} ${size}\r\n${block}\r\n`
}
/** Since 2.11. */
const traces = () => {
  const [major = 0, minor = 0] = bridges.nats.version.split('.').map(Number)
  return major > 2 || minor >= 11
}
const leaked = async () => (await linesOf(watcher, atNats)).length

describe('a message that is traced to a foreign subject', () => {
  it('has an effect on nats-server with all permissions', async () => {
    const root = await bridges.atNats()
    await root.exchange(hpub('mine.a', `NATS/1.0\r\n${TRACE}: secret.trace\r\n\r\n`))
    expect(await leaked()).toBe(traces() ? 1 : 0)
    root.terminate()
  })

  it('is rejected by WebSocket, by POST, in a batch, and as a request', async () => {
    const token = await sign({ sub: 'mallory', nats: mine })
    const client = await connected(bridge, { auth_token: token })
    const { lines } = await client.exchange(hpub('mine.a', `NATS/1.0\r\n${TRACE}: secret.trace\r\n\r\n`))
    expect(lines.map(({ line }) => line)).toEqual([
      `-ERR 'Permissions Violation for Publish to "mine.a" with ${TRACE}'`,
    ])
    client.terminate()
    const headers = [[TRACE, 'secret.trace']]
    for (const route of ['publish', 'request']) {
      const answer = await post(bridge, `/${route}/mine.a`, token, {
        headers: { [NATS_HEADERS]: encodeURIComponent(JSON.stringify(headers)) },
      })
      expect([answer.status, (await answer.json()).code], route).toEqual([403, 'permission-denied'])
    }
    const line = JSON.stringify({ subject: 'mine.a', data: 1, headers })
    expect(await (await post(bridge, '/publish', token, { body: line })).json()).toMatchObject({
      ok: false,
      code: 'permission-denied',
    })
    expect(await leaked()).toBe(0)
  })

  it('is rejected for a client with a subject prefix', async () => {
    const tenant = await connected(tenants, { auth_token: await sign({ sub: 'ada', org: 'acme', nats: everything }) })
    for (const field of [`${TRACE}: secret.trace`, `${TRACE}: sub`, 'Nats-Rollup: all']) {
      const { lines } = await tenant.exchange(hpub('mine.a', `NATS/1.0\r\n${field}\r\n\r\n`))
      expect(lines.length, field).toBe(1)
    }
    expect((await tenant.exchange(hpub('mine.a', 'NATS/1.0\r\nNats-Rollup: sub\r\n\r\n'))).lines).toEqual([])
    expect(await leaked()).toBe(0)
    tenant.terminate()
  })

  it('is rejected in ambiguous header blocks', async () => {
    const part = fc.constantFrom(
      ...[TRACE, 'nats-trace-dest', 'X', 'Nats-Trace-Only: 1', 'NATS/1.0', 'secret.x', 'mine.x'],
      ...[':', ': ', ' ', '\t', '\r', '\n', '\r\n', '\r\n', '\0', ':secret.y\r\n', ': secret.y'],
      // Enough of them have an effect for every seed.
      `${TRACE}: secret.x\r\n`,
    )
    const block = fc.array(part, { maxLength: 12 }).map((parts) => `NATS/1.0\r\n${parts.join('')}\r\n\r\n`)
    const client = await connected(bridge, { auth_token: await sign({ sub: 'eve', nats: mine }) })
    const root = await bridges.atNats()
    const blocks = fc.sample(block, 3_000)
    const run = async (sender: RawClient) => {
      for (let at = 0; at < blocks.length; at += 100)
        await sender.exchange(
          blocks
            .slice(at, at + 100)
            .map((one) => hpub('mine.a', one))
            .join(''),
        )
      return leaked()
    }
    expect(await run(client)).toBe(0)
    // The same blocks have an effect with all permissions.
    if (traces()) expect(await run(root)).toBeGreaterThan(50)
    for (const one of [client, root]) one.terminate()
  })
})

describe('a message with a forged origin header', () => {
  const ORIGIN = 'Spanwire-Origin'
  let victim: RawClient
  let mallory: RawClient
  let id: string
  beforeAll(async () => {
    const token = await sign({ sub: 'ada', nats: everything })
    victim = await connected(bridge, { auth_token: token, echo: false })
    mallory = await connected(bridge, { auth_token: token })
    await victim.exchange('SUB bid 1\r\n')
    await mallory.exchange('SUB bid 1\r\n')
    // All members of a channel know the connection ids of other members.
    victim.send('SUB $EDGE.PRESENCE.auction 2\r\n')
    id = JSON.parse((await victim.next())?.payload ?? '').you
  })
  afterAll(() => {
    for (const one of [victim, mallory]) one?.terminate()
  })
  const received = async (client: RawClient) =>
    (await linesOf(client, atNats)).filter((line) => line.includes('MSG bid'))

  it('is delivered to all clients', async () => {
    mallory.send(hpub('bid', `NATS/1.0\r\n${ORIGIN}: ${id}\r\n\r\n`))
    expect((await received(mallory)).length).toBe(1)
    expect((await received(victim)).length).toBe(1)
  })

  it('is rejected in a header block without an end', async () => {
    const { lines } = await mallory.exchange(hpub('bid', `NATS/1.0\r\n${ORIGIN}: ${id}\r\nx`))
    expect(lines.map(({ line }) => line)).toEqual([`-ERR 'Permissions Violation for Publish to "bid" with ${ORIGIN}'`])
    expect((await received(victim)).length).toBe(0)
  })

  it('is rejected if the header of the bridge would exceed the limit', async () => {
    const block = `NATS/1.0\r\n${ORIGIN}: ${id}\r\n\r\n`
    const payload = 'x'.repeat(1_048_576 - block.length)
    const { lines, ending } = await mallory.exchange(`HPUB bid ${block.length} 1048576\r\n${block}${payload}\r\n`)
    expect(lines.map(({ line }) => line)).toEqual([
      `-ERR 'Permissions Violation for Publish to "bid" with more bytes than the broker takes'`,
    ])
    expect(ending).toBeUndefined()
  })

  it('is delivered without the header if it comes by HTTP', async () => {
    const headers = { [NATS_HEADERS]: encodeURIComponent(JSON.stringify([[ORIGIN, id]])) }
    const token = await sign({ sub: 'mallory', nats: everything })
    expect((await post(bridge, '/publish/bid', token, { headers })).status).toBe(202)
    const body = JSON.stringify({ subject: 'bid', data: 1, headers: [[ORIGIN, id]] })
    expect((await post(bridge, '/publish', token, { body })).status).toBe(200)
    expect((await received(victim)).length).toBe(2)
  })
})

describe('a header by which a client would learn or do more than it may', () => {
  const permissions = { pub: { allow: ['mine.>'] }, sub: { allow: ['read.>'], deny: ['read.secret'] } }
  const LAST = 'Nats-Expected-Last-Subject-Sequence-Subject'

  it.each([
    [`${LAST}: secret.a`, false],
    [`${LAST}: >`, false],
    [`${LAST}: read.>`, false],
    [`${LAST}: read.secret`, false],
    [`${LAST}: mine.*`, true],
    [`${LAST}: read.a`, true],
    ['Nats-Consumer-Stalled: secret.a', false],
    ['Nats-Consumer-Stalled: mine.a', true],
    ['Nats-Schedule-Rollup: all', false],
    ['Nats-Schedule-Rollup: sub', true],
    ['Nats-Stream-Source: OTHER 9999999', false],
    ['Nats-Counter-Sources: {}', false],
    ['Nats-Request-Info: {"acc":"A"}', false],
    ['Nats-Trace-Hop: 1', false],
    ['Nats-Trace-Origin-Account: A', false],
    ['Nats-Server-Xkey: X', false],
    // A clustered nats-server 2.15.1 stops a replicated stream after a wrong value.
    ['Nats-Expected-Last-Msg-Id: 1', false],
    ['Nats-Msg-Id: 1', true],
    ['Nats-TTL: 1s', true],
    ['Nats-Of-Tomorrow: 1', true],
  ])('%s is taken: %s', async (field, isTaken) => {
    const [name] = field.split(':')
    const client = await connected(bridge, { auth_token: await sign({ sub: 'mallory', nats: permissions }) })
    for (const written of [field, field.replace(': ', ':'), field.replace(name ?? '', name?.toLowerCase() ?? '')]) {
      const { lines } = await client.exchange(hpub('mine.a', `NATS/1.0\r\nA: b\r\n${written}\r\n\r\n`))
      const header = written.split(':')[0]
      const refusal = `-ERR 'Permissions Violation for Publish to "mine.a" with ${header}'`
      expect(lines.map(({ line }) => line)).toEqual(isTaken ? [] : [refusal])
    }
    client.terminate()
  })

  it('Nats-Expected-Last-Msg-Id is taken in the query for a stored event, and there only', async () => {
    const query = NEVER_STORED.map(([name, value]) => `${name}: ${value}`)
    const [rollup = '', lastId = ''] = query
    const client = await connected(bridge, { auth_token: await sign({ sub: 'mallory', nats: permissions }) })
    const tenant = await connected(tenants, { auth_token: await sign({ sub: 'ada', org: 'acme', nats: everything }) })
    for (const one of [client, tenant]) {
      const refusals = async (...fields: string[]) => {
        const { lines } = await one.exchange(hpub('mine.a', `NATS/1.0\r\n${fields.join('\r\n')}\r\n\r\n`))
        return lines.map(({ line }) => / with (.*)'$/.exec(line)?.[1])
      }
      expect(await refusals('A: b', ...query)).toEqual([])
      expect(await refusals(lastId, rollup, 'Nats-Msg-Id: 1')).toEqual([])
      expect(await refusals(lastId)).toEqual(['Nats-Expected-Last-Msg-Id'])
      expect(await refusals(rollup)).toEqual(['Nats-Rollup'])
      for (const fields of [
        [rollup, 'Nats-Expected-Last-Msg-Id: 1'],
        ['Nats-Rollup: sub', lastId],
        ['Nats-Rollup: sub', ...query],
        ['nats-rollup: spanwire', lastId],
        ['Nats-Expected-Last-Msg-Id: 1', ...query],
        [...query, lastId],
        [...query, 'Nats-Expected-Last-Sequence: 1'],
        [...query, 'Nats-Of-Tomorrow: 1'],
      ])
        expect(await refusals(...fields), fields.join()).toHaveLength(1)
    }
    for (const one of [client, tenant]) one.terminate()
  })

  it('shows the connection of a client without echo to no other client', async () => {
    const token = await sign({ sub: 'ada', nats: everything })
    const [quiet, other] = [
      await connected(bridge, { auth_token: token, echo: false }),
      await connected(bridge, { auth_token: token }),
    ]
    await other.exchange('SUB deal 1\r\n')
    quiet.send(`PUB deal 2\r\nhi\r\n${hpub('deal', 'NATS/1.0\r\nA: b\r\n\r\n')}`)
    expect(await other.next()).toEqual({ line: 'MSG deal 1 2', payload: 'hi' })
    expect((await other.next())?.headers).toBe('NATS/1.0\r\nA: b\r\n\r\n')
    for (const one of [quiet, other]) one.terminate()
  })
})
