/** Publishes and schemas that try to pass the contract, or to harm the hub. */
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { bytes, defineEvents, event, json, type StandardSchema } from '../../../../sdk/index.ts'
import { ScriptedClient } from '../session/scripted-client.ts'
import { gatedBridge, hpub, pub, violation } from './gated-bridge.ts'

const tree: z.ZodType = z.object({
  get down() {
    return z.union([z.string(), tree])
  },
})
const schema = (validate: StandardSchema['~standard']['validate']): StandardSchema => ({
  '~standard': { version: 1, vendor: 'test', validate },
})
const events = defineEvents({
  'chat.{room}': z.object({ text: z.string() }),
  'orders.{id}': event(z.object({ cents: z.number() }), { stream: 'ORDERS' }),
  'files.{id}': bytes(),
  'open.{id}': json<unknown>(),
  'list.{id}': z.object({ all: z.array(z.string()) }),
  'tree.{id}': tree,
  'throws.{id}': schema(() => {
    throw new Error('secret')
  }),
  'rejects.{id}': schema(() => Promise.reject(new Error('secret'))),
  'nothing.{id}': schema(() => undefined as never),
  'later-nothing.{id}': schema(async () => undefined as never),
  'malformed.{id}': schema(
    async () => ({ issues: [{}, { message: 5, path: 'ab' }, { path: [Object.create(null)] }] }) as never,
  ),
  'long-path.{id}': schema(() => ({ issues: [{ message: '\u0001日"'.repeat(500), path: Array(5_000).fill('日') }] })),
  'a-set.{id}': schema(async () => ({ issues: new Set([{ message: 'wrong' }]) }) as never),
  'no-text.{id}': schema(() => ({ issues: [{ message: 'wrong' }, { message: Object.create(null) }] })),
  'not-a-list.{id}': schema(() => ({ issues: true }) as never),
})

/** Sends frames to a bridge with the contract. Returns the answers before the PONG. */
async function answersTo(
  frames: string | Uint8Array,
  options: Parameters<typeof gatedBridge<typeof events>>[0] = {},
): Promise<string> {
  const { bridge, log } = gatedBridge({ events, unknownSubjects: 'pass', ...options })
  const client = await ScriptedClient.connected(bridge)
  if (typeof frames === 'string') client.send(frames)
  else client.connection.receive(frames)
  client.send('PING\r\n')
  const text = await client.until('PONG\r\n')
  expect(client.closes).toEqual([])
  expect(JSON.stringify(log)).not.toContain('secret')
  return text.replace('PONG\r\n', '')
}

