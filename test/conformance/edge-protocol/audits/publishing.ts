import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectClosed, expectMessages, lines, messages } from '../expectations.ts'

const BLOCK = 'NATS/1.0\r\nA: b\r\nA:  c \r\nlower: ü\r\n\r\n'

export const publishing: readonly Audit[] = [
  {
    rules: ['P-1'],
    title: 'delivers payloads unchanged',
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
    rules: ['P-2', 'P-13'],
    title: 'delivers header blocks and reply subjects unchanged',
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
    rules: ['P-3', 'P-14'],
    title: 'accepts max_payload bytes, and closes at a line that announces more',
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
    rules: ['P-4'],
    title: 'closes on HPUB of a client without headers',
    async run(context) {
      const client = await context.connect({ headers: false, no_responders: false })
      expectClosed(context, await client.exchange('HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n'), 1002)
    },
  },
  {
    rules: ['P-5', 'P-15'],
    title: 'rejects a publish with an empty token if the client is pedantic',
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
    rules: ['P-6'],
    title: 'rejects an invalid subject or reply',
    bridgeOnly: true,
    async run({ connect, token }) {
      const client = await connect({ verbose: true })
      const pedantic = await connect({ verbose: true, pedantic: true })
      const subjects = [`${token}.*`, `${token}.>`, '*', '>', `${token}..a`, `${token}\x01`]
      const replies = [`${token}.*`, `${token}..b`]
      for (const [arguments_, refusal] of [
        ...subjects.map((subject) => [subject, `Publish to ${JSON.stringify(subject)}`] as const),
        ...replies.map((reply) => [`a ${reply}`, `Publish with Reply of ${JSON.stringify(reply)}`] as const),
      ]) {
        const publish = `PUB ${arguments_} 1\r\nx\r\n`
        expect(lines(await client.exchange(publish))).toEqual([`-ERR 'Permissions Violation for ${refusal}'`])
        expect(lines(await pedantic.exchange(publish)), arguments_).toEqual(["-ERR 'Invalid Publish Subject'"])
      }
    },
  },
  {
    rules: ['P-7'],
    title: 'rejects a publish that is not allowed',
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
    rules: ['P-8', 'P-16', 'P-17'],
    title: 'does not deliver own messages with echo: false',
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
      // A bridge adds a header. The client's own are unchanged.
      expect(second?.headers?.startsWith(block.slice(0, -2))).toBe(true)
      await other.exchange(`PUB ${token} 1\r\n3\r\n`)
      const received = messages(await client.exchange())
      expect(received).toContain(`${token} 1 3`)
      expect(received).toHaveLength(2)
      // Another client forwards the message with its origin header.
      const forwarded = second?.headers ?? ''
      await other.exchange(`HPUB ${token} ${forwarded.length} ${forwarded.length + 1}\r\n${forwarded}4\r\n`)
      expect(messages(await client.exchange())).toContain(`${token} 1 4`)
    },
  },
  {
    rules: ['P-9'],
    title: 'delivers the messages of one client in order',
    async run({ connect, elsewhere, token }) {
      const receiver = await connect()
      await receiver.exchange(`SUB ${token}.> 1\r\n`)
      const publisher = await elsewhere()
      const numbers = Array.from({ length: 500 }, (_, i) => i)
      publisher.send(numbers.map((i) => `PUB ${token}.${i % 3} ${String(i).length}\r\n${i}\r\n`).join(''))
      for (const i of numbers) expect((await receiver.next())?.payload).toBe(String(i))
    },
  },
]
