import { expect } from 'vitest'
import type { Audit, AuditContext } from '../audit.ts'
import { lines } from '../expectations.ts'

const SUBJECT_HEADERS = ['Nats-Trace-Dest', 'Nats-Schedule-Target', 'Nats-Scheduler', 'Nats-Consumer-Stalled']
const CONSUMER = '$JS.API.CONSUMER.CREATE.NONE'
const STREAM = '$JS.API.STREAM.CREATE.NONE'

/** Publishes messages with one more header field, as the user `limited`. Returns the answers. */
async function headerPublisher({ connect, target, token }: AuditContext) {
  const subject = `ok.${token}`
  const client = await connect({}, target.credentials.limited)
  const send = async (block: string) =>
    lines(await client.exchange(`HPUB ${subject} ${block.length} ${block.length}\r\n${block}\r\n`))
  return {
    subject,
    send,
    sendField: (field: string) => send(`NATS/1.0\r\nA: b\r\n${field}\r\n\r\n`),
    violation: (name: string) => [`-ERR 'Permissions Violation for Publish to "${subject}" with ${name}'`],
  }
}

async function expectFieldsRejected(context: AuditContext, names: readonly string[]): Promise<void> {
  const { sendField, subject, violation } = await headerPublisher(context)
  for (const name of names)
    for (const value of ['no', 'ok.no', '', 'ok.*', `${subject}\r`, `${subject} no`, '$EDGE.x'])
      expect(await sendField(`${name}: ${value}`), `${name}: ${value}`).toEqual(violation(name))
  const [, minor = 99] = (context.target.brokerVersion ?? '').split('.').map(Number)
  for (const name of names) {
    const answer = await sendField(`${name}:${subject}`)
    // An older nats-server would ignore it, and deliver the message at once.
    if (/schedul/i.test(name) && minor < 14 && answer.length > 0)
      expect(answer).toEqual([expect.stringContaining(`with ${name}, which requires nats-server 2.1`)])
    else expect(answer, name).toEqual([])
  }
}

/** Sends requests to the JetStream API as the user `manager`. Returns the answers. */
async function apiClient({ connect, target }: AuditContext) {
  const client = await connect({}, target.credentials.manager)
  return async (subject: string, body: unknown) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return lines(await client.exchange(`PUB ${subject} ${text.length}\r\n${text}\r\n`))
  }
}

async function expectBodyRejected(context: AuditContext, subject: string, body: unknown, reason: string) {
  const send = await apiClient(context)
  expect(await send(subject, body)).toEqual([`-ERR 'Permissions Violation for Publish to "${subject}" with ${reason}'`])
}

const needsManager: Audit['needs'] = ({ credentials }) =>
  credentials.manager ? undefined : 'it has no credentials for the JetStream API'

