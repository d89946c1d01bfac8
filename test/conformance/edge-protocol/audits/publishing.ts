import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectClosed, expectMessages, lines, messages } from '../expectations.ts'

const BLOCK = 'NATS/1.0\r\nA: b\r\nA:  c \r\nlower: ü\r\n\r\n'

export const publishing: readonly Audit[] = [
  {
    id: 'P-1',
    title: 'delivers payloads byte for byte',
    async run({ connect, token }) {
      const client = await connect()
      const receiver = await connect()
      await receiver.exchange(`SUB ${token} 1\r\n`)
      for (const payload of ['', '\r\n', 'x\r\nPUB a 1\r\n', '日本', '\0', 'MSG a 1 1\r\nx\r\n']) {
        client.send(`PUB ${token} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`)
        expect(await receiver.next()).toEqual({ line: `MSG ${token} 1 ${Buffer.byteLength(payload)}`, payload })
      }
    },
  },
  {
    id: 'P-2',
    title: 'delivers header blocks and reply subjects unchanged, whatever is in them',
    async run({ connect, token }) {
      const client = await connect()
      const receiver = await connect()
      await receiver.exchange(`SUB ${token} 1\r\n`)
      for (const block of [
        BLOCK,
        'NATS/1.0 404 No Messages\r\n\r\n',
        'NATS/1.0\r\n\r\n',
        'NATS/1.0\r\na b: c\r\n\r\n',
        'abcd',
      ]) {
        const size = Buffer.byteLength(block)
        client.send(`HPUB ${token} some.reply ${size} ${size + 2}\r\n${block}hi\r\n`)
        expect(await receiver.next()).toEqual({
          line: `HMSG ${token} 1 some.reply ${size} ${size + 2}`,
          headers: block,
          payload: 'hi',
        })
      }
    },
  },
  {
    id: 'P-3',
    title: 'takes max_payload, and closes at the line that announces more',
    async run(context) {
      const { connect, token } = context
      for (const echo of [true, false]) {
        const client = await connect({ echo })
        const max = Number(client.infos.at(-1)?.max_payload)
        const answer = await client.exchange(`SUB ${token} 1\r\nPUB ${token} ${max}\r\n${'x'.repeat(max)}\r\n`)
        expect(answer.ending).toBeUndefined()
        expect(lines(answer)).toEqual(echo ? [`MSG ${token} 1 ${max}`] : [])
        for (const line of [`PUB ${token} ${max + 1}`, `HPUB ${token} 12 ${max + 1}`, `PUB ${token} 999999999`]) {
          const other = await connect({ echo })
          other.send(`${line}\r\n`)
          expectClosed(context, await other.collect('PONG'), 1009, 'Maximum Payload Violation')
        }
      }
    },
  },
  {
    id: 'P-4',
    title: 'closes on HPUB of a client without headers',
    async run(context) {
      const client = await context.connect({ headers: false, no_responders: false })
      expectClosed(context, await client.exchange('HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n'), 1002)
    },
  },
  {
    id: 'P-5',
    title: 'drops a publish with an empty token, and tells the pedantic',
    async run({ connect, token }) {
      const client = await connect({ pedantic: true })
      for (const subject of [`${token}..a`, `.${token}`, `${token}.`]) {
        const answer = await client.exchange(`SUB > 1\r\nPUB ${subject} 1\r\nx\r\nUNSUB 1\r\n`)
        expect(lines(answer).filter((line) => line.includes('Subject'))).toEqual(["-ERR 'Invalid Publish Subject'"])
        expect(messages(answer).filter((message) => message.includes(token))).toEqual([])
      }
    },
  },
  {
    id: 'P-6',
    title: 'drops a publish to no subject, and tells everybody',
    bridgeOnly: true,
    async run({ connect, token }) {
      const client = await connect({ verbose: true })
      const publishes = [
        `${token}.*`,
        `${token}.>`,
        '*',
        '>',
        `${token}..a`,
        `${token}\x01`,
        `a ${token}.*`,
        `a ${token}..b`,
      ]
      for (const arguments_ of publishes) {
        const answer = await client.exchange(`PUB ${arguments_} 1\r\nx\r\n`)
        expect(lines(answer), arguments_).toEqual(["-ERR 'Invalid Publish Subject'"])
      }
    },
  },
  {
    id: 'P-7',
    title: 'refuses a publish that is not allowed',
    async run({ connect, target, token }) {
      const witness = await connect()
      await witness.exchange('SUB no 1\r\nSUB ok.> 2\r\n')
      const client = await connect({}, target.credentials.limited)
      const quoted = 'a"b\\c'
      const answer = await client.exchange(
        `PUB no 1\r\nx\r\nPUB ok.no ${token}.r 1\r\nx\r\nPUB ok 0\r\n\r\nPUB ${quoted} 0\r\n\r\nHPUB no 12 12\r\nNATS/1.0\r\n\r\n\r\nPUB ok.${token} 0\r\n\r\n`,
      )
      expect(lines(answer)).toEqual(
        ['no', 'ok.no', 'ok', 'a\\"b\\\\c', 'no'].map(
          (name) => `-ERR 'Permissions Violation for Publish to "${name}"'`,
        ),
      )
      expect((await witness.next())?.line).toBe(`MSG ok.${token} 2 0`)
      await expectMessages(witness, '', [])
    },
  },
  {
    id: 'P-8',
    title: 'echo: false keeps own messages away, and only those',
    async run({ connect, token }) {
      const client = await connect({ echo: false })
      const other = await connect()
      await other.exchange(`SUB ${token} 7\r\n`)
      const block = 'NATS/1.0 404 No Messages\r\na b:  c \r\n\r\n'
      const publishes = `PUB ${token} 1\r\n1\r\nHPUB ${token} ${block.length} ${block.length + 1}\r\n${block}2\r\n`
      await expectMessages(client, `SUB ${token} 1\r\nSUB ${token} q 2\r\n${publishes}`, [])
      expect((await other.next())?.payload).toBe('1')
      const second = await other.next()
      expect(second?.payload).toBe('2')
      // A bridge may add a field of its own; what the client wrote is still there as it was.
      expect(second?.headers?.startsWith(block.slice(0, -2))).toBe(true)
      await other.exchange(`PUB ${token} 1\r\n3\r\n`)
      const heard = messages(await client.exchange())
      expect(heard).toContain(`${token} 1 3`)
      expect(heard).toHaveLength(2)
      // What somebody else passes on, with its headers as they came, is somebody else's message.
      const passedOn = second?.headers ?? ''
      await other.exchange(`HPUB ${token} ${passedOn.length} ${passedOn.length + 1}\r\n${passedOn}4\r\n`)
      expect(messages(await client.exchange())).toContain(`${token} 1 4`)
    },
  },
  {
    id: 'P-9',
    title: 'keeps the order of one publisher',
    async run({ connect, elsewhere, token }) {
      const receiver = await connect()
      await receiver.exchange(`SUB ${token}.> 1\r\n`)
      const publisher = await elsewhere()
      const numbers = Array.from({ length: 500 }, (_, i) => i)
      publisher.send(numbers.map((i) => `PUB ${token}.${i % 3} ${String(i).length}\r\n${i}\r\n`).join(''))
      for (const i of numbers) expect((await receiver.next())?.payload).toBe(String(i))
    },
  },
  {
    id: 'P-10',
    title: 'refuses headers by which nats-server would do what the client may not',
    bridgeOnly: true,
    async run({ connect, target, token }) {
      const subject = `ok.${token}`
      const client = await connect({}, target.credentials.limited)
      const send = async (field: string) => {
        const block = `NATS/1.0\r\nA: b\r\n${field}\r\n\r\n`
        return lines(await client.exchange(`HPUB ${subject} ${block.length} ${block.length}\r\n${block}\r\n`))
      }
      const subjects = ['Nats-Trace-Dest', 'Nats-Schedule-Target', 'Nats-Schedule-Source', 'Nats-Scheduler']
      for (const name of [...subjects, 'nats-trace-dest', 'NATS-SCHEDULE-TARGET'])
        for (const value of ['no', 'ok.no', '', 'ok.*', `${subject}\r`, `${subject} no`, '$EDGE.x'])
          expect(await send(`${name}: ${value}`), `${name}: ${value}`).toEqual([
            `-ERR 'Permissions Violation for Publish to "${subject}" with ${name}'`,
          ])
      expect(await send('Nats-Rollup: all')).toEqual([
        `-ERR 'Permissions Violation for Publish to "${subject}" with Nats-Rollup'`,
      ])
      // Another's echo it would be, in a block that the bridge can add nothing to (P-8).
      const broken = `NATS/1.0\r\nSpanwire-Origin: ${token}\r\nx`
      const answer = await client.exchange(`HPUB ${subject} ${broken.length} ${broken.length}\r\n${broken}\r\n`)
      expect(lines(answer)).toEqual([`-ERR 'Permissions Violation for Publish to "${subject}" with Spanwire-Origin'`])
      // What it may name itself, it may name there; others' headers are nobody's business.
      for (const field of [...subjects.map((name) => `${name}:${subject}`), 'Nats-Rollup: sub', 'X-Trace-Dest: no'])
        expect(await send(field), field).toEqual([])
    },
  },
  {
    id: 'P-11',
    title: 'refuses requests to JetStream by which it would do what the client may not',
    bridgeOnly: true,
    needs: ({ credentials }) => (credentials.manager ? undefined : "credentials for JetStream's API"),
    async run({ connect, target }) {
      const client = await connect({}, target.credentials.manager)
      const send = async (subject: string, body: unknown) => {
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        return lines(await client.exchange(`PUB ${subject} ${text.length}\r\n${text}\r\n`))
      }
      const consumer = '$JS.API.CONSUMER.CREATE.NONE'
      const stream = '$JS.API.STREAM.CREATE.NONE'
      for (const [subject, body, what] of [
        [consumer, { config: { deliver_subject: 'no' } }, 'deliver_subject'],
        [consumer, { config: { Deliver_Subject: 'ok.no' } }, 'Deliver_Subject'],
        [consumer, '{"config":{"deliver_subject":"no"},"config":{}}', 'a duplicate field'],
        [consumer, 'no JSON', 'a body that is not JSON'],
        [stream, { name: 'NONE', subjects: ['in.*', 'no'] }, 'subjects'],
        [stream, { name: 'NONE', subjects: ['in.*', '_INBOX.x.>'] }, 'subjects'],
        [stream, { name: 'NONE', sources: [{ name: 'NONE' }] }, 'sources'],
      ] as const)
        expect(await send(subject, body)).toEqual([
          `-ERR 'Permissions Violation for Publish to "${subject}" with ${what}'`,
        ])
      // There is no such stream, or no JetStream; but the request goes through.
      expect(await send(consumer, { config: { deliver_subject: 'ok.deliver' } })).toEqual([])
      expect(await send('$JS.API.STREAM.INFO.NONE', '')).toEqual([])
    },
  },
  {
    id: 'P-12',
    title: 'takes no reply subject that is neither an inbox nor the client’s own',
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
