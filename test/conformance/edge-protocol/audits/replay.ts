import { expect } from 'vitest'
import { findNatsServer } from '../../../../demo/setup/nats-server.ts'
import { parseAckSubject } from '../../../../sdk/wire/replay-frames.ts'
import type { Audit, AuditContext } from '../audit.ts'
import { hasUpstream, lines } from '../expectations.ts'
import type { RawClient } from '../raw-client.ts'
import type { ServerLine } from '../server-reader.ts'

/** Sends a request. Returns the payload of the reply. */
async function request(client: RawClient, subject: string, body: string): Promise<string> {
  client.send(`SUB _INBOX.ask.1 ask\r\nUNSUB ask 1\r\nPUB ${subject} _INBOX.ask.1 ${body.length}\r\n${body}\r\n`)
  return (await client.next())?.payload ?? ''
}

async function makeStream({ connect, token }: AuditContext, config: object = {}): Promise<RawClient> {
  const client = await connect()
  const made = { name: token, subjects: [`${token}.>`], storage: 'memory', ...config }
  expect(await request(client, `$JS.API.STREAM.CREATE.${token}`, JSON.stringify(made))).toContain('"created"')
  return client
}

async function publish(client: RawClient, subjects: readonly string[]): Promise<void> {
  for (const subject of subjects) expect(await request(client, subject, subject)).toContain('"seq"')
}

/** Reads a replay up to an item. Items are sequences of messages, and texts of statuses. */
async function read(client: RawClient, last: string): Promise<string[]> {
  const items: string[] = []
  while (items.at(-1) !== last) {
    const line = await client.next(15_000)
    if (!line) throw new Error(`The connection ended after ${items.join(', ')}`)
    items.push(toItem(line))
  }
  return items
}

function toItem({ line, headers = '' }: ServerLine): string {
  const [, subject, , reply] = line.split(' ')
  if (subject !== '$EDGE.REPLAY') return String(parseAckSubject(reply ?? '')?.seq ?? line)
  const status = /^NATS\/1\.0 \d+ ([^\r]*)/.exec(headers)?.[1] ?? ''
  const gap = /Spanwire-Gap: ([^\r]*)/.exec(headers)?.[1]
  return gap === undefined ? status : `${status} ${gap}`
}

