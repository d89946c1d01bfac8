import fc from 'fast-check'
import { connect as dial, type NatsConnection } from 'nats'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import type { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, post, sign } from './live-bridge.ts'

let bridges: LiveBridges
let bridge: BridgeServer
let root: NatsConnection
beforeAll(async () => {
  bridges = await LiveBridges.start({ jetstream: true })
  bridge = await bridges.serve({ auth: { secret: SECRET } })
  root = await dial({ servers: bridges.nats.url })
}, 60_000)
afterAll(async () => {
  await root?.close()
  await bridges?.close()
})
beforeEach(() => recreate())

const API = '$JS.API.CONSUMER.CREATE.MINE'
/** May use the JetStream API, and the subjects `mine.>`. */
const mine = { pub: { allow: ['mine.>', '$JS.API.>', '$JS.away.API.>'] }, sub: { allow: ['mine.>'] } }

const byRoot = async (subject: string, body = '') => (await root.request(subject, body)).json<Record<string, unknown>>()

/** Creates the stream again, with one message and no consumers. */
async function recreate(): Promise<void> {
  await byRoot('$JS.API.STREAM.DELETE.MINE')
  await byRoot('$JS.API.STREAM.CREATE.MINE', JSON.stringify({ name: 'MINE', subjects: ['mine.>'], storage: 'memory' }))
  await byRoot('mine.a', 'forged')
}

/** Subjects under `secret.` to which consumers of the stream deliver. */
async function aims(): Promise<string[]> {
  const { consumers, total } = await byRoot('$JS.API.CONSUMER.LIST.MINE')
  const subjects = (consumers as Array<{ config: { deliver_subject?: string } }>).map(
    (one) => one.config.deliver_subject,
  )
  expect(subjects.length).toBe(total)
  return subjects
    .filter((subject) => subject?.startsWith('secret.'))
    .map(String)
    .sort()
}

/** A client that gets an answer to each of its requests: an `-ERR`, or JetStream's reply. */
async function client(permissions: object): Promise<RawClient> {
  const opened = await connected(bridge, { auth_token: await sign({ sub: 'mallory', nats: permissions }) })
  await opened.exchange('SUB _INBOX.k.* 1\r\n')
  return opened
}
const pub = (subject: string, body: string) => `PUB ${subject} _INBOX.k.1 ${Buffer.byteLength(body)}\r\n${body}\r\n`
async function answerTo(sender: RawClient, subject: string, body: string): Promise<string | undefined> {
  sender.send(pub(subject, body))
  return (await sender.next())?.line
}
const violation = (subject: string, what: string) =>
  `-ERR 'Permissions Violation for Publish to "${subject}" with ${what}'`
const consumer = (config: object) => JSON.stringify({ stream_name: 'MINE', config })