/** Rules that nats-server does not check. */
export const publishChecks: readonly Audit[] = [
  {
    rules: ['P-10'],
    title: 'rejects headers that name a subject which the client must not publish to',
    bridgeOnly: true,
    run: (context) => expectFieldsRejected(context, [...SUBJECT_HEADERS, 'nats-trace-dest', 'NATS-SCHEDULE-TARGET']),
  },
  {
    rules: ['P-18'],
    title: 'rejects Nats-Schedule-Source with a subject that the client must not subscribe to',
    bridgeOnly: true,
    run: (context) => expectFieldsRejected(context, ['Nats-Schedule-Source']),
  },
  {
    rules: ['P-19'],
    title: 'rejects Nats-Rollup: all',
    bridgeOnly: true,
    async run(context) {
      const { sendField, violation } = await headerPublisher(context)
      for (const name of ['Nats-Rollup', 'Nats-Schedule-Rollup'])
        expect(await sendField(`${name}: all`)).toEqual(violation(name))
      expect(await sendField('Nats-Rollup: sub')).toEqual([])
      expect(await sendField('X-Trace-Dest: no')).toEqual([])
    },
  },
  {
    rules: ['P-26'],
    title: 'rejects a condition on the last sequence of a filter that the client has no permission for',
    bridgeOnly: true,
    async run(context) {
      const { sendField, violation } = await headerPublisher(context)
      const name = 'Nats-Expected-Last-Subject-Sequence-Subject'
      for (const filter of ['no', '>', 'ok.>', 'ok.no', ''])
        expect(await sendField(`${name}: ${filter}`)).toEqual(violation(name))
      for (const filter of ['in.*', 'in.a']) expect(await sendField(`${name}: ${filter}`)).toEqual([])
    },
  },
  {
    rules: ['P-27'],
    title: 'rejects headers of servers',
    bridgeOnly: true,
    async run(context) {
      const { sendField, violation } = await headerPublisher(context)
      for (const name of ['Nats-Stream-Source', 'Nats-Counter-Sources', 'Nats-Request-Info', 'Nats-Trace-Hop'])
        expect(await sendField(`${name}: x`)).toEqual(violation(name))
    },
  },
  {
    rules: ['P-31'],
    title: 'rejects a condition on the last message id, except in a query for a stored message',
    bridgeOnly: true,
    async run(context) {
      const { sendField, violation } = await headerPublisher(context)
      const name = 'Nats-Expected-Last-Msg-Id'
      expect(await sendField(`${name}: a`)).toEqual(violation(name))
      expect(await sendField(`Nats-Rollup: spanwire\r\n${name}: a`)).toHaveLength(1)
      expect(await sendField(`Nats-Rollup: spanwire\r\n${name}: spanwire: was it stored?`)).toEqual([])
    },
  },
  {
    rules: ['P-20'],
    title: 'rejects an origin header in an incomplete block',
    bridgeOnly: true,
    async run(context) {
      const { send, violation } = await headerPublisher(context)
      expect(await send(`NATS/1.0\r\nSpanwire-Origin: ${context.token}\r\nx`)).toEqual(violation('Spanwire-Origin'))
    },
  },
  {
    rules: ['P-11'],
    title: 'rejects a deliver_subject that the client must not publish to',
    bridgeOnly: true,
    needs: needsManager,
    async run(context) {
      await expectBodyRejected(context, CONSUMER, { config: { deliver_subject: 'no' } }, 'deliver_subject')
      await expectBodyRejected(context, CONSUMER, { config: { Deliver_Subject: 'ok.no' } }, 'Deliver_Subject')
      const send = await apiClient(context)
      expect(await send(CONSUMER, { config: { deliver_subject: 'ok.deliver' } })).toEqual([])
      expect(await send('$JS.API.STREAM.INFO.NONE', '')).toEqual([])
    },
  },
  {
    rules: ['P-21'],
    title: 'rejects a stream with subjects that the client must not subscribe to, or that match inboxes',
    bridgeOnly: true,
    needs: needsManager,
    async run(context) {
      for (const filter of ['no', '_INBOX.x.>'])
        await expectBodyRejected(context, STREAM, { name: 'NONE', subjects: ['in.*', filter] }, 'subjects')
    },
  },
  {
    rules: ['P-28'],
    title: 'rejects a stream without subjects whose name the client must not subscribe to',
    bridgeOnly: true,
    needs: needsManager,
    async run(context) {
      for (const subjects of [undefined, [], null])
        await expectBodyRejected(context, STREAM, { name: 'NONE', subjects }, 'subjects')
    },
  },
  {
    rules: ['P-22'],
    title: 'rejects a stream that copies or republishes messages',
    bridgeOnly: true,
    needs: needsManager,
    async run(context) {
      const fields = {
        mirror: { name: 'NONE' },
        sources: [{ name: 'NONE' }],
        republish: { src: '>', dest: 'no.>' },
        subject_transform: { src: '>', dest: 'no.>' },
      }
      for (const [name, value] of Object.entries(fields))
        await expectBodyRejected(context, STREAM, { name: 'NONE', [name]: value }, name)
    },
  },
  {
    rules: ['P-23'],
    title: 'rejects the restore of a stream',
    bridgeOnly: true,
    needs: needsManager,
    run: (context) =>
      expectBodyRejected(
        context,
        '$JS.API.STREAM.RESTORE.NONE',
        { config: { name: 'NONE', subjects: ['in.*'] } },
        'consumers of the snapshot',
      ),
  },
  {
    rules: ['P-24', 'P-25'],
    title: 'rejects a body that is not JSON, or that has a duplicate field',
    bridgeOnly: true,
    needs: needsManager,
    async run(context) {
      await expectBodyRejected(context, CONSUMER, 'not JSON', 'a body that is not JSON')
      const duplicate = '{"config":{"deliver_subject":"no"},"config":{}}'
      await expectBodyRejected(context, CONSUMER, duplicate, 'a duplicate field')
    },
  },
  {
    rules: ['P-29'],
    title: 'rejects a large body',
    bridgeOnly: true,
    needs: needsManager,
    run: (context) =>
      expectBodyRejected(context, CONSUMER, { config: 'x'.repeat(262_144) }, 'a body of more than 262144 bytes'),
  },
  {
    rules: ['P-30'],
    title: 'accepts wildcards in the filter of a new consumer and of a direct get',
    bridgeOnly: true,
    needs: needsManager,
    async run(context) {
      const send = await apiClient(context)
      for (const subject of [`${CONSUMER}.c.in.*`, `${CONSUMER}.c.>`, '$JS.API.DIRECT.GET.NONE.in.>'])
        expect(await send(subject, {})).toEqual([])
      for (const subject of [
        `${CONSUMER}.*`,
        `${CONSUMER}.*.in`,
        '$JS.API.CONSUMER.CREATE.*.c.in',
        '$JS.API.STREAM.INFO.*',
      ])
        expect(await send(subject, {})).toEqual([`-ERR 'Permissions Violation for Publish to "${subject}"'`])
    },
  },
  {
    rules: ['P-12'],
    title: 'rejects a reply subject that is neither an inbox nor allowed to the client',
    bridgeOnly: true,
    async run({ connect, target, token }) {
      const witness = await connect()
      await witness.exchange(`SUB ok.${token} 1\r\n`)
      const client = await connect({}, target.credentials.limited)
      for (const reply of ['no', 'ok.no', 'in.a.b', `${token}.r`]) {
        const answer = await client.exchange(`PUB ok.${token} ${reply} 0\r\n\r\n`)
        expect(lines(answer)).toEqual([`-ERR 'Permissions Violation for Publish with Reply of "${reply}"'`])
      }
      for (const reply of ['_INBOX.x.1', 'ok.reply', 'in.a']) {
        expect(lines(await client.exchange(`PUB ok.${token} ${reply} 0\r\n\r\n`))).toEqual([])
        expect((await witness.next())?.line).toMatch(/^MSG ok\.\S+ 1 \S+ 0$/)
      }
    },
  },
]
