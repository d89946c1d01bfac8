/** Atomic batches and schedules: what a client may begin, and where its schedules may publish. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEmbeddedBroker } from '../../bridge/broker/embedded.ts'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { serve } from '../../bridge/hosts/node.ts'
import type { Upstream } from '../../bridge/upstream/upstream.ts'
import { NATS_HEADERS } from '../../sdk/wire/header-names.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { eventually } from '../support/eventually.ts'
import { SECRET } from '../support/token.ts'
import { connected, post, sign } from './live-bridge.ts'

const broker = createEmbeddedBroker()
let upstream: Upstream
let bridge: BridgeServer
let count = 0

/** Sends a request to the broker itself. Resolves with its answer. */
async function ask(subject: string, body: object): Promise<Record<string, unknown>> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const reply = `_INBOX.admin.${++count}`
  const end = upstream.subscribe(reply, undefined, ({ payload }) => resolve(new TextDecoder().decode(payload)))
  upstream.publish({ subject, reply, payload: new TextEncoder().encode(JSON.stringify(body)) })
  const answer = JSON.parse(await promise)
  end()
  return answer
}
const subjectsOf = async () => {
  const { state } = await ask('$JS.API.STREAM.INFO.S', { subjects_filter: '>' })
  return Object(Object(state).subjects) as Record<string, number>
}

beforeAll(async () => {
  upstream = broker.connect()
  await ask('$JS.API.STREAM.CREATE.S', {
    name: 'S',
    subjects: ['own.>', 'secret.>', '$SCHEDULE.S.>'],
    storage: 'memory',
    allow_msg_ttl: true,
    allow_atomic: true,
    allow_msg_schedules: true,
  })
  bridge = await serve({ upstream: broker.connect(), auth: { secret: SECRET }, limits: { maxBatchesPerUser: 3 } })
})
afterAll(async () => {
  await bridge?.close()
  await upstream?.close()
  broker.close()
})

const mine = { pub: { allow: ['own.>', '$SCHEDULE.S.own.>'] } }
const client = async (sub: string) => connected(bridge, { auth_token: await sign({ sub, nats: mine }) })
function hpub(subject: string, fields: ReadonlyArray<readonly [string, string]>): string {
  return raw(subject, new TextDecoder().decode(encodeHeaders(fields)))
}
function raw(subject: string, block: string): string {
  return `HPUB ${subject} ${block.length} ${block.length}\r\n${block}\r\n`
}
const part = (id: string, seq: number | string, more: ReadonlyArray<readonly [string, string]> = []) =>
  hpub('own.a', [['Nats-Batch-Id', id], ['Nats-Batch-Sequence', String(seq)], ...more])
const COMMIT = [['Nats-Batch-Commit', '1']] as const
const OVER =
  '-ERR \'Permissions Violation for Publish to "own.a" with a rate of open batches, or a batch, over the limit\''

