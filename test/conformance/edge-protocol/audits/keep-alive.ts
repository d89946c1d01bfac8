import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectClosed, lines, messages } from '../expectations.ts'

export const keepAlive: readonly Audit[] = [
  {
    rules: ['K-1'],
    title: 'answers every PING',
    async run({ connect }) {
      const client = await connect()
      client.send('PING\r\n'.repeat(50))
      for (let i = 0; i < 50; i++) expect((await client.next())?.line).toBe('PONG')
    },
  },
  {
    rules: ['K-2'],
    title: 'sends PONG once earlier subscriptions are live',
    async run({ connect, elsewhere, token }) {
      const client = await connect()
      const publisher = await elsewhere()
      for (let i = 0; i < 30; i++) {
        await client.exchange(`SUB ${token}.${i} ${i}\r\n`)
        publisher.send(`PUB ${token}.${i} 1\r\nx\r\n`)
        expect((await client.next())?.line).toBe(`MSG ${token}.${i} ${i} 1`)
      }
    },
  },
  {
    rules: ['K-3', 'K-5'],
    title: 'sends PONG after own messages and errors',
    async run({ connect, target, token }) {
      const client = await connect({}, target.credentials.limited)
      for (let i = 0; i < 20; i++) {
        const subject = `ok.${token}${i}`
        const answer = await client.exchange(`SUB ${subject} ${i}\r\nPUB ${subject} 1\r\nx\r\nPUB no 0\r\n\r\n`)
        expect(messages(answer)).toEqual([`${subject} ${i} x`])
        expect(lines(answer)).toContain('-ERR \'Permissions Violation for Publish to "no"\'')
      }
    },
  },
  {
    rules: ['K-4', 'K-6'],
    title: 'sends PING, and closes a client that does not answer',
    needs: ({ limits }) => (limits.pingInterval > 2_000 ? 'its pingInterval is longer than 2 s' : undefined),
    async run(context) {
      const alive = await context.connect()
      const dead = await context.connect()
      dead.answerPings = false
      const answer = await dead.collect('PONG', 20_000)
      expect(dead.pings).toBeGreaterThanOrEqual(2)
      expect([1001, 1006]).toContain(answer.ending?.code)
      if (context.target.isBridge) expectClosed(context, answer, 1001, 'Stale Connection')
      expect(alive.pings).toBeGreaterThanOrEqual(1)
      expect(alive.ending).toBeUndefined()
    },
  },
]
