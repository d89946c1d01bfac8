import { expect } from 'vitest'
import { type Audit, type AuditTarget, connectLine } from '../audit.ts'
import { expectClosed, expectMessages, lines, messages } from '../expectations.ts'

const needsNarrowed = ({ credentials }: AuditTarget) =>
  credentials.narrowed && credentials.other ? undefined : 'it has no credentials for a refresh'

export const credentials: readonly Audit[] = [
  {
    rules: ['X-2', 'X-9'],
    title: 'keeps subscriptions and flags at a second CONNECT',
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
    rules: ['X-3', 'X-10'],
    title: 'applies reduced permissions to subscriptions and publishes',
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
      // The permissions return, and the sids can be used again.
      await client.exchange(`${connectLine({}, target.credentials.limited)}SUB ok.b 2\r\n`)
      await expectMessages(client, 'PUB ok.b 1\r\nx\r\n', ['ok.b 2 x'])
    },
  },
  {
    rules: ['X-4', 'X-11'],
    title: 'closes on new credentials that are invalid or name another user',
    bridgeOnly: true,
    needs: needsNarrowed,
    async run(context) {
      const { limited, wrong, other = {} } = context.target.credentials
      for (const refreshed of [wrong, other, {}]) {
        const client = await context.connect({}, limited)
        const answer = await client.exchange(connectLine({}, refreshed))
        expectClosed(context, answer, 1008, 'Authorization Violation')
      }
    },
  },
  {
    rules: ['X-5'],
    title: 'closes when credentials expire without a refresh',
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
]