describe('a header by which the server publishes to an event', () => {
  const valid = { text: 'x' }
  it('a target in a block without a version: the data is checked', async () => {
    const block = 'X\r\nNats-Schedule: @at x\r\nNats-Schedule-Target: orders.1\r\n\r\n'
    expect(await answersTo(hpub('$SCHEDULE.S.1', block, valid))).toContain('invalid data')
  })

  it('several targets are refused: nats-server obeys one, and each check takes time', async () => {
    const two = 'NATS/1.0\r\nnats-schedule-target: chat.a\r\nNats-Schedule-Target: orders.1\r\n\r\n'
    const many = Array.from({ length: 400 }, (_, n) => `Nats-Schedule-Target: open.${n}\r\n`).join('')
    for (const block of [two, `NATS/1.0\r\n${many}\r\n`])
      expect(await answersTo(hpub('$SCHEDULE.S.1', block, valid))).toBe(
        violation('$SCHEDULE.S.1', 'Nats-Schedule-Target'),
      )
  })

  it.each([
    ['Nats-Trace-Dest', 'chat.a'],
    ['nats-trace-dest', 'orders.1'],
    ['Nats-Consumer-Stalled', 'chat.a'],
  ])('%s is refused', async (name, to) => {
    const frames =
      hpub('open.1', `NATS/1.0\r\n${name}: ${to}\r\n\r\n`, 1) + hpub('open.1', `X\r\n${name}: ${to}\r\n\r\n`, 1)
    expect(await answersTo(frames)).toBe(violation('open.1', name).repeat(2))
    expect(await answersTo(hpub('open.1', { [name]: 'other' }, 1))).not.toContain(`with ${name}'`)
  })

  it('a schedule can not copy the events of another name', async () => {
    const scheduled = (source: string, target = 'orders.1') =>
      hpub(
        '$SCHEDULE.ORDERS.1',
        { 'Nats-Schedule': '@hourly', 'Nats-Schedule-Target': target, 'Nats-Schedule-Source': source },
        { cents: 1 },
      )
    const refusal = violation('$SCHEDULE.ORDERS.1', 'Nats-Schedule-Source')
    expect(await answersTo(scheduled('chat.a') + scheduled('other'))).toBe(refusal.repeat(2))
    expect(await answersTo(scheduled('orders.2') + scheduled('chat.a', 'other'))).not.toContain('Source')
  })

  it('a consumer can not deliver to an event', async () => {
    const create = (to: string) => pub('$JS.API.CONSUMER.CREATE.NONE', { config: { deliver_subject: to } })
    const refusal = violation('$JS.API.CONSUMER.CREATE.NONE', 'deliver_subject')
    expect(await answersTo(create('chat.a') + create('other'))).toBe(refusal)
  })

  it('a query for a stored message has no other command', async () => {
    const query = 'Nats-Rollup: spanwire\r\nNats-Expected-Last-Msg-Id: spanwire: was it stored?\r\n'
    const blocks = [
      `Nats-Rollup: sub\r\n${query}`,
      `Nats-Expected-Last-Msg-Id: 1\r\n${query}`,
      `nats-rollup: sub\r\n${query}`,
    ]
    const text = await answersTo(blocks.map((block) => hpub('orders.1', `NATS/1.0\r\n${block}\r\n`, '')).join(''))
    expect(text.match(/invalid data/g)).toHaveLength(3)
    expect(await answersTo(hpub('orders.1', `NATS/1.0\r\n${query}\r\n`, ''))).toBe('')
  })
})

