import { expect } from 'vitest'
import { type Audit, connectLine } from '../audit.ts'
import { expectMessages, messages } from '../expectations.ts'

export const transport: readonly Audit[] = [
  {
    rules: ['T-1', 'T-7'],
    title: 'accepts an upgrade, without a subprotocol',
    async run({ open }) {
      expect((await open()).protocol).toBe('')
    },
  },
  {
    rules: ['T-2'],
    title: 'sends binary frames only',
    async run({ connect, token }) {
      const client = await connect({ verbose: true })
      await client.exchange(`SUB ${token} 1\r\nPUB ${token} 1\r\nx\r\nSUB a..b 2\r\n`)
      expect([...client.kinds]).toEqual(['binary'])
    },
  },
  {
    rules: ['T-3'],
    title: 'accepts text frames',
    async run({ open, target, token }) {
      const client = await open()
      client.sendText(connectLine({}, target.credentials.full))
      client.sendText(`SUB ${token} 1\r\nPUB ${token} 3\r\n日\r\nPING\r\n`)
      expect(messages(await client.collect('PONG'))).toEqual([`${token} 1 日`])
    },
  },
  {
    rules: ['T-4'],
    title: 'ignores frame boundaries',
    async run({ open, target, token }) {
      const block = 'NATS/1.0\r\nA: b\r\n\r\n'
      const stream = Buffer.from(
        `${connectLine({}, target.credentials.full)}SUB ${token}.> 1\r\nPUB ${token}.a 4\r\nä\r\n\r\n` +
          `HPUB ${token}.b ${token}.r ${block.length} ${block.length + 1}\r\n${block}x\r\nPUB ${token}.c 0\r\n\r\nUNSUB 1\r\nPING\r\n`,
      )
      const expected = [`${token}.a 1 ä\r\n`, `${token}.b 1 x`, `${token}.c 1 `]
      for (const size of [1, 2, 3, 7, 64, stream.length]) {
        const client = await open()
        for (let at = 0; at < stream.length; at += size) {
          client.send(stream.subarray(at, at + size))
          if (size === 3) client.send('')
        }
        expect(messages(await client.collect('PONG')), `frames of ${size} bytes`).toEqual(expected)
      }
    },
  },
  {
    rules: ['T-5'],
    title: 'responds with 426 to a request that is not an upgrade',
    bridgeOnly: true,
    async run({ target }) {
      expect((await fetch(target.url.replace(/^ws/, 'http'))).status).toBe(426)
    },
  },
  {
    rules: ['T-6'],
    title: 'delivers all messages next to clients that send invalid input',
    async run({ connect, elsewhere, token }) {
      const neighbour = await connect()
      await neighbour.exchange(`SUB ${token}.> 1\r\n`)
      const publisher = await elsewhere()
      const attacks = [
        'FOO\r\n',
        `PUB ${token} 1\r\nxyz\r\n`,
        `PUB ${token} 5\r\nx`,
        `SUB ${'a'.repeat(5000)} 1\r\n`,
        `PUB ${token}..x 1\r\nx\r\n`,
        'PUB a 999999999\r\n',
        `UNSUB 1\r\nSUB ${token}.> 1\r\nUNSUB 1\r\n`,
        new Uint8Array(10_000),
      ]
      const expected: string[] = []
      for (const [index, attack] of attacks.entries()) {
        const attacker = await connect()
        attacker.send(attack)
        expected.push(`${token}.n 1 ${index}`)
        await publisher.exchange(`PUB ${token}.n 1\r\n${index}\r\n`)
        if (index % 2 === 1) attacker.terminate()
      }
      const seen: string[] = []
      while (seen.length < expected.length) {
        const line = await neighbour.next()
        seen.push(...messages({ lines: line ? [line] : [] }))
        if (!line) break
      }
      expect(seen).toEqual(expected)
      await expectMessages(neighbour, '', [])
    },
  },
]
