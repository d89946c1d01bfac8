import { expect } from 'vitest'
import type { Audit, AuditContext } from '../audit.ts'
import { lines, messages } from '../expectations.ts'

/** Sends a request from one client to another, which also subscribes to `filters`. */
async function request({ connect, token }: AuditContext, filters: readonly string[]) {
  const responder = await connect()
  await responder.exchange([...filters, token].map((filter, sid) => `SUB ${filter} ${sid}\r\n`).join(''))
  const requester = await connect()
  await requester.exchange(`SUB _INBOX.${token}.* 1\r\n`)
  requester.send(`PUB ${token} _INBOX.${token}.7 2\r\nhi\r\n`)
  // A filter such as `>` also matches the broker's own messages, for example of its JetStream API.
  const { line } = await responder.messageOn(token)
  const reply = /^MSG \S+ \d+ (\S+) 2$/.exec(line)?.[1] ?? ''
  return { responder, requester, reply }
}

export const inboxes: readonly Audit[] = [
  {
    rules: ['X-6'],
    title: 'accepts subscriptions to inboxes under a literal token without a permission',
    bridgeOnly: true,
    async run({ connect, target, token }) {
      const client = await connect({}, target.credentials.limited)
      const own = [`_INBOX.${token}.*`, `_INBOX.${token}.>`, `_INBOX.${token}`]
      expect(lines(await client.exchange(own.map((filter, i) => `SUB ${filter} ${i}\r\n`).join('')))).toEqual([])
    },
  },
  {
    rules: ['X-12'],
    title: 'rejects subscriptions to all inboxes',
    bridgeOnly: true,
    async run({ connect }) {
      const client = await connect()
      for (const filter of ['_INBOX.>', '_INBOX.*', '_INBOX.*.*', '_INBOX.*.>']) {
        const answer = await client.exchange(`SUB ${filter} 1\r\n`)
        expect(lines(answer)).toEqual([`-ERR 'Permissions Violation for Subscription to "${filter}"'`])
      }
    },
  },
  {
    rules: ['X-13'],
    title: 'does not deliver replies to other clients through broad filters',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const broad = ['>', '*.>', '*.*.*', `*.${token}.>`, `_INBOX.${token}.>`, `_INBOX.${token}.*`]
      const { responder, requester, reply } = await request(context, broad)
      const answer = await responder.exchange(`PUB ${reply} 1\r\nx\r\n`)
      expect(await requester.next()).toEqual({ line: `MSG _INBOX.${token}.7 1 1`, payload: 'x' })
      const seen = [...messages(answer), ...messages(await responder.exchange())]
      expect(seen.filter((message) => message.startsWith('_INBOX'))).toEqual([])
    },
  },
  {
    rules: ['X-14'],
    title: 'does not deliver replies to a client that subscribes to the reply subject',
    bridgeOnly: true,
    async run(context) {
      const { responder, requester, reply } = await request(context, [])
      const known = reply.split('.').slice(0, -1).join('.')
      const subscribe = `SUB ${reply} 20\r\nSUB ${known}.> 21\r\nSUB ${known}.* 22\r\n`
      const answer = await responder.exchange(`${subscribe}PUB ${reply} 1\r\nx\r\n`)
      expect(await requester.next()).toEqual({ line: `MSG _INBOX.${context.token}.7 1 1`, payload: 'x' })
      expect([...messages(answer), ...messages(await responder.exchange())]).toEqual([])
    },
  },
  {
    rules: ['X-19'],
    title: 'rejects a subscription to an inbox of another client by the name that it has at the broker',
    bridgeOnly: true,
    async run(context) {
      const { responder, reply } = await request(context, [])
      const known = reply.split('.').slice(0, -1).join('.')
      for (const filter of [reply, `${known}.*`, `${known}.>`])
        expect(lines(await responder.exchange(`SUB ${filter} 30\r\n`))).toEqual([
          `-ERR 'Permissions Violation for Subscription to "${filter}"'`,
        ])
    },
  },
  {
    rules: ['X-17'],
    title: 'accepts an inbox of the client as deliver_subject',
    bridgeOnly: true,
    needs: ({ credentials }) => (credentials.manager ? undefined : 'it has no credentials for the JetStream API'),
    async run({ connect, target, token }) {
      const client = await connect({}, target.credentials.manager)
      const body = JSON.stringify({ config: { deliver_subject: `_INBOX.${token}.1` } })
      for (const subject of ['CONSUMER.CREATE.NONE', 'CONSUMER.DURABLE.CREATE.NONE.d', 'STREAM.SNAPSHOT.NONE'])
        expect(lines(await client.exchange(`PUB $JS.API.${subject} ${body.length}\r\n${body}\r\n`))).toEqual([])
    },
  },
  {
    rules: ['X-18'],
    title: 'delivers messages of a client to its own inbox',
    async run({ connect, token }) {
      const client = await connect()
      const inbox = `_INBOX.${token}`
      await client.exchange(`SUB ${inbox}.* 1\r\nSUB ${token} 2\r\n`)
      const answer = await client.exchange(`PUB ${inbox}.a 1\r\nx\r\nPUB ${token} ${inbox}.b 1\r\ny\r\n`)
      expect(messages(answer)).toEqual([`${inbox}.a 1 x`, `${token} 2 y`])
    },
  },
]
