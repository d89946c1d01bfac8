import { expect } from 'vitest'
import { type Audit, connectLine } from '../audit.ts'
import { expectClosed, lines, messages } from '../expectations.ts'

const VIOLATION = 'Authorization Violation'

export const connecting: readonly Audit[] = [
  {
    id: 'C-1',
    title: 'sends INFO first, unasked',
    async run({ open }) {
      const client = await open()
      expect(client.infos).toHaveLength(1)
    },
  },
  {
    id: 'C-2',
    title: 'INFO has what clients go by',
    async run({ open }) {
      const info = await (await open()).info()
      expect(info).toMatchObject({ server_id: expect.any(String), headers: true, max_payload: expect.any(Number) })
      expect(info.version).toMatch(/^\d+\.\d+\.\d+/)
      expect(info.proto).toBeGreaterThanOrEqual(1)
      expect(info.max_payload).toBeGreaterThan(0)
    },
  },
  {
    id: 'C-3',
    title: 'lets nothing come before CONNECT',
    async run(context) {
      for (const input of ['PING\r\n', 'PONG\r\n', 'SUB a 1\r\n', 'PUB a 1\r\nx\r\n', 'FOO\r\n', '\r\n', '+OK\r\n']) {
        const client = await context.open()
        expect((await client.info()).auth_required).toBe(true)
        client.send(input)
        expectClosed(context, await client.collect('PONG'), 1008, VIOLATION)
      }
    },
  },
  {
    id: 'C-4',
    title: 'refuses wrong credentials, and none, with one text',
    async run(context) {
      for (const credentials of [context.target.credentials.wrong, {}, { auth_token: '' }]) {
        const client = await context.open()
        const answer = await client.exchange(`${connectLine({ verbose: true }, credentials)}SUB > 1\r\n`)
        expect(lines(answer)).toEqual([`-ERR '${VIOLATION}'`])
        expectClosed(context, answer, 1008, VIOLATION)
      }
    },
  },
  {
    id: 'C-5',
    title: 'waits for CONNECT so long and no longer',
    needs: ({ limits }) => (limits.connectTimeout > 5_000 ? 'its connectTimeout is longer than 5 s' : undefined),
    async run(context) {
      const clients = await Promise.all([context.open(), context.open()])
      clients[1]?.send('CONNECT {"verb')
      for (const client of clients) {
        expectClosed(context, await client.collect('PONG', 10_000), 1008, 'Authentication Timeout')
      }
    },
  },
  {
    id: 'C-6',
    title: 'closes on a CONNECT that is none; ignores unknown fields and null',
    async run(context) {
      const inputs = ['{', '', '[]', '1', '{"verbose":"yes"}', '{"protocol":"1"}', '{"auth_token":5}']
      for (const input of inputs) {
        const client = await context.open()
        client.send(`CONNECT ${input}\r\n`)
        expectClosed(context, await client.collect('PONG'), 1002)
      }
      const client = await context.open()
      const options = {
        verbose: false,
        name: null,
        lang: null,
        unknown: { a: [1] },
        ...context.target.credentials.full,
      }
      expect(await client.exchange(`CONNECT ${JSON.stringify(options)}\r\n`)).toEqual({ lines: [] })
    },
  },
  {
    id: 'C-7',
    title: 'defaults of CONNECT: verbose, pedantic and echo',
    async run({ open, target, token }) {
      const client = await open()
      const connect = `CONNECT ${JSON.stringify(target.credentials.full)}\r\n`
      const answer = await client.exchange(
        `${connect}SUB ${token} 1\r\nPUB ${token} 1\r\nx\r\nPUB ${token}. 1\r\nx\r\n`,
      )
      const said = lines(answer).filter((line) => !line.startsWith('MSG'))
      // What was refused has no +OK at a bridge; nats-server adds one.
      expect(said.slice(0, 4)).toEqual(['+OK', '+OK', '+OK', "-ERR 'Invalid Publish Subject'"])
      expect(messages(answer)).toEqual([`${token} 1 x`])
    },
  },
  {
    id: 'C-8',
    title: 'verbose: one +OK for each, in order, none for PING, PONG and what was refused',
    async run({ open, target, token }) {
      const client = await open()
      client.send(
        `${connectLine({ verbose: true }, target.credentials.limited)}SUB ok.${token} 1\r\nPUB ok.${token} 1\r\nx\r\n` +
          'PONG\r\nPING\r\nPUB no 0\r\n\r\nSUB no 2\r\nPING\r\nUNSUB 1\r\nUNSUB 9\r\nHPUB ok.a 12 12\r\nNATS/1.0\r\n\r\n\r\nPING\r\n',
      )
      const first = await client.collect('PONG')
      expect(lines(first).slice(0, 3)).toEqual(['+OK', '+OK', '+OK'])
      expect(messages(first)).toEqual([`ok.${token} 1 x`])
      expect(first.lines).toHaveLength(4)
      expect(lines(await client.collect('PONG'))).toEqual([
        '-ERR \'Permissions Violation for Publish to "no"\'',
        '-ERR \'Permissions Violation for Subscription to "no"\'',
      ])
      expect(lines(await client.collect('PONG'))).toEqual(['+OK', '+OK', '+OK'])
    },
  },
  {
    id: 'C-9',
    title: 'refuses no_responders without headers',
    async run(context) {
      const client = await context.open()
      client.send(connectLine({ headers: false, no_responders: true }, context.target.credentials.full))
      expectClosed(context, await client.collect('PONG'), 1011, 'no responders requires headers support')
    },
  },
  {
    id: 'C-10',
    title: 'refuses a protocol that it does not know',
    async run(context) {
      for (const protocol of [2, -1]) {
        const client = await context.open()
        client.send(connectLine({ protocol }, context.target.credentials.full))
        expectClosed(context, await client.collect('PONG'), 1002, 'invalid client protocol')
      }
    },
  },
  {
    id: 'C-11',
    title: 'carries out in order what is sent behind CONNECT',
    async run({ connect, open, target, token }) {
      const client = await open()
      client.send(connectLine({}, target.credentials.full))
      for (let i = 0; i < 3; i++) client.send(`SUB ${token}.${i} ${i}\r\nPUB ${token}.${i} 1\r\n${i}\r\n`)
      expect(messages(await client.exchange())).toEqual([`${token}.0 0 0`, `${token}.1 1 1`, `${token}.2 2 2`])
      // Nor for a token to be checked: who publishes and goes has published. A refresh is a CONNECT, too.
      await client.exchange(`SUB ${token} 9\r\n`)
      const publish = (n: number) => `${connectLine({}, target.credentials.full)}PUB ${token} 1\r\n${n}\r\n`
      const first = await open()
      const leaving = target.isBridge ? [first, await connect()] : [first]
      for (const [n, one] of leaving.entries()) {
        one.send(publish(n))
        one.close()
        expect(await client.next()).toEqual({ line: `MSG ${token} 9 1`, payload: `${n}` })
      }
    },
  },
]