export const replay: readonly Audit[] = [
  {
    rules: ['Y-1', 'Y-11', 'Y-12'],
    title: 'opens a replay, and delivers the stored messages in order',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      await publish(client, [`${token}.a`, `${token}.b`, `${token}.a`])
      client.send(`SUB $EDGE.REPLAY.all.${token}.* 1\r\n`)
      const opening = await client.next()
      expect(opening?.line).toMatch(/^HMSG \$EDGE\.REPLAY 1 /)
      expect(opening?.headers).toMatch(/^NATS\/1\.0 100 Replay\r\n/)
      for (const field of [`Nats-Stream: ${token}`, 'First-Seq: 1', 'Last-Seq: 3', 'Start-Seq: 1', 'Spanwire-Epoch: 2'])
        expect(opening?.headers).toContain(field)
      for (const [index, subject] of [`${token}.a`, `${token}.b`, `${token}.a`].entries()) {
        const message = await client.next()
        expect(message?.line).toMatch(
          new RegExp(`^H?MSG ${subject.replaceAll('.', '\\.')} 1 \\$JS\\.ACK\\.${token}\\.`),
        )
        expect(message).toMatchObject({ payload: subject })
        expect(toItem(message as ServerLine)).toBe(String(index + 1))
      }
      expect(await read(client, 'Replay Live')).toEqual(['Replay Live'])
    },
  },
  {
    rules: ['Y-2'],
    title: 'delivers messages that are published in the meantime once, after the stored ones',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      const other = await context.connect()
      await publish(other, Array(20).fill(`${token}.a`))
      client.send(`SUB $EDGE.REPLAY.all.${token}.> 1\r\n`)
      await publish(other, Array(20).fill(`${token}.b`))
      const items = await read(client, '40')
      expect(items.filter((text) => /^\d/.test(text))).toEqual(Array.from({ length: 40 }, (_, index) => `${index + 1}`))
    },
  },
  {
    rules: ['Y-18'],
    title: 'delivers several filters in the order of the stream',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      await publish(
        client,
        ['a.1', 'b.1', 'c', 'a.2', 'b.2'].map((name) => `${token}.${name}`),
      )
      client.send(`SUB $EDGE.REPLAY.all:2>.${token}.a.${token}.b.* 1\r\n`)
      const opening = toItem((await client.next(15_000)) as ServerLine)
      if (opening.includes('2.10')) return expect((await findNatsServer())?.version).toMatch(/^2\.9\./)
      expect(opening).toBe('Replay')
      expect(await read(client, 'Replay Live')).toEqual(['1', '2', '4', '5', 'Replay Live'])
      await publish(await context.connect(), [`${token}.c`, `${token}.b.3`])
      expect(await read(client, '7')).toEqual(['7'])
      client.send(`UNSUB 1\r\nSUB $EDGE.REPLAY.s4:3.${token}.a.2.${token}.b.2 2\r\n`)
      expect(await read(client, 'Replay Live')).toEqual(['Replay', '4', '5', 'Replay Live'])
    },
  },
  {
    rules: ['Y-19'],
    title: 'refuses filters that overlap, and numbers of tokens that the subject does not have',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      for (const [index, rest] of [
        `all:2.${token}.a.${token}.*`,
        `all:4.${token}.a.${token}.b`,
        `all:0.${token}.a`,
      ].entries()) {
        client.send(`SUB $EDGE.REPLAY.${rest} ${index}\r\n`)
        expect(await read(client, 'Bad Replay')).toEqual(['Bad Replay'])
      }
    },
  },
  {
    rules: ['Y-3'],
    title: 'starts at each cursor',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      await publish(
        client,
        ['a', 'b', 'a', 'b', 'c'].map((name) => `${token}.${name}`),
      )
      const expected = {
        all: '1 2 3 4 5',
        s4: '4 5',
        n2: '4 5',
        last: '5',
        'last-per-subject': '3 4 5',
        t0: '1 2 3 4 5',
        new: '',
      }
      for (const [sid, [cursor, sequences]] of Object.entries(expected).entries()) {
        client.send(`SUB $EDGE.REPLAY.${cursor}.${token}.* ${sid}\r\n`)
        const items = await read(client, 'Replay Live')
        expect(items.slice(1, -1).join(' '), cursor).toBe(sequences)
        await client.exchange(`UNSUB ${sid}\r\n`)
      }
    },
  },
  {
    rules: ['Y-4', 'Y-13'],
    title: 'reports missing sequences of an s cursor only',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context, { max_msgs: 3 })
      await publish(client, Array(8).fill(`${token}.a`))
      client.send(`SUB $EDGE.REPLAY.s2.${token}.* 1\r\n`)
      expect((await read(client, 'Replay Live')).slice(1, -1)).toEqual(['Replay Gap 2-5', '6', '7', '8'])
      client.send(`SUB $EDGE.REPLAY.all.${token}.* 2\r\n`)
      expect((await read(client, 'Replay Live')).slice(1, -1)).toEqual(['6', '7', '8'])
    },
  },
  {
    rules: ['Y-5'],
    title: 'answers an invalid cursor, a queue group and an inbox with 400',
    bridgeOnly: true,
    async run(context) {
      const client = await context.connect()
      for (const bad of ['s0.a', 'x.a', 's.a', 'n-1.a', 't9e9.a', 'all', 'all.a q', 'all._INBOX.x.*']) {
        client.send(`SUB $EDGE.REPLAY.${bad} 1\r\n`)
        expect(await read(client, 'Bad Replay'), bad).toEqual(['Bad Replay'])
      }
      expect((await client.exchange()).ending).toBeUndefined()
    },
  },
  {
    rules: ['Y-14'],
    title: 'rejects a replay of a client without headers',
    bridgeOnly: true,
    async run({ connect }) {
      const client = await connect({ headers: false, no_responders: false })
      const answer = await client.exchange('SUB $EDGE.REPLAY.all.a 1\r\n')
      expect(answer).toEqual({ lines: [{ line: "-ERR 'Replay Needs Headers'" }] })
    },
  },
  {
    rules: ['Y-6', 'Y-15'],
    title: 'answers a filter that no stream stores with 404, and accepts the sid again',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      for (const filter of [`no.${token}`, `*.${token}.>`]) {
        client.send(`SUB $EDGE.REPLAY.all.${filter} 1\r\n`)
        expect(await read(client, 'No Stream')).toEqual(['No Stream'])
      }
      client.send(`SUB $EDGE.REPLAY.all.${token}.a 1\r\n`)
      expect(await read(client, 'Replay Live')).toEqual(['Replay', 'Replay Live'])
    },
  },
  {
    rules: ['Y-17'],
    title: 'answers with the reason if the configuration of the stream allows no replay',
    bridgeOnly: true,
    needs: ({ brokerVersion }) => (brokerVersion ? undefined : 'The embedded broker has no such streams'),
    async run(context) {
      const { token } = context
      const client = await makeStream(context, { retention: 'workqueue' })
      client.send(`SUB $EDGE.REPLAY.all.${token}.a 1\r\n`)
      expect(await read(client, 'Work Queue Retention')).toEqual(['Work Queue Retention'])
      // Since 2.10. Older servers ignore the field.
      if (/^2\.9\./.test(context.target.brokerVersion ?? '')) return
      await request(client, `$JS.API.STREAM.DELETE.${token}`, '')
      await makeStream(context, { subject_transform: { src: `${token}.>`, dest: `${token}-2.>` } })
      client.send(`SUB $EDGE.REPLAY.all.${token}.a 1\r\n`)
      expect(await read(client, 'Subject Transform')).toEqual(['Subject Transform'])
    },
  },
  {
    rules: ['Y-7', 'Y-16'],
    title: 'applies the permissions of the filter',
    bridgeOnly: true,
    async run(context) {
      const { target, token } = context
      const root = await makeStream(context, { subjects: ['ok.>', `${token}.>`] })
      const limited = await context.connect({}, target.credentials.limited)
      await publish(root, [`ok.${token}`, 'ok.no', `ok.${token}`])
      limited.send('SUB $EDGE.REPLAY.all.ok.> 1\r\n')
      expect((await read(limited, 'Replay Live')).slice(1, -1)).toEqual(['1', '3'])
      const answer = await limited.exchange(`SUB $EDGE.REPLAY.all.${token}.> 2\r\n`)
      expect(lines(answer)).toEqual([`-ERR 'Permissions Violation for Subscription to "$EDGE.REPLAY.all.${token}.>"'`])
      await request(root, `$JS.API.STREAM.DELETE.${token}`, '{}')
    },
  },
  {
    rules: ['Y-8'],
    title: 'ends a replay at UNSUB, with and without max',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      await publish(client, Array(5).fill(`${token}.a`))
      client.send(`SUB $EDGE.REPLAY.all.${token}.a 1\r\nUNSUB 1 2\r\n`)
      expect(await read(client, '2')).toEqual(['Replay', '1', '2'])
      client.send(`SUB $EDGE.REPLAY.new.${token}.a 2\r\n`)
      await read(client, 'Replay Live')
      await client.exchange('UNSUB 2\r\n')
      await publish(client, [`${token}.a`])
      expect(lines(await client.exchange())).toEqual([])
    },
  },
  {
    rules: ['Y-9'],
    title: 'starts a replay again when its stream was deleted and created again',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      const other = await context.connect()
      await publish(other, [`${token}.a`, `${token}.a`])
      client.send(`SUB $EDGE.REPLAY.all.${token}.* 1\r\n`)
      await read(client, 'Replay Live')
      await request(other, `$JS.API.STREAM.DELETE.${token}`, '{}')
      await makeStream(context)
      await publish(other, [`${token}.b`])
      expect((await read(client, '1')).filter((text) => text !== 'Replay Live')).toEqual(['Replay', '1'])
    },
  },
  {
    rules: ['Y-10'],
    title: 'continues a replay after an outage of the broker',
    bridgeOnly: true,
    needs: ({ outage }) => (outage ? undefined : 'its broker can not be stopped'),
    async run(context) {
      const { target, token } = context
      const client = await makeStream(context, { storage: 'file' })
      await publish(client, [`${token}.a`])
      client.send(`SUB $EDGE.REPLAY.all.${token}.* 1\r\n`)
      await read(client, 'Replay Live')
      await target.outage?.begin()
      await client.infoWhere(hasUpstream('reconnecting'), 10_000)
      const seen = client.infos.length
      await target.outage?.end()
      await client.infoWhere(() => client.infos.slice(seen).some(hasUpstream('open')), 20_000)
      const other = await context.elsewhere()
      other.send(`PUB ${token}.b 1\r\nx\r\n`)
      expect(await read(client, '2')).toEqual(['2'])
    },
  },
]
