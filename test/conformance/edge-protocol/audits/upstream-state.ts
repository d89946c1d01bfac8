import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { hasUpstream } from '../expectations.ts'

export const upstreamState: readonly Audit[] = [
  {
    rules: ['X-1'],
    title: 'sends the state of the broker in INFO',
    bridgeOnly: true,
    async run({ connect }) {
      const client = await connect()
      for (const info of client.infos) expect(info.edge).toEqual({ upstream: 'open' })
    },
  },
  {
    rules: ['X-7', 'X-15', 'X-16'],
    title: 'keeps clients connected while the broker is unavailable, and restores their subscriptions',
    bridgeOnly: true,
    needs: ({ outage }) => (outage ? undefined : 'its broker can not be stopped'),
    async run({ connect, elsewhere, target, token }) {
      const client = await connect()
      await client.exchange(`SUB ${token}.a 1\r\n`)
      const seen = client.infos.length
      const later = (state: string) => () => client.infos.slice(seen).some(hasUpstream(state))
      await target.outage?.begin()
      await client.infoWhere(later('reconnecting'), 15_000)
      expect(await client.exchange(`SUB ${token}.b 2\r\n`)).toEqual({ lines: [] })
      await target.outage?.end()
      await client.infoWhere(later('open'), 20_000)
      const publisher = await elsewhere()
      publisher.send(`PUB ${token}.a 1\r\n1\r\nPUB ${token}.b 1\r\n2\r\n`)
      const received = [await client.next(), await client.next()].map((line) => line?.payload)
      expect(received.sort()).toEqual(['1', '2'])
      expect(client.ending).toBeUndefined()
    },
  },
]
