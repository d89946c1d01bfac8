import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectMessages, isMessage, lines, messages } from '../expectations.ts'

export const requests: readonly Audit[] = [
  {
    rules: ['R-1'],
    title: 'delivers all replies to the inbox',
    async run({ connect, elsewhere, token }) {
      const client = await connect()
      const inbox = `_INBOX.${token}`
      await client.exchange(`SUB ${inbox}.* 1\r\n`)
      for (const responder of [await connect(), await elsewhere()]) {
        await responder.exchange(`SUB ${token} 5\r\n`)
        client.send(`PUB ${token} ${inbox}.7 2\r\nhi\r\n`)
        const request = await responder.next()
        expect(request?.payload).toBe('hi')
        // A bridge changes the name of the inbox.
        const reply = new RegExp(`^MSG ${token} 5 (_INBOX\\.\\S+) 2$`).exec(request?.line ?? '')?.[1]
        responder.send(`PUB ${reply} 1\r\n1\r\nHPUB ${reply} 12 13\r\nNATS/1.0\r\n\r\n2\r\n`)
        expect(await client.next()).toEqual({ line: `MSG ${inbox}.7 1 1`, payload: '1' })
        expect(await client.next()).toEqual({
          line: `HMSG ${inbox}.7 1 12 13`,
          headers: 'NATS/1.0\r\n\r\n',
          payload: '2',
        })
        await responder.exchange('UNSUB 5\r\n')
      }
    },
  },
  {
    rules: ['R-2'],
    title: 'sends the status 503 without responders',
    async run({ connect, token }) {
      const client = await connect()
      const inbox = `_INBOX.${token}`
      await client.exchange(`SUB ${inbox}.* 3\r\n`)
      const block = 'NATS/1.0\r\n\r\n'
      for (const publish of [`PUB ${token} ${inbox}.1 0\r\n\r\n`, `HPUB ${token} ${inbox}.1 12 12\r\n${block}\r\n`]) {
        client.send(publish)
        const status = await client.next()
        expect(status?.line).toMatch(`HMSG ${inbox}.1 3 `)
        expect(status?.headers).toMatch(/^NATS\/1\.0 503\r\n(.*\r\n)?\r\n$/)
        expect(status?.payload).toBe('')
      }
      // No status with a responder, and none without a reply subject.
      const responder = await connect()
      await responder.exchange(`SUB ${token} 1\r\n`)
      await expectMessages(client, `PUB ${token} ${inbox}.2 0\r\n\r\nPUB ${token}.none 0\r\n\r\n`, [])
    },
  },
  {
    rules: ['R-3'],
    title: 'sends no status without no_responders',
    async run({ connect, token }) {
      const inbox = `_INBOX.${token}`
      for (const flags of [{ no_responders: false }, { headers: false, no_responders: false }]) {
        const client = await connect(flags)
        const answer = await client.exchange(`SUB ${inbox} 3\r\nPUB ${token} ${inbox} 0\r\n\r\n`)
        expect(lines(answer)).toEqual([])
        expect(messages(await client.exchange())).toEqual([])
      }
    },
  },
  {
    rules: ['R-4'],
    title: 'sends the status to the publisher only, and once',
    async run({ connect, token }) {
      const [publisher, other] = [await connect(), await connect()]
      const named = `${token}.reply`
      for (const client of [publisher, other])
        await client.exchange(`SUB ${named} 1\r\nSUB ${token}.* 2\r\nSUB ${named} 3\r\nSUB _INBOX.${token}.* 4\r\n`)
      const answer = await publisher.exchange(`PUB ${token} ${named} 0\r\n\r\nPUB ${token} _INBOX.${token}.1 0\r\n\r\n`)
      const statuses = [...answer.lines, ...(await publisher.exchange()).lines].filter(isMessage)
      expect(statuses.map(({ line }) => line.split(' ')[1]).sort()).toEqual([`_INBOX.${token}.1`, named].sort())
      expect(messages(await other.exchange())).toEqual([])
    },
  },
]
