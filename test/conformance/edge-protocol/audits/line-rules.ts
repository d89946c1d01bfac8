import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectAllClosed, expectClosed, expectMessages, lines } from '../expectations.ts'

const UNKNOWN = 'Unknown Protocol Operation'

export const lineRules: readonly Audit[] = [
  {
    id: 'L-1',
    title: 'takes verbs in any case, and runs of blanks and tabs',
    async run({ connect, token }) {
      const client = await connect()
      await expectMessages(client, `sub\t${token}  1 \r\npUb   ${token}\t 1\r\nx\r\nunsub 1\r\nping\r\n`, [
        `${token} 1 x`,
      ])
    },
  },
  {
    id: 'L-2',
    title: 'takes LF at the end of a line, not of a payload',
    async run(context) {
      const { connect, token } = context
      await expectMessages(await connect(), `SUB ${token} 1\nPUB ${token} 1\nx\r\nPING\n`, [`${token} 1 x`])
      const lies = [
        `PUB ${token} 1\r\nx\n`,
        `PUB ${token} 1\r\nxyz\r\n`,
        `PUB ${token} 5\r\nx\r\n`,
        `PUB ${token} 1\r\nx\rx\r\n`,
      ]
      await expectAllClosed(context, lies, 1002, UNKNOWN)
    },
  },
  {
    id: 'L-3',
    title: 'closes on an unknown verb, an empty line, a blank before the verb',
    async run(context) {
      const inputs = [
        'FOO\r\n',
        'PIX a\r\n',
        '\r\n',
        '\n',
        ' PING\r\n',
        '\0\r\n',
        'PUB\r\n',
        'SUB\r\n',
        'UNSUB\r\n',
        '\u017fub a 1\r\n',
      ]
      await expectAllClosed(context, inputs, 1002, UNKNOWN)
    },
  },
  {
    id: 'L-4',
    title: 'closes on a line that is too long',
    async run(context) {
      const name = 'a'.repeat(5_000)
      const inputs = [`SUB ${name} 1\r\n`, `PUB ${name} 1\r\nx\r\n`, `CONNECT {"name":"${name}"}\r\n`]
      await expectAllClosed(context, inputs, 1008, 'maximum control line exceeded')
      const client = await context.connect()
      client.send(`SUB ${'a'.repeat(3_000)}`)
      expectClosed(context, await client.exchange('a'.repeat(3_000)), 1008, 'maximum control line exceeded')
    },
  },
  {
    id: 'L-5',
    title: 'does not take 10 MB of one line',
    async run({ connect }) {
      const client = await connect()
      const chunk = `SUB ${'a'.repeat(65_532)}`
      for (let i = 0; i < 160; i++) client.send(chunk)
      // The server leaves megabytes unread, so TCP may lose its last words.
      expect([1002, 1006, 1008]).toContain((await client.ended()).code)
    },
  },
  {
    id: 'L-6',
    title: 'closes on malformed arguments',
    async run(context) {
      const sizes = [
        'PUB a x',
        'PUB a -1',
        'PUB a +1',
        'PUB a 1x',
        'PUB a 1.0',
        'PUB a 1234567890',
        'PUB a 99999999999999999999',
      ]
      const counts = [
        'PUB ',
        'PUB a',
        'PUB a b c 1',
        'HPUB a 12',
        'HPUB a b c 12 12',
        'SUB a',
        'SUB a b 1 2',
        'UNSUB 1 2 3',
      ]
      const headers = ['HPUB a 13 12', 'HPUB a -1 12', 'HPUB a x 12', 'HPUB a 12 x']
      await expectAllClosed(
        context,
        [...sizes, ...counts, ...headers].map((line) => `${line}\r\n`),
        1002,
      )
    },
  },
  {
    id: 'L-7',
    title: 'ignores +OK and a PONG unasked, closes on verbs of a server',
    async run(context) {
      const answer = await (await context.connect()).exchange('+OK\r\nPONG\r\nPONG\r\nPONG\r\n')
      expect(answer).toEqual({ lines: [] })
      await expectAllClosed(
        context,
        ['MSG a 1 1\r\nx\r\n', 'HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n', "-ERR 'x'\r\n"],
        1002,
      )
    },
  },
  {
    id: 'L-8',
    title: 'carries out nothing that follows the line that closes',
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
