import { expect } from 'vitest'
import { type Audit, connectLine } from '../audit.ts'
import { expectClosed, lines, messages } from '../expectations.ts'

const VIOLATION = 'Authorization Violation'

export const connecting: readonly Audit[] = [
  {
    rules: ['C-1'],
    title: 'sends INFO first',
    async run({ open }) {
      const client = await open()
      expect(client.infos).toHaveLength(1)
    },
  },
  {
    rules: ['C-2'],
    title: 'sends the required fields of INFO',
    async run({ open }) {
      const info = await (await open()).info()
      expect(info).toMatchObject({ server_id: expect.any(String), headers: true, max_payload: expect.any(Number) })
      expect(info.version).toMatch(/^\d+\.\d+\.\d+/)
      expect(info.proto).toBeGreaterThanOrEqual(1)
      expect(info.max_payload).toBeGreaterThan(0)
    },
  },
  {
    rules: ['C-18'],
    title: 'states the version of the broker',
    bridgeOnly: true,
    async run({ connect, target }) {
      const client = await connect()
      await client.infoWhere(({ edge }) => (edge as { upstream?: string } | undefined)?.upstream === 'open')
      const { version, jetstream } = client.infos.at(-1) ?? {}
      expect(version).toMatch(/^\d+\.\d+\.\d+/)
      if (target.brokerVersion)
        expect({ version, jetstream }).toEqual({ version: target.brokerVersion, jetstream: true })
    },
  },
  {
    rules: ['C-3'],
    title: 'closes on any line before CONNECT',
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
    rules: ['C-4', 'C-12'],
    title: 'rejects wrong and missing credentials with the same text',
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
    rules: ['C-5'],
    title: 'closes without a complete CONNECT after a timeout',
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
    rules: ['C-6', 'C-13'],
    title: 'closes on a CONNECT that is not an object, or has a field of the wrong type',
    async run(context) {
      const inputs = ['{', '', '[]', '1', '{"verbose":"yes"}', '{"protocol":"1"}', '{"auth_token":5}']
      for (const input of inputs) {
        const client = await context.open()
        client.send(`CONNECT ${input}\r\n`)
        expectClosed(context, await client.collect('PONG'), 1002)
      }
    },
  },
  {
    rules: ['C-14', 'C-15'],
    title: 'ignores unknown fields, and fields that are null',
    async run({ open, target }) {
      const client = await open()
      const options = { verbose: false, name: null, lang: null, unknown: { a: [1] }, ...target.credentials.full }
      expect(await client.exchange(`CONNECT ${JSON.stringify(options)}\r\n`)).toEqual({ lines: [] })
    },
  },
  {
    rules: ['C-7'],
    title: 'has defaults for verbose, pedantic, echo and headers',
    async run({ open, target, token }) {
      const client = await open()
      const connect = `CONNECT ${JSON.stringify(target.credentials.full)}\r\n`
      const answer = await client.exchange(
        `${connect}SUB ${token} 1\r\nPUB ${token} 1\r\nx\r\nPUB ${token}. 1\r\nx\r\n`,
      )
      const others = lines(answer).filter((line) => !line.startsWith('MSG'))
      // nats-server adds +OK for the publish that it rejects.
      expect(others.slice(0, 4)).toEqual(['+OK', '+OK', '+OK', "-ERR 'Invalid Publish Subject'"])
      expect(messages(answer)).toEqual([`${token} 1 x`])
    },
  },
  {
    rules: ['C-8', 'C-16'],
    title: 'sends +OK to a verbose client in order, except for PING, PONG and rejected operations',
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
    rules: ['C-9'],
    title: 'closes on no_responders without headers',
    async run(context) {
      const client = await context.open()
      client.send(connectLine({ headers: false, no_responders: true }, context.target.credentials.full))
      expectClosed(context, await client.collect('PONG'), 1011, 'no responders requires headers support')
    },
  },
  {
    rules: ['C-10'],
    title: 'closes on an unknown protocol version',
    async run(context) {
      for (const protocol of [2, -1]) {
        const client = await context.open()
        client.send(connectLine({ protocol }, context.target.credentials.full))
        expectClosed(context, await client.collect('PONG'), 1002, 'invalid client protocol')
      }
    },
  },
  {
    rules: ['C-11'],
    title: 'processes lines after CONNECT in order',
    async run({ open, target, token }) {
      const client = await open()
      client.send(connectLine({}, target.credentials.full))
      for (let i = 0; i < 3; i++) client.send(`SUB ${token}.${i} ${i}\r\nPUB ${token}.${i} 1\r\n${i}\r\n`)
      expect(messages(await client.exchange())).toEqual([`${token}.0 0 0`, `${token}.1 1 1`, `${token}.2 2 2`])
    },
  },
  {
    rules: ['C-17'],
    title: 'processes lines after CONNECT if the client has closed in the meantime',
    async run({ connect, open, target, token }) {
      const client = await connect()
      await client.exchange(`SUB ${token} 9\r\n`)
      const publish = (n: number) => `${connectLine({}, target.credentials.full)}PUB ${token} 1\r\n${n}\r\n`
      const first = await open()
      // The second one sends a refresh of its credentials.
      const leaving = target.isBridge ? [first, await connect()] : [first]
      for (const [n, one] of leaving.entries()) {
        one.send(publish(n))
        one.close()
        expect(await client.next()).toEqual({ line: `MSG ${token} 9 1`, payload: `${n}` })
      }
    },
  },
]
