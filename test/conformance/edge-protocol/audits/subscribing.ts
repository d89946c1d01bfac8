import { expect } from 'vitest'
import type { Audit } from '../audit.ts'
import { expectMessages, lines, messages } from '../expectations.ts'
import type { RawClient } from '../raw-client.ts'

const publish = (subject: string, payload = 'x') => `PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`
const times = (count: number, subject: string) =>
  Array.from({ length: count }, (_, i) => publish(subject, String(i + 1))).join('')

export const subscribing: readonly Audit[] = [
  {
    rules: ['S-1', 'S-13'],
    title: 'matches wildcards, and delivers once to each matching subscription',
    async run({ connect, token }) {
      const client = await connect()
      const filters = ['a', '*', 'a.*', '*.b', 'a.>', '>', 'a.b', 'a.b.>', '*.*.c']
      await client.exchange(filters.map((filter, sid) => `SUB ${token}.${filter} ${sid}\r\n`).join(''))
      const matching: Record<string, number[]> = {
        a: [0, 1, 5],
        'a.b': [2, 3, 4, 5, 6],
        'a.b.c': [4, 5, 7, 8],
        b: [1, 5],
      }
      for (const [subject, sids] of Object.entries(matching)) {
        const expected = sids.map((sid) => `${token}.${subject} ${sid} x`)
        await expectMessages(client, publish(`${token}.${subject}`), expected)
      }
      await expectMessages(client, publish(token), [])
    },
  },
  {
    rules: ['S-2', 'S-14'],
    title: 'delivers to one member of a queue group, and to all other subscriptions',
    async run({ connect, elsewhere, token }) {
      const members = await Promise.all([connect(), connect(), connect()])
      await members[0]?.exchange(`SUB ${token} q 1\r\nSUB ${token} q 2\r\n`)
      await members[1]?.exchange(`SUB ${token}.> q 1\r\nSUB ${token} q 2\r\n`)
      await members[2]?.exchange(`SUB ${token} 9\r\nSUB ${token} r 8\r\n`)
      const publisher = await elsewhere()
      await publisher.exchange(times(100, token))
      const [first, second, third] = await Promise.all(members.map(async (member) => messages(await settled(member))))
      const q = [...(first ?? []), ...(second ?? [])]
      expect(q.map((message) => Number(message.split(' ')[2])).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 100 }, (_, i) => i + 1),
      )
      expect(first?.length).toBeGreaterThan(0)
      expect(second?.length).toBeGreaterThan(0)
      expect(third?.filter((message) => message.includes(' 9 '))).toHaveLength(100)
      expect(third?.filter((message) => message.includes(' 8 '))).toHaveLength(100)
    },
  },
  {
    rules: ['S-3'],
    title: 'ends only the subscription of an UNSUB',
    async run({ connect, token }) {
      const client = await connect()
      await expectMessages(client, `SUB ${token} 1\r\nSUB ${token} 2\r\nUNSUB 1\r\n${publish(token)}`, [`${token} 2 x`])
    },
  },
  {
    rules: ['S-4'],
    title: 'counts all delivered messages for UNSUB with max',
    async run({ connect, token }) {
      const client = await connect()
      const first = [`${token} 1 1`, `${token} 1 2`]
      await expectMessages(client, `SUB ${token} 1\r\nUNSUB 1 2\r\n${times(4, token)}`, first)
      // Two were delivered already, so one more follows.
      await expectMessages(client, `SUB ${token} 2\r\n${times(2, token)}`, [`${token} 2 1`, `${token} 2 2`])
      await expectMessages(client, `UNSUB 2 3\r\n${times(3, token)}`, [`${token} 2 1`])
      await expectMessages(client, `SUB ${token} 3\r\n${times(2, token)}`, [`${token} 3 1`, `${token} 3 2`])
      await expectMessages(client, `UNSUB 3 1\r\n${times(2, token)}`, [])
      await expectMessages(client, `SUB ${token} 4\r\n${times(1, token)}`, [`${token} 4 1`])
      await expectMessages(client, `UNSUB 4 1\r\n${times(2, token)}`, [])
    },
  },
  {
    rules: ['S-5'],
    title: 'ends a subscription at once if max is 0 or not a number',
    async run({ connect, token }) {
      const client = await connect()
      for (const max of ['0', 'x', '-1', '']) {
        await expectMessages(client, `SUB ${token} 1\r\nUNSUB 1 ${max}\r\n${publish(token)}`, [])
      }
    },
  },
  {
    rules: ['S-6'],
    title: 'ignores UNSUB of an unknown sid',
    async run({ connect }) {
      expect(await (await connect()).exchange('UNSUB 1\r\nUNSUB nope 5\r\n')).toEqual({ lines: [] })
    },
  },
  {
    rules: ['S-7', 'S-15'],
    title: 'ignores SUB with a sid in use, and accepts one that has ended',
    async run({ connect, token }) {
      const client = await connect()
      const both = publish(`${token}.a`) + publish(`${token}.b`)
      await expectMessages(client, `SUB ${token}.a 1\r\nSUB ${token}.b 1\r\n${both}`, [`${token}.a 1 x`])
      await expectMessages(client, `UNSUB 1\r\nSUB ${token}.b 1\r\n${both}`, [`${token}.b 1 x`])
      await expectMessages(client, `UNSUB 1 2\r\n${publish(`${token}.b`)}`, [`${token}.b 1 x`])
      await expectMessages(client, `SUB ${token}.a 1\r\n${both}`, [`${token}.a 1 x`])
    },
  },
  {
    rules: ['S-8'],
    title: 'rejects a malformed filter',
    async run({ connect, token }) {
      const client = await connect({ verbose: true })
      for (const filter of ['a..b', '.a', 'a.', '.', '>.a', 'a.>.b', '>.>']) {
        expect(lines(await client.exchange(`SUB ${filter} 1\r\n`)), filter).toEqual(["-ERR 'Invalid Subject'"])
      }
      // Within a token, * and > are ordinary characters.
      expect(lines(await client.exchange(`SUB ${token}* 1\r\nSUB ${token}> 2\r\n`))).toEqual(['+OK', '+OK'])
    },
  },
  {
    rules: ['S-9', 'S-16', 'S-17'],
    title: 'rejects a filter that is not completely allowed',
    async run({ connect, target }) {
      const client = await connect({}, target.credentials.limited)
      const violation = (filter: string) => `-ERR 'Permissions Violation for Subscription to "${filter}"`
      // nats-server accepts `in.>` with permission for `in.*`.
      const broader = target.isBridge ? ['in.>'] : []
      for (const filter of ['no', '>', '*', 'ok', 'ok.no', '*.a', 'in.a.b', '*.*', ...broader]) {
        expect(lines(await client.exchange(`SUB ${filter} 1\r\n`)), filter).toEqual([`${violation(filter)}'`])
      }
      expect(lines(await client.exchange('SUB no q 1\r\n'))).toEqual([`${violation('no')} using queue "q"'`])
      await expectMessages(client, `SUB ok.a 1\r\n${publish('ok.a')}`, ['ok.a 1 x'])
      expect(lines(await client.exchange('SUB in.* 2\r\nSUB ok.> 3\r\nSUB ok.*.b 4\r\n'))).toEqual([])
    },
  },
  {
    rules: ['S-10'],
    title: 'does not deliver denied messages to a broader subscription',
    async run({ connect, elsewhere, target }) {
      const client = await connect({}, target.credentials.limited)
      await client.exchange('SUB ok.> 1\r\nSUB ok.* 2\r\n')
      const publisher = await elsewhere()
      await publisher.exchange(publish('ok.no', '1') + publish('ok.yes', '2') + publish('ok.no.x', '3'))
      expect(messages(await settled(client)).sort()).toEqual(['ok.no.x 1 3', 'ok.yes 1 2', 'ok.yes 2 2'])
    },
  },
  {
    rules: ['S-11'],
    title: 'sends MSG to a client without headers',
    async run({ connect, token }) {
      const old = await connect({ headers: false, no_responders: false })
      await old.exchange(`SUB ${token} 1\r\n`)
      const client = await connect()
      client.send(`HPUB ${token} r 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n`)
      expect(await old.next()).toEqual({ line: `MSG ${token} 1 r 2`, payload: 'hi' })
    },
  },
  {
    rules: ['S-12'],
    title: 'rejects subscriptions over the limit',
    async run({ connect, target, token }) {
      const client = await connect()
      const max = target.limits.maxSubscriptions
      const all = Array.from({ length: max }, (_, sid) => `SUB ${token}.${sid} ${sid}\r\n`).join('')
      expect(lines(await client.exchange(all))).toEqual([])
      expect(lines(await client.exchange(`SUB ${token}.x x\r\n`))).toEqual(["-ERR 'maximum subscriptions exceeded'"])
      await expectMessages(client, `UNSUB 0\r\nSUB ${token}.x x\r\n${publish(`${token}.x`)}`, [`${token}.x x x`])
    },
  },
  {
    rules: ['S-18'],
    title: 'rejects a queue subscription that overlaps a deny',
    bridgeOnly: true,
    async run({ connect, target }) {
      const client = await connect({}, target.credentials.limited)
      const answer = await client.exchange('SUB ok.> q 1\r\nSUB ok.> 2\r\n')
      expect(lines(answer)).toEqual([`-ERR 'Permissions Violation for Subscription to "ok.>" using queue "q"'`])
    },
  },
  {
    rules: ['S-19'],
    title: 'gives messages of a client with echo: false to other members of its queue group',
    async run({ connect, elsewhere, token }) {
      const [client, other] = [await connect({ echo: false }), await elsewhere()]
      for (const member of [client, other]) await member.exchange(`SUB ${token} q 1\r\n`)
      const numbers = Array.from({ length: 50 }, (_, i) => String(i))
      const publish = numbers.map((number) => `PUB ${token} ${number.length}\r\n${number}\r\n`).join('')
      expect(messages(await client.exchange(publish))).toEqual([])
      for (const number of numbers) expect((await other.next())?.payload).toBe(number)
    },
  },
  {
    rules: ['S-20'],
    title: 'delivers nothing that the client published before its SUB',
    async run({ connect, token }) {
      const client = await connect()
      const answer = await client.exchange(
        `SUB ${token}.* 1\r\nPUB ${token}.x 3\r\nold\r\nSUB ${token}.* 2\r\nUNSUB 2 1\r\nPUB ${token}.x 3\r\nnew\r\n`,
      )
      const received = [...messages(answer), ...messages(await client.exchange())]
      expect(received.sort()).toEqual([`${token}.x 1 new`, `${token}.x 1 old`, `${token}.x 2 new`])
      // The maximum counts messages that were on their way.
      const counted = await client.exchange(
        `SUB ${token} 3\r\nPUB ${token} 1\r\na\r\nPUB ${token} 1\r\nb\r\nUNSUB 3 1\r\nPUB ${token} 1\r\nc\r\n`,
      )
      expect(messages(counted)).toEqual([`${token} 3 a`, `${token} 3 b`])
    },
  },
]

/**
 * Returns all messages that are on their way. A new subscription makes PONG a barrier (K-2): the broker has sent earlier
 * messages by then.
 */
function settled(client: RawClient) {
  const inbox = `_INBOX.${crypto.randomUUID()}`
  return client.exchange(`SUB ${inbox} ${inbox}\r\n`)
}
