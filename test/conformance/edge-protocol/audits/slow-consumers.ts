import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectClosed, messages, SILENTLY } from '../expectations.ts'

export const slowConsumers: readonly Audit[] = [
  {
    rules: ['X-8'],
    title: 'closes a client that does not read with 1008, and does not delay other clients',
    bridgeOnly: true,
    needs: ({ limits }) =>
      limits.maxPending !== undefined && limits.maxPending <= 2 * 1024 * 1024
        ? undefined
        : 'its maxPending is over 2 MiB, or its runtime may end a connection without a close code',
    async run(context) {
      const { connect, elsewhere, target, token } = context
      const slow = await connect()
      const reader = await connect()
      for (const client of [slow, reader]) await client.exchange(`SUB ${token} 1\r\n`)
      slow.pause()
      const publisher = await elsewhere()
      // Large messages, so that a busy machine sends all of them before the client counts as stale.
      const size = 512 * 1024
      const count = Math.ceil((3 * (target.limits.maxPending ?? 0)) / size)
      const payload = 'x'.repeat(size)
      for (let i = 0; i < count; i++) {
        await publisher.exchange(`PUB ${token} ${size}\r\n${payload}\r\n`)
        expect((await reader.next())?.line).toBe(`MSG ${token} 1 ${size}`)
      }
      slow.resume()
      const answer = await slow.collect('PONG', 10_000)
      expectClosed(context, answer, 1008, SILENTLY)
      expect(messages(answer).length).toBeLessThan(count)
      expect(reader.ending).toBeUndefined()
    },
  },
]