describe('a schedule', () => {
  const at = ['Nats-Schedule', '@at 2020-01-01T00:00:00Z'] as const
  const block = (...lines: string[]) => ['NATS/1.0', ...lines, '', ''].join('\r\n')
  const attacks: Record<string, string> = {
    'a foreign target': block('Nats-Schedule: @every 1s', 'Nats-Schedule-Target: secret.x'),
    'a second target': block(
      'Nats-Schedule: @every 1s',
      'Nats-Schedule-Target: own.x',
      'Nats-Schedule-Target: secret.x',
    ),
    'a target before the own one': block(
      'Nats-Schedule: @every 1s',
      'Nats-Schedule-Target: secret.x',
      'Nats-Schedule-Target: own.x',
    ),
    'a target in other letters': block('Nats-Schedule: @every 1s', 'nats-schedule-TARGET: secret.x'),
    'a target with blanks': block('Nats-Schedule: @every 1s', 'Nats-Schedule-Target:    secret.x'),
    'a target with a wildcard': block('Nats-Schedule: @every 1s', 'Nats-Schedule-Target: own.*'),
    'a target of the bridge': block('Nats-Schedule: @every 1s', 'Nats-Schedule-Target: $EDGE.HUB'),
    'a foreign source': block(
      'Nats-Schedule: @every 1s',
      'Nats-Schedule-Target: own.x',
      'Nats-Schedule-Source: secret.x',
    ),
    'a foreign schedule to end': block('Nats-Schedule-Next: purge', 'Nats-Scheduler: $SCHEDULE.S.bob.1'),
    'a roll-up of all': block('Nats-Schedule: @every 1s', 'Nats-Schedule-Target: own.x', 'Nats-Rollup: all'),
    'an unfinished line': 'NATS/1.0\r\nNats-Schedule: @every 1s\r\nNats-Schedule-Target: secret.x',
  }
  it.each(Object.entries(attacks))('is refused with %s', async (_, attack) => {
    const mallory = await client('mallory')
    for (const subject of ['own.schedule', '$SCHEDULE.S.own.1']) {
      const { lines } = await mallory.exchange(raw(subject, attack))
      expect(lines.map(({ line }) => line)).toEqual([expect.stringMatching(/^-ERR 'Permissions Violation for Publish/)])
    }
    mallory.terminate()
  })

  it('is refused with a foreign target by HTTP', async () => {
    const token = await sign({ sub: 'mallory', nats: mine })
    const headers = [at, ['Nats-Schedule-Target', 'secret.x']]
    const answer = await post(bridge, '/publish/own.schedule', token, {
      headers: { [NATS_HEADERS]: encodeURIComponent(JSON.stringify(headers)) },
    })
    expect([answer.status, (await answer.json()).code]).toEqual([403, 'permission-denied'])
    const line = await post(bridge, '/publish', token, {
      body: JSON.stringify({ subject: 'own.schedule', data: 1, headers }),
    })
    expect(await line.json()).toMatchObject({ ok: false, code: 'permission-denied' })
  })

  it('publishes to its own target, and nothing of the attacks', async () => {
    const ada = await client('ada')
    await ada.exchange(hpub('$SCHEDULE.S.own.2', [at, ['Nats-Schedule-Target', 'own.scheduled']]))
    await eventually(async () => (await subjectsOf())['own.scheduled'])
    expect(Object.keys(await subjectsOf()).filter((subject) => subject.startsWith('secret'))).toEqual([])
    ada.terminate()
  })
})

describe('open batches', () => {
  it('are bounded for a user over all connections, and other users are not affected', async () => {
    const [one, two, other] = [await client('bob'), await client('bob'), await client('carol')]
    const send = async (from: typeof one, text: string) => (await from.exchange(text)).lines.map(({ line }) => line)
    expect(await send(one, part('b1', 1) + part('b2', 1))).toEqual([])
    expect(await send(two, part('b3', 1))).toEqual([])
    expect(await send(two, part('b4', 1))).toEqual([OVER])
    // Its open batches go on.
    expect(await send(one, part('b1', 2))).toEqual([])
    expect(await send(other, part('c1', 1))).toEqual([])
    const token = await sign({ sub: 'bob', nats: mine })
    const headers = [
      ['Nats-Batch-Id', 'b5'],
      ['Nats-Batch-Sequence', '1'],
    ]
    const answer = await post(bridge, '/publish/own.a', token, {
      headers: { [NATS_HEADERS]: encodeURIComponent(JSON.stringify(headers)) },
    })
    expect([answer.status, (await answer.json()).code]).toEqual([429, 'rate-limited'])
    // A committed batch makes room.
    expect(await send(one, part('b1', 3, COMMIT))).toEqual([])
    expect(await send(two, part('b4', 1))).toEqual([])
    expect((await subjectsOf())['own.a']).toBe(3)
    for (const each of [one, two, other]) each.terminate()
  })

  it('have at most 1,000 messages, and one without permission is not stored with the others', async () => {
    const dave = await client('dave')
    const send = async (text: string) => (await dave.exchange(text)).lines.map(({ line }) => line)
    const before = await subjectsOf()
    expect(await send(part('d1', 1_001))).toEqual([OVER])
    expect(await send(part('d2', 1))).toEqual([])
    const foreign = hpub('secret.a', [
      ['Nats-Batch-Id', 'd2'],
      ['Nats-Batch-Sequence', '2'],
    ])
    expect(await send(foreign)).toEqual([expect.stringContaining('Permissions Violation for Publish to "secret.a"')])
    expect(await send(part('d2', 3, COMMIT))).toEqual([])
    expect(await subjectsOf()).toEqual(before)
    dave.terminate()
  })
})
