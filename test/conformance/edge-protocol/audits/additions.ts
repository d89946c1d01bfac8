import { expect } from 'vitest'
import { type Audit, type AuditTarget, connectLine } from '../audit.ts'
import { expectClosed, expectMessages, lines, messages } from '../expectations.ts'

const needsNarrowed = ({ credentials }: AuditTarget) =>
  credentials.narrowed && credentials.other ? undefined : 'it has no credentials to refresh with'
const hasUpstream = (state: string) => (info: Record<string, unknown>) =>
  (info.edge as { upstream?: string } | undefined)?.upstream === state

export const additions: readonly Audit[] = [
  {
    id: 'X-1',
    title: 'INFO tells that this is a bridge, and how its broker is',
    bridgeOnly: true,
    async run({ connect }) {
      const client = await connect()
      for (const info of client.infos) expect(info.edge).toEqual({ upstream: 'open' })
    },
  },
  {
    id: 'X-2',
    title: 'a second CONNECT refreshes credentials and nothing else',
    bridgeOnly: true,
    async run({ connect, elsewhere, target, token }) {
      const client = await connect({ echo: false })
      await client.exchange(`SUB ${token} 1\r\n`)
      const publisher = await elsewhere()
      const count = 60
      for (let i = 0; i < count; i++) {
        publisher.send(`PUB ${token} ${String(i).length}\r\n${i}\r\n`)
        if (i % 20 === 10) client.send(connectLine({ verbose: true, echo: true }, target.credentials.full))
      }
      for (let i = 0; i < count; i++) expect(await client.next()).toMatchObject({ payload: String(i) })
      await expectMessages(client, `PUB ${token} 1\r\nx\r\n`, [])
    },
  },
  {
    id: 'X-3',
    title: 'a refresh with fewer permissions ends what they do not cover',
    bridgeOnly: true,
    needs: needsNarrowed,
    async run({ connect, target }) {
      const client = await connect({}, target.credentials.limited)
      await client.exchange('SUB ok.a 1\r\nSUB ok.b 2\r\nSUB ok.b q 3\r\n')
      const { narrowed = {} } = target.credentials
      const answer = await client.exchange(connectLine({}, narrowed))
      const violation = '-ERR \'Permissions Violation for Subscription to "ok.b"'
      expect(lines(answer)).toEqual([`${violation}'`, `${violation} using queue "q"'`])
      const after = await client.exchange('PUB ok.a 1\r\nx\r\nPUB ok.b 1\r\nx\r\n')
      expect(messages(after)).toEqual(['ok.a 1 x'])
      expect(lines(after)).toContain('-ERR \'Permissions Violation for Publish to "ok.b"\'')
      // And back again: the sids are free.
      await client.exchange(`${connectLine({}, target.credentials.limited)}SUB ok.b 2\r\n`)
      await expectMessages(client, 'PUB ok.b 1\r\nx\r\n', ['ok.b 2 x'])
    },
  },
  {
    id: 'X-4',
    title: 'a refused refresh closes, and so does one that names another user',
    bridgeOnly: true,
    needs: needsNarrowed,
    async run(context) {
      const { limited, wrong, other = {} } = context.target.credentials
      for (const credentials of [wrong, other, {}]) {
        const client = await context.connect({}, limited)
        const answer = await client.exchange(connectLine({}, credentials))
        expectClosed(context, answer, 1008, 'Authorization Violation')
      }
    },
  },
  {
    id: 'X-5',
    title: 'expired credentials close; a refresh in time prevents it',
    bridgeOnly: true,
    needs: ({ credentials }) => (credentials.expiring ? undefined : 'it has no credentials that expire'),
    async run(context) {
      const { credentials } = context.target
      const soon = (await credentials.expiring?.(2)) ?? {}
      const [refreshed, expired] = await Promise.all([context.connect({}, soon), context.connect({}, soon)])
      await refreshed.exchange(connectLine({}, credentials.full))
      expectClosed(context, await expired.collect('PONG', 15_000), 1008, 'User Authentication Expired')
      expect(await refreshed.exchange()).toEqual({ lines: [] })
    },
  },
  {
    id: 'X-6',
    title: 'inboxes: under a literal token only',
    bridgeOnly: true,
    async run({ connect, target, token }) {
      const client = await connect({}, target.credentials.limited)
      const own = [`_INBOX.${token}.*`, `_INBOX.${token}.>`, `_INBOX.${token}`]
      expect(lines(await client.exchange(own.map((filter, i) => `SUB ${filter} ${i}\r\n`).join('')))).toEqual([])
      const snoop = await connect()
      for (const filter of ['_INBOX.>', '_INBOX.*', '_INBOX.*.*', '_INBOX.*.>']) {
        const answer = await snoop.exchange(`SUB ${filter} 1\r\n`)
        expect(lines(answer)).toEqual([`-ERR 'Permissions Violation for Subscription to "${filter}"'`])
      }
      // Who is asked learns where to answer, and no more: not by wide filters, nor by the names it knows.
      const wide = ['>', '*.>', '*.*.*', `*.${token}.>`, `_INBOX.${token}.>`, `_INBOX.${token}.*`]
      await snoop.exchange(wide.map((filter, i) => `SUB ${filter} ${i + 1}\r\n`).join(''))
      const requester = await connect()
      await requester.exchange(`SUB _INBOX.${token}.* 1\r\n`)
      requester.send(`PUB ${token} _INBOX.${token}.7 2\r\nhi\r\n`)
      let got = (await snoop.next())?.line ?? ''
      while (!got.startsWith(`MSG ${token} `)) { console.log('FOREIGN', got); got = (await snoop.next())?.line ?? '' }
      const reply = new RegExp(`^MSG ${token} \\d+ (\\S+) 2$`).exec(got)?.[1] ?? ''
      const known = reply.split('.').slice(0, -1).join('.')
      const answer = await snoop.exchange(`SUB ${known}.> 20\r\nSUB ${known}.* 21\r\nPUB ${reply} 1\r\nx\r\n`)
      expect(await requester.next()).toEqual({ line: `MSG _INBOX.${token}.7 1 1`, payload: 'x' })
      const seen = [...messages(answer), ...messages(await snoop.exchange(''))]
      expect(seen.filter((message) => message.startsWith('_INBOX'))).toEqual([])
    },
  },
  {
    id: 'X-8',
    title: 'a client that does not read is told so and closed; others are not held up',
    bridgeOnly: true,
    needs: ({ limits }) =>
      limits.maxPending !== undefined && limits.maxPending <= 2 * 1024 * 1024
        ? undefined
        : 'its maxPending is over 2 MiB, or its runtime may cut a closing connection short',
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
      expectClosed(context, answer, 1008, 'Slow Consumer')
      expect(messages(answer).length).toBeLessThan(count)
      expect(reader.ending).toBeUndefined()
    },
  },
  {
    id: 'X-7',
    title: 'the broker goes away and comes back: clients stay, are told, and are live again',
    bridgeOnly: true,
    needs: ({ outage }) => (outage ? undefined : 'its broker can not be taken away'),
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
      const heard = [await client.next(), await client.next()].map((line) => line?.payload)
      expect(heard.sort()).toEqual(['1', '2'])
      expect(client.ending).toBeUndefined()
    },
  },
]