describe('a payload', () => {
  it('that is not UTF-8 is not JSON', async () => {
    const frame = (subject: string) => Buffer.from(`PUB ${subject} 12\r\n{"text":"\xff"}\r\n`, 'latin1')
    expect(await answersTo(frame('chat.a'))).toContain('It is not application/json.')
    expect(await answersTo(frame('open.a'))).toContain('It is not application/json.')
    expect(await answersTo(frame('files.a'))).toBe('')
  })

  it.each([
    ['prototype keys', '{"__proto__":{"text":"x"},"constructor":{"prototype":{"text":"x"}}}'],
    ['lists in lists', '['.repeat(400_000) + ']'.repeat(400_000)],
    ['lists that do not end', '['.repeat(900_000)],
    ['objects in objects', `${'{"text":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['a number beyond the range', '{"text":1e999999}'],
  ])('with %s is refused', async (_, text) => {
    expect(await answersTo(pub('chat.a', text))).toContain('invalid data')
    expect(({} as { text?: string }).text).toBeUndefined()
  })

  it('whose recursion is too deep for its schema is refused', async () => {
    expect(await answersTo(pub('tree.a', `${'{"down":'.repeat(20_000)}1${'}'.repeat(20_000)}`))).toContain(
      'invalid data',
    )
  })

  it('with many issues costs the rate of its user, and has a short answer', async () => {
    const now = { ms: 0 }
    const limits = { publishRate: { messages: 1_000, bytes: 1_000_000 }, maxPayload: 100_000 }
    const { bridge } = gatedBridge({ events, limits, clock: () => now.ms })
    const client = await ScriptedClient.connected(bridge)
    const many = pub('list.a', { all: Array(20_000).fill(1) })
    const send = async (frame: string) => {
      client.send(`${frame}PING\r\n`)
      return client.until('PONG\r\n')
    }
    const text = await send(many)
    expect(text).toContain('invalid data')
    expect(text.length).toBeLessThan(4_096)
    expect(await send(pub('list.a', { all: [] }))).toContain('a rate over the limit')
    const post = () => bridge.app.request('/publish/list.a', { method: 'POST', body: '{"all":[]}' })
    now.ms += 3_000
    expect(await send(pub('list.a', { all: [] }))).toBe('PONG\r\n')
    const body = JSON.stringify({ all: Array(20_000).fill(1) })
    expect((await bridge.app.request('/publish/list.a', { method: 'POST', body })).status).toBe(422)
    expect((await post()).status).toBe(429)
  })

  it('with many issues ends the checks of its batch, also while earlier publishes wait', async () => {
    let calls = 0
    const counted = defineEvents({
      'list.{id}': schema(() => {
        calls++
        return { issues: Array(20_000).fill({ message: 'wrong' }) }
      }),
      'slow.{id}': schema(() => new Promise<never>(() => {})),
    })
    const limits = { publishRate: { messages: 1_000, bytes: 1_000_000 } }
    const { bridge } = gatedBridge({ events: counted, limits, authorize: { timeout: 50 } })
    const body = '{"subject":"list.a","data":1}\n'.repeat(50)
    const response = await bridge.app.request('/publish', { method: 'POST', body })
    const codes = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).code)
    expect([codes.length, codes[0], codes.at(-1), calls]).toEqual([50, 'invalid-data', 'rate-limited', 1])
    const client = await ScriptedClient.connected(bridge)
    client.send(`${pub('slow.a', 1)}${pub('list.a', 1).repeat(20)}PING\r\n`)
    const text = await client.until('PONG\r\n')
    expect([text.match(/a rate over the limit/g)?.length, calls]).toEqual([19, 2])
  })
})

describe('a schema', () => {
  it.each([
    'throws',
    'rejects',
    'nothing',
    'later-nothing',
    'malformed',
    'long-path',
    'not-a-list',
    'a-set',
    'no-text',
  ])('that is wrong refuses the publish, by every way: %s', async (name) => {
    const text = await answersTo(pub(`${name}.1`, 1) + pub('chat.a', { text: 'x' }))
    expect(text).toMatch(/^-ERR 'Permissions Violation for Publish to "[^"]*" with invalid data "\[.*\]"'\r\n$/)
    expect(Buffer.byteLength(text)).toBeLessThan(2_048)
    const { bridge } = gatedBridge({ events })
    const response = await bridge.app.request(`/publish/${name}.1`, { method: 'POST', body: '1' })
    const problem = await response.text()
    expect([response.status, problem.includes('secret')]).toEqual([422, false])
  })

  it('an error of the application with any message is a refusal', async () => {
    const publish = () => Promise.reject(Object.assign(new Error(), { message: 5, name: Symbol('x') }))
    expect(await answersTo(pub('chat.a', { text: 'x' }), { authorize: { publish } })).toContain(
      'the decision of the application failed',
    )
  })
})

it.each([
  'chat.',
  '.chat.a',
  'chat..a',
  'chat.*',
  'chat.>',
  'chat.a\u0001',
  'chat.\u2028',
  '__proto__',
  'constructor.prototype',
  'chat',
  'chat.a.b',
  'CHAT.a',
])('the subject %j does not pass the contract', async (subject) => {
  const { bridge } = gatedBridge({ events })
  const client = await ScriptedClient.connected(bridge)
  client.send(`SUB > 1\r\n${pub(subject, { text: 7 })}PING\r\n`)
  const text = await client.until('PONG\r\n')
  expect(text).toMatch(/^-ERR '(Permissions Violation for Publish|Invalid Publish Subject)/)
  expect(text).not.toContain('MSG')
  const post = await bridge.app.request(`/publish/${encodeURIComponent(subject)}`, {
    method: 'POST',
    body: '{"text":7}',
  })
  expect([400, 403, 422]).toContain(post.status)
})
