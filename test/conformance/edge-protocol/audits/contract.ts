import { expect } from 'vitest'
import { consume } from '../../../../sdk/consumer/index.ts'
import { webSocket } from '../../../../sdk/transport/websocket/websocket.ts'
import type { HeaderFields } from '../../../../sdk/wire/headers.ts'
import type { Audit } from '../audit.ts'
import { auditedEvents } from '../audited-contract.ts'
import { expectMessages, lines, messages } from '../expectations.ts'
import { contractAudit, hpub, pub, refusal, violation } from './contract-audit.ts'

const VALID = '{"text":"x"}'
const INVALID = '{"text":7}'
const ISSUES = [{ message: 'Invalid input: expected string, received number', path: ['text'] }]
const INVALID_DATA = `invalid data ${JSON.stringify(JSON.stringify(ISSUES))}`
const UNKNOWN = 'no event of the contract has this subject'
const DENIED = 'the application does not permit it'
const FAILED = 'the decision of the application failed'
const LATE = 'no decision of the application in time'

export const contract: readonly Audit[] = [
  contractAudit({
    rules: ['V-1', 'V-2', 'V-3', 'V-4'],
    title: 'rejects invalid data with the issues, and other refusals with a reason, and continues',
    async run({ checked, token }) {
      const [client, receiver] = [await checked({ verbose: true }), await checked()]
      await receiver.exchange('SUB *.*.* 1\r\n')
      const note = `note.${token}.a`
      const expected: Array<[string, string, string]> = [
        [note, INVALID, violation(note, INVALID_DATA)],
        [note, VALID, '+OK'],
        [note, '{', violation(note, 'invalid data "[{\\"message\\":\\"It is not application/json.\\"}]"')],
        [`slow.${token}.a`, INVALID, violation(`slow.${token}.a`, INVALID_DATA)],
        [`slow.${token}.a`, VALID, '+OK'],
        [`other.${token}`, VALID, refusal(`other.${token}`, UNKNOWN)],
        [`note.${token}.closed`, VALID, refusal(`note.${token}.closed`, DENIED)],
        [`note.${token}.broken`, VALID, refusal(`note.${token}.broken`, FAILED)],
        [`file.${token}.a`, '\0any', '+OK'],
      ]
      const answer = await client.exchange(expected.map(([subject, payload]) => pub(subject, payload)).join(''))
      expect(lines(answer)).toEqual(expected.map(([, , line]) => line))
      const bytes = Buffer.from(`PUB ${note} 12\r\n{"text":"\xff"}\r\n`, 'latin1')
      expect(lines(await client.exchange(bytes))).toEqual([expect.stringContaining('It is not application/json.')])
      // The parser of a runtime may refuse it before the schema does.
      const deep = lines(await client.exchange(pub(note, '['.repeat(200_000) + ']'.repeat(200_000))))
      expect(deep).toEqual([expect.stringContaining('with invalid data')])
      const delivered = messages(await receiver.exchange()).filter((message) => message.includes(token))
      expect(delivered).toEqual([`${note} 1 ${VALID}`, `slow.${token}.a 1 ${VALID}`, `file.${token}.a 1 \0any`])
    },
  }),
  contractAudit({
    rules: ['V-5', 'V-6'],
    title: 'rejects a publish without a decision in time, and does not delay other clients',
    async run({ checked, token }) {
      const [client, other, receiver] = [await checked(), await checked(), await checked()]
      await receiver.exchange(`SUB note.${token}.* 1\r\n`)
      const [hung, never] = [`note.${token}.hung`, `never.${token}.a`]
      client.send(pub(hung, VALID) + pub(never, VALID) + pub(`note.${token}.after`, VALID))
      other.send(pub(`note.${token}.other`, VALID))
      expect((await receiver.next())?.line).toContain(`note.${token}.other`)
      expect(lines(await client.exchange())).toEqual([refusal(hung, LATE), refusal(never, LATE)])
      expect((await receiver.next())?.line).toContain(`note.${token}.after`)
    },
  }),
  contractAudit({
    rules: ['V-20'],
    title: 'keeps the connection of a client that publishes faster than decisions are made',
    async run({ checked, token }) {
      const [client, receiver] = [await checked(), await checked()]
      await receiver.exchange(`SUB slow.${token}.* 1\r\n`)
      // More than max_payload and 64 KiB.
      const text = 'x'.repeat(10_000)
      const frames = Array.from({ length: 160 }, (_, n) => pub(`slow.${token}.${n}`, `{"text":"${text}"}`))
      const answer = client.exchange(frames.join(''))
      for (const n of frames.keys()) expect((await receiver.next())?.line).toContain(`slow.${token}.${n} `)
      expect(await answer).toEqual({ lines: [] })
    },
  }),
  contractAudit({
    rules: ['V-7'],
    title: 'names the message id',
    async run({ checked, token }) {
      const subject = `note.${token}.a`
      const answer = await (await checked()).exchange(hpub(subject, [['Nats-Msg-Id', 'a"b']], INVALID))
      expect(lines(answer)).toEqual([violation(subject, `${INVALID_DATA} in "a\\"b"`)])
    },
  }),
  contractAudit({
    rules: ['V-8', 'V-9'],
    title: 'does not answer a rejected request, and does not store a rejected event',
    async run({ checked, token }) {
      const client = await checked()
      const inbox = `_INBOX.${token}.1`
      const stored = `stored.${token}.a`
      const config = JSON.stringify({ name: token, subjects: [`stored.${token}.*`], storage: 'memory' })
      client.send(`SUB ${inbox} 1\r\n${pub(`$JS.API.STREAM.CREATE.${token}`, config, inbox)}`)
      expect((await client.next())?.payload).toContain('"created"')
      const answer = await client.exchange(pub(stored, INVALID, inbox) + pub(`note.${token}.a`, INVALID, inbox))
      expect(lines(answer)).toEqual([violation(stored, INVALID_DATA), violation(`note.${token}.a`, INVALID_DATA)])
      client.send(pub(stored, VALID, inbox))
      expect((await client.next())?.payload).toContain('"seq":1')
    },
  }),
  contractAudit({
    rules: ['V-10'],
    title: 'rejects an event as the reply subject',
    async run({ checked, token }) {
      const reply = `note.${token}.reply`
      const answer = await (await checked()).exchange(pub(`file.${token}.a`, 'x', reply))
      expect(lines(answer)).toEqual([`-ERR 'Permissions Violation for Publish with Reply of "${reply}"'`])
    },
  }),
  contractAudit({
    rules: ['V-11', 'V-12', 'V-13', 'V-21'],
    title: 'rejects headers and consumers by which the server would publish to an event',
    async run({ checked, token }) {
      const client = await checked()
      const [subject, event] = [`file.${token}.a`, `note.${token}.a`]
      for (const name of ['Nats-Trace-Dest', 'Nats-Consumer-Stalled'])
        expect(lines(await client.exchange(hpub(subject, [[name, event]], 'x')))).toEqual([violation(subject, name)])
      const schedule = `$SCHEDULE.${token}.1`
      const target = ['Nats-Schedule-Target', event] as const
      // An older nats-server would ignore the headers, and the bridge rejects them for that reason.
      for (const [fields, data, reason] of [
        [[target], INVALID, /with (invalid data|Nats-Schedule-Target, which requires)/],
        [[['nats-schedule-target', subject], target], VALID, /with [Nn]ats-[Ss]chedule-[Tt]arget/],
        [[target, ['Nats-Schedule-Source', subject]], VALID, /with Nats-Schedule-(Source|Target, which requires)/],
      ] as Array<[HeaderFields, string, RegExp]>)
        expect(lines(await client.exchange(hpub(schedule, fields, data)))).toEqual([expect.stringMatching(reason)])
      const create = '$JS.API.CONSUMER.CREATE.NONE'
      const body = JSON.stringify({ config: { deliver_subject: event } })
      expect(lines(await client.exchange(pub(create, body)))).toEqual([violation(create, 'deliver_subject')])
    },
  }),
  contractAudit({
    rules: ['V-14', 'V-15'],
    title: 'accepts an older version unchanged, and rejects a newer one',
    async run({ checked, token }) {
      const client = await checked()
      const subject = `versioned.${token}.a`
      const versioned = (version: string, data: string) => hpub(subject, [['Spanwire-Version', version]], data)
      const old = '{ "old": "x" }'
      await expectMessages(client, `SUB ${subject} 1\r\n${pub(subject, old)}${versioned('1', old)}`, [
        `${subject} 1 ${old}`,
        `${subject} 1 ${old}`,
      ])
      for (const version of ['3', '999999999', '0', '-1', '1.5', 'x'])
        expect(lines(await client.exchange(versioned(version, VALID))).join('\n'), version).toMatch(
          /^-ERR .* with invalid data /,
        )
    },
  }),
  contractAudit({
    rules: ['V-16'],
    title: 'rejects a subscription that the application does not permit',
    async run({ checked, token }) {
      const closed = [
        `note.${token}.closed`,
        `$EDGE.REPLAY.all.note.${token}.closed`,
        `$EDGE.CONFLATE.note.${token}.closed`,
      ]
      const client = await checked()
      const answer = await client.exchange(
        [...closed, `note.${token}.*`].map((filter, sid) => `SUB ${filter} ${sid}\r\n`).join(''),
      )
      expect(lines(answer)).toEqual(
        closed.map((filter) => `-ERR 'Permissions Violation for Subscription to "${filter}"'`),
      )
    },
  }),
  contractAudit({
    rules: ['V-17', 'V-18'],
    title: 'responds to HTTP with 422 and the issues, or with 403',
    async run({ target, token }) {
      const base = (target.contract?.url ?? '').replace(/^ws/, 'http').replace(/\/nats$/, '')
      const headers = { Authorization: `Bearer ${target.credentials.full.auth_token}` }
      const post = async (path: string, body: string) => {
        const response = await fetch(`${base}${path}`, { method: 'POST', headers, body })
        return { status: response.status, text: await response.text() }
      }
      const note = `note.${token}.a`
      expect((await post(`/publish/${note}`, VALID)).status).toBe(202)
      for (const path of [`/publish/${note}`, `/request/${note}`, `/publish/slow.${token}.a`]) {
        const { status, text } = await post(path, INVALID)
        expect([status, JSON.parse(text)]).toMatchObject([422, { code: 'invalid-data', issues: ISSUES }])
      }
      for (const [subject, reason] of Object.entries({
        [`other.${token}`]: UNKNOWN,
        [`note.${token}.closed`]: DENIED,
      })) {
        const { status, text } = await post(`/publish/${subject}`, VALID)
        const detail = `Permissions Violation for Publish to "${subject}" with a refusal: ${reason}`
        expect([status, JSON.parse(text)]).toMatchObject([403, { code: 'permission-denied', detail }])
      }
      const batch = [VALID, INVALID].map((data) => `{"subject":"${note}","data":${data}}`).join('\n')
      const results = (await post('/publish', batch)).text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(results).toMatchObject([{ ok: true }, { ok: false, code: 'invalid-data', issues: ISSUES }])
    },
  }),
  contractAudit({
    rules: ['V-19'],
    title: 'accepts events that a consumer quarantines',
    needsBroker: true,
    async run({ checked, elsewhere, target, token }) {
      const [client, native] = [await checked(), await elsewhere()]
      const inbox = `_INBOX.${token}.1`
      for (const kind of ['stored', 'file']) {
        const name = kind === 'stored' ? 'AUDITED' : `${token}-${kind}`
        const config = JSON.stringify({ name, subjects: [`${kind}.${token}.*`], storage: 'memory' })
        client.send(`SUB ${inbox} 1\r\nUNSUB 1 1\r\n${pub(`$JS.API.STREAM.CREATE.${name}`, config, inbox)}`)
        expect((await client.next())?.payload).toContain('"created"')
      }
      const quarantine = `file.${token}.quarantine`
      await native.exchange(`SUB ${quarantine} 1\r\n`)
      native.send(pub(`stored.${token}.a`, INVALID) + pub(`stored.${token}.b`, VALID))
      const connection = webSocket({ url: target.contract?.url ?? '', token: target.credentials.full.auth_token ?? '' })
      const seen = Promise.withResolvers<string>()
      const consumer = consume(
        { events: auditedEvents, connection },
        'stored.{token}.{kind}',
        ({ params }) => seen.resolve(params.kind),
        { consumer: token, onInvalid: { to: quarantine }, onError: () => {} },
      )
      expect(await native.messageOn(quarantine)).toMatchObject({ payload: INVALID })
      expect(await seen.promise).toBe('b')
      await consumer.drain()
      await connection.close()
    },
  }),
]
