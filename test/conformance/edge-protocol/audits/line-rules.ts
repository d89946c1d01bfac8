import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectAllClosed, expectClosed, expectMessages, lines } from '../expectations.ts'

const UNKNOWN = 'Unknown Protocol Operation'

const toLines = (texts: readonly string[]) => texts.map((text) => `${text}\r\n`)

export const lineRules: readonly Audit[] = [
  {
    rules: ['L-1', 'L-9'],
    title: 'accepts verbs in any case, and any number of spaces and tabs',
    async run({ connect, token }) {
      const client = await connect()
      await expectMessages(client, `sub\t${token}  1 \r\npUb   ${token}\t 1\r\nx\r\nunsub 1\r\nping\r\n`, [
        `${token} 1 x`,
      ])
    },
  },
  {
    rules: ['L-2'],
    title: 'accepts LF at the end of a line',
    async run({ connect, token }) {
      await expectMessages(await connect(), `SUB ${token} 1\nPUB ${token} 1\nx\r\nPING\n`, [`${token} 1 x`])
    },
  },
  {
    rules: ['L-10'],
    title: 'closes on a payload without CRLF at its end',
    async run(context) {
      const { token } = context
      const inputs = [
        `PUB ${token} 1\r\nx\n`,
        `PUB ${token} 1\r\nxyz\r\n`,
        `PUB ${token} 5\r\nx\r\n`,
        `PUB ${token} 1\r\nx\rx\r\n`,
      ]
      await expectAllClosed(context, inputs, 1002, UNKNOWN)
    },
  },
  {
    rules: ['L-3'],
    title: 'closes on an unknown verb',
    async run(context) {
      const inputs = ['FOO', 'PIX a', '\0', 'PUB', 'SUB', 'UNSUB', '\u017fub a 1'].map((line) => `${line}\r\n`)
      await expectAllClosed(context, inputs, 1002, UNKNOWN)
    },
  },
  {
    rules: ['L-11', 'L-12'],
    title: 'closes on an empty line, and on a space before the verb',
    async run(context) {
      await expectAllClosed(context, ['\r\n', '\n', ' PING\r\n'], 1002, UNKNOWN)
    },
  },
  {
    rules: ['L-4'],
    title: 'closes on a line that is too long',
    async run(context) {
      const name = 'a'.repeat(5_000)
      const inputs = [`SUB ${name} 1\r\n`, `PUB ${name} 1\r\nx\r\n`]
      await expectAllClosed(context, inputs, 1008, 'maximum control line exceeded')
      const connect = `CONNECT {"name":"${'a'.repeat(33_000)}"}\r\n`
      const by = context.target.isBridge ? ' by CONNECT: the token is too long' : ''
      await expectAllClosed(context, [connect], 1008, `maximum control line exceeded${by}`)
      const client = await context.connect()
      client.send(`SUB ${'a'.repeat(3_000)}`)
      expectClosed(context, await client.exchange('a'.repeat(3_000)), 1008, 'maximum control line exceeded')
    },
  },
  {
    rules: ['L-5'],
    title: 'does not buffer 10 MB of one line',
    async run({ connect }) {
      const client = await connect()
      const chunk = `SUB ${'a'.repeat(65_532)}`
      for (let i = 0; i < 160; i++) client.send(chunk)
      // The server leaves megabytes unread, so TCP may drop its last bytes.
      expect([1002, 1006, 1008]).toContain((await client.ended()).code)
    },
  },
  {
    rules: ['L-13'],
    title: 'closes on an invalid size',
    async run(context) {
      const inputs = [
        'PUB a x',
        'PUB a -1',
        'PUB a +1',
        'PUB a 1x',
        'PUB a 1.0',
        'PUB a 1234567890',
        'PUB a 99999999999999999999',
        'HPUB a -1 12',
        'HPUB a x 12',
        'HPUB a 12 x',
      ]
      await expectAllClosed(context, toLines(inputs), 1002)
    },
  },
  {
    rules: ['L-14'],
    title: 'closes on a header size that is larger than the total size',
    run: (context) => expectAllClosed(context, ['HPUB a 13 12\r\n'], 1002),
  },
  {
    rules: ['L-6'],
    title: 'closes on a wrong number of arguments',
    async run(context) {
      const inputs = [
        'PUB ',
        'PUB a',
        'PUB a b c 1',
        'HPUB a 12',
        'HPUB a b c 12 12',
        'SUB a',
        'SUB a b 1 2',
        'UNSUB 1 2 3',
      ]
      await expectAllClosed(context, toLines(inputs), 1002)
    },
  },
  {
    rules: ['L-7'],
    title: 'ignores +OK, and PONG without a PING',
    async run({ connect }) {
      const answer = await (await connect()).exchange('+OK\r\nPONG\r\nPONG\r\nPONG\r\n')
      expect(answer).toEqual({ lines: [] })
    },
  },
  {
    rules: ['L-15'],
    title: 'closes on verbs of servers',
    async run(context) {
      await expectAllClosed(
        context,
        ['MSG a 1 1\r\nx\r\n', 'HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n', "-ERR 'x'\r\n"],
        1002,
      )
    },
  },
  {
    rules: ['L-8'],
    title: 'processes nothing after a line that closes the connection',
    async run(context) {
      const { connect, token } = context
      const witness = await connect()
      await witness.exchange(`SUB ${token} 1\r\n`)
      const client = await connect()
      const answer = await client.exchange(`PUB ${token} 1\r\n1\r\nFOO\r\nPUB ${token} 1\r\n2\r\nSUB ${token} 1\r\n`)
      expectClosed(context, answer, 1002, UNKNOWN)
      const publisher = await connect()
      await publisher.exchange(`PUB ${token} 1\r\n3\r\n`)
      const { payload: first } = (await witness.next()) ?? {}
      const { payload: second } = (await witness.next()) ?? {}
      expect([first, second]).toEqual(['1', '3'])
      expect(lines(await witness.exchange())).toEqual([])
    },
  },
]