describe('a JetStream request that makes the server publish', () => {
  const push = { deliver_subject: 'secret.push', ack_policy: 'none', deliver_policy: 'all' }

  it('has an effect on nats-server with all permissions', async () => {
    const secret = root.subscribe('secret.push', { max: 1 })
    await byRoot(API, consumer(push))
    for await (const message of secret) expect([message.subject, message.string()]).toEqual(['mine.a', 'forged'])
    // nats-server merges duplicate fields, and ignores case in names.
    const twice = consumer({ ...push, deliver_subject: 'secret.twice' }).replace(
      /}$/,
      ',"config":{"ack_policy":"none"}}',
    )
    await byRoot(API, twice)
    await byRoot(API, consumer(push).replace('deliver_subject":"secret.push', 'Deliver_ſubject":"secret.folded'))
    expect(await aims()).toEqual(['secret.folded', 'secret.push', 'secret.twice'])
  })

  it('is rejected: push consumers and snapshots to other subjects', async () => {
    const mallory = await client(mine)
    for (const subject of [
      ...[API, `${API}.name`, '$JS.API.CONSUMER.DURABLE.CREATE.MINE.d', '$JS.away.API.CONSUMER.CREATE.MINE'],
    ])
      expect(await answerTo(mallory, subject, consumer(push))).toBe(violation(subject, 'deliver_subject'))
    const snapshot = '$JS.API.STREAM.SNAPSHOT.MINE'
    expect(await answerTo(mallory, snapshot, '{"deliver_subject":"secret.s"}')).toBe(
      violation(snapshot, 'deliver_subject'),
    )
    expect(await answerTo(mallory, API, consumer({ deliver_subject: '$EDGE.x' }))).toBe(
      violation(API, 'deliver_subject'),
    )
    expect(await answerTo(mallory, API, '{"config":')).toBe(violation(API, 'a body that is not JSON'))
    for (const [body, what] of [
      ['{"stream_name":"MINE","Config":{"deliver_subject":"secret.a"}}', 'deliver_subject'],
      ['{"stream_name":"MINE","config":{"deliver_ſubject":"secret.b"}}', 'deliver_ſubject'],
      ['{"stream_name":"MINE","config":{"\\u0064eliver_subject":"secret.c"}}', 'deliver_subject'],
      ['{"stream_name":"MINE","config":{"deliver_subject":"secret.d"},"config":{}}', 'a duplicate field'],
      ['{"stream_name":"MINE","c\\u006fnfig":{"\\u0064eliver_subject":"secret.e"},"config":{}}', 'a duplicate field'],
    ] as const)
      expect(await answerTo(mallory, API, body), body).toBe(violation(API, what))
    const answer = await post(bridge, `/request/${API}`, await sign({ sub: 'm', nats: mine }), { body: consumer(push) })
    expect([answer.status, (await answer.json()).code]).toEqual([403, 'permission-denied'])
    expect(await aims()).toEqual([])
    mallory.terminate()
  })

  it('is rejected: streams that store, copy or republish other subjects', async () => {
    const mallory = await client(mine)
    for (const [field, value] of Object.entries({
      subjects: ['mine.x', 'secret.>'],
      mirror: { name: 'OTHER' },
      sources: [{ name: 'OTHER' }],
      republish: { src: '>', dest: 'secret.>' },
      subject_transform: { src: '>', dest: 'secret.>' },
    }))
      for (const verb of ['CREATE', 'UPDATE']) {
        const subject = `$JS.API.STREAM.${verb}.NEW`
        expect(await answerTo(mallory, subject, JSON.stringify({ name: 'NEW', [field]: value }))).toBe(
          violation(subject, field),
        )
      }
    mallory.terminate()
  })

  it('is refused: a stream without subjects, which captures the subject that is its name', async () => {
    const mallory = await client(mine)
    // It works for a client that may read it: that the others are refused is not for another reason.
    const owner = await client({ pub: { allow: ['$JS.API.>'] }, sub: { allow: ['SECRET'] } })
    for (const body of ['', ',"subjects":[]', ',"subjects":null', ',"Subjects":[]', ',"mirror":null,"sources":[]'])
      for (const verb of ['CREATE', 'UPDATE']) {
        const subject = `$JS.API.STREAM.${verb}.SECRET`
        const config = `{"name":"SECRET"${body}}`
        expect(await answerTo(mallory, subject, config), config).toBe(violation(subject, 'subjects'))
        expect(await answerTo(owner, subject, config), config).toMatch(/^MSG /)
      }
    const info = await byRoot('$JS.API.STREAM.INFO.SECRET')
    expect(info.config).toMatchObject({ subjects: ['SECRET'] })
    const token = await sign({ sub: 'm', nats: mine })
    const answer = await post(bridge, '/request/$JS.API.STREAM.CREATE.PRICES', token, { body: '{"name":"PRICES"}' })
    expect([answer.status, (await answer.json()).code]).toEqual([403, 'permission-denied'])
    await byRoot('$JS.API.STREAM.DELETE.SECRET')
    for (const one of [mallory, owner]) one.terminate()
  })

  it('is refused: a consumer whose filter, in the subject of the request, is wider than the permission', async () => {
    const create = `${API}.c`
    const narrow = await client({ pub: { allow: [`${create}.mine.*`] }, sub: {} })
    const denied = await client({ pub: { allow: [`${create}.>`], deny: [`${create}.mine.secret`] }, sub: {} })
    const filtered = (filter: string) => consumer({ name: 'c', filter_subject: filter, ack_policy: 'explicit' })
    const ask = (sender: RawClient, filter: string) => answerTo(sender, `${create}.${filter}`, filtered(filter))
    for (const filter of ['mine.a', 'mine.*']) expect(await ask(narrow, filter)).toMatch(/^MSG /)
    for (const [sender, filter] of [
      ...[[narrow, 'mine.>'] as const, [narrow, '>'] as const, [narrow, '*.a'] as const],
      ...[[denied, 'mine.*'] as const, [denied, '>'] as const, [denied, 'mine.secret'] as const],
    ])
      expect(await ask(sender, filter), filter).toBe(
        `-ERR 'Permissions Violation for Publish to "${create}.${filter}"'`,
      )
    // Nowhere else in a subject, and no other request.
    const all = await client(everything)
    for (const subject of [
      `${API.replace('MINE', '*')}.c.mine.*`,
      `${API}.*.mine.*`,
      '$JS.API.STREAM.INFO.*',
      `${API}.>`,
    ])
      expect(await answerTo(all, subject, filtered('mine.*')), subject).toBe(
        `-ERR 'Permissions Violation for Publish to "${subject}"'`,
      )
    for (const one of [narrow, denied, all]) one.terminate()
  })

  it('delivers to an inbox of the client itself, and to no other client’s', async () => {
    const [ada, mallory] = [await client(mine), await client(mine)]
    // The same name, at the same bridge, for the same user.
    for (const one of [ada, mallory]) await one.exchange('SUB _INBOX.push.1 push\r\n')
    const config = consumer({ name: 'c', deliver_subject: '_INBOX.push.1', ack_policy: 'none' })
    ada.send(pub(`${API}.c`, config))
    const answers = [await ada.next(), await ada.next()]
    const created = answers.find((one) => one?.line.includes('_INBOX.k.1'))
    expect(answers.find((one) => one?.line.startsWith('MSG mine.a push '))?.payload).toBe('forged')
    // The client sees its own name; others see the broker's, which leads them nowhere.
    expect(JSON.parse(created?.payload ?? '').config.deliver_subject).toBe('_INBOX.push.1')
    expect(await answerTo(mallory, '$JS.API.CONSUMER.INFO.MINE.c', '')).toMatch(/^MSG /)
    const list = await byRoot('$JS.API.CONSUMER.LIST.MINE')
    const [{ config: shown }] = list.consumers as [{ config: { deliver_subject: string } }]
    expect(shown.deliver_subject).toMatch(/^_INBOX\.[0-9a-f]{32}\.push\.1$/)
    await mallory.exchange(`SUB ${shown.deliver_subject} 2\r\nSUB _INBOX.push.> 3\r\n`)
    await byRoot('mine.b', 'second')
    expect((await ada.next())?.payload).toBe('second')
    expect((await mallory.exchange()).lines).toEqual([])
    for (const one of [ada, mallory]) one.terminate()
  })

  it('is refused: a body that takes long to read, and a config that is no object costs nothing', async () => {
    const mallory = await client(mine)
    const long = JSON.stringify({ config: 'x'.repeat(512 * 1024) })
    expect(await answerTo(mallory, API, long)).toBe(violation(API, 'a body of more than 262144 bytes'))
    for (const body of ['{"config":"x"}', '{"config":[1]}', '"x"', '[]', 'null'])
      expect(await answerTo(mallory, API, body), body).toMatch(/^MSG /)
    mallory.terminate()
  })

  it('is rejected: consumers of a snapshot', async () => {
    const mallory = await client(mine)
    const subject = '$JS.API.STREAM.RESTORE.OWN'
    const body = '{"config":{"name":"OWN","subjects":["mine.own.*"]}}'
    expect(await answerTo(mallory, subject, body)).toBe(violation(subject, 'consumers of the snapshot'))
    mallory.terminate()
    const all = await client(everything)
    expect(await answerTo(all, subject, body)).toMatch(/^MSG /)
    all.terminate()
  })

  it('is rejected: a stream that stores the messages of an inbox', async () => {
    const inboxes = { pub: { allow: ['_INBOX.>', '$JS.API.>'] }, sub: { allow: ['evil', 'ask'] } }
    const mallory = await client(inboxes)
    const bank = await connected(bridge, { auth_token: await sign({ sub: 'bank', nats: inboxes }) })
    const ada = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: { pub: { allow: ['*'] } } }) })
    await mallory.exchange('SUB evil 2\r\n')
    await bank.exchange('SUB ask 1\r\n')
    await ada.exchange('SUB _INBOX.ada.* 1\r\n')
    ada.send('PUB evil _INBOX.ada.1 0\r\n\r\n')
    const inbox = (await mallory.next())?.line.split(' ')[3]?.split('.')[1]
    const subject = '$JS.API.STREAM.CREATE.LOOT'
    for (const filter of [`_INBOX.${inbox}.>`, `_INBOX.${inbox}.ada.*`, `*.${inbox}.>`, '*.*.ada.*'])
      expect(await answerTo(mallory, subject, JSON.stringify({ name: 'LOOT', subjects: [filter] })), filter).toBe(
        violation(subject, 'subjects'),
      )
    ada.send('PUB ask _INBOX.ada.2 0\r\n\r\n')
    const reply = (await bank.next())?.line.split(' ')[3]
    await bank.exchange(`PUB ${reply} 6\r\nsecret\r\n`)
    expect((await ada.next())?.payload).toBe('secret')
    expect((await byRoot('$JS.API.STREAM.INFO.LOOT')).error).toMatchObject({ code: 404 })
    for (const one of [mallory, bank, ada]) one.terminate()
  })

  it('is accepted with its own subjects, and with all permissions', async () => {
    const mallory = await client(mine)
    for (const [subject, body] of [
      [API, consumer({ deliver_subject: 'mine.push', ack_policy: 'none' })],
      [API, consumer({ ack_policy: 'none', metadata: { note: 'subjects', sources: 'a name of its own' } })],
      ['$JS.API.STREAM.CREATE.OWN', '{"name":"OWN","subjects":["mine.own.*"],"mirror":null}'],
      ['$JS.API.STREAM.INFO.MINE', ''],
    ] as const)
      expect(await answerTo(mallory, subject, body), body).toMatch(/^MSG /)
    const all = await client(everything)
    expect(await answerTo(all, API, consumer(push))).toMatch(/^MSG /)
    const copy = '{"name":"ANY","subjects":["any.>"],"sources":[{"name":"MINE"}]}'
    expect(await answerTo(all, '$JS.API.STREAM.CREATE.ANY', copy)).toMatch(/^MSG /)
    expect(await aims()).toEqual(['secret.push'])
    for (const one of [mallory, all]) one.terminate()
  })

  it('is rejected in ambiguous bodies', async () => {
    // Almost all valid, because nats-server 2.15 rejects unknown fields.
    const name = fc.constantFrom(
      ...['deliver_subject', 'Deliver_Subject', 'DELIVER_SUBJECT', 'deliver_ſubject', '\\u0064eliver_subject'],
      ...['description', 'description'],
    )
    const text = fc.constantFrom('"secret.y"', '"secret.y"', '""', '"mine.y"')
    const field = fc.tuple(name, text).map(([name, one]) => `"${name}":${one}`)
    const note = fc.array(field, { maxLength: 2 }).map((fields) => `"metadata":{${fields}}`)
    const value = fc
      .array(fc.oneof({ weight: 4, arbitrary: field }, { weight: 1, arbitrary: note }), { maxLength: 3 })
      .map((fields) => `{${fields}}`)
    const config = fc.constantFrom('config', 'config', 'Config', 'CONFIG', 'c\\u006fnfig')
    const body = fc
      .array(fc.tuple(config, value), { minLength: 1, maxLength: 3 })
      .map((fields) => `{"stream_name":"MINE",${fields.map(([name, one]) => `"${name}":${one}`).join(',')}}`)
    const before = fc
      .sample(value, 500)
      .map((one) => `{"stream_name":"MINE","config":{"deliver_subject":"secret.z"},"config":${one}}`)
    const bodies = [...fc.sample(body, 3_000), ...before]
    const run = async (request: (body: string) => Promise<unknown>) => {
      let found = 0
      for (let at = 0; at < bodies.length; at += 100) {
        await Promise.all(bodies.slice(at, at + 100).map(request))
        found += (await aims()).length
        await recreate()
      }
      return found
    }
    const mallory = await client(mine)
    expect(await run((body) => answerTo(mallory, API, body))).toBe(0)
    mallory.terminate()
    expect(await run((body) => root.request(API, body))).toBeGreaterThan(500)
  })
})
