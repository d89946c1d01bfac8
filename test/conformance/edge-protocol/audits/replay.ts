import { expect } from 'vitest'
import { parseAckSubject } from '../../../../sdk/wire/replay-frames.ts'
import type { Audit, AuditContext } from '../audit.ts'
import { lines } from '../expectations.ts'
import type { RawClient } from '../raw-client.ts'
import type { ServerLine } from '../server-reader.ts'

/** A request by the bare protocol; answers with the payload of the first answer. */
async function ask(client: RawClient, subject: string, body: string): Promise<string> {
  client.send(`SUB _INBOX.ask.1 ask\r\nUNSUB ask 1\r\nPUB ${subject} _INBOX.ask.1 ${body.length}\r\n${body}\r\n`)
  return (await client.next())?.payload ?? ''
}

async function makeStream({ connect, token }: AuditContext, config: object = {}): Promise<RawClient> {
  const client = await connect()
  const made = { name: token, subjects: [`${token}.>`], storage: 'memory', ...config }
  expect(await ask(client, `$JS.API.STREAM.CREATE.${token}`, JSON.stringify(made))).toContain('"created"')
  return client
}

async function publish(client: RawClient, subjects: readonly string[]): Promise<void> {
  for (const subject of subjects) expect(await ask(client, subject, subject)).toContain('"seq"')
}

/** What a replay says, one line each: the sequence of a message, or the text of a status. */
async function read(client: RawClient, upTo: string): Promise<string[]> {
  const said: string[] = []
  while (said.at(-1) !== upTo) {
    const line = await client.next(15_000)
    if (!line) throw new Error(`The connection ended after ${said.join(', ')}`)
    said.push(tell(line))
  }
  return said
}

function tell({ line, headers = '' }: ServerLine): string {
  const [, subject, , reply] = line.split(' ')
  if (subject !== '$EDGE.REPLAY') return String(parseAckSubject(reply ?? '')?.seq ?? line)
  const status = /^NATS\/1\.0 \d+ ([^\r]*)/.exec(headers)?.[1] ?? ''
  const gap = /Spanwire-Gap: ([^\r]*)/.exec(headers)?.[1]
  return gap === undefined ? status : `${status} ${gap}`
}

export const replay: readonly Audit[] = [
  {
    id: 'Y-1',
    title: 'a replay opens with its stream, brings what there is in order, and says when that is done',
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
        expect(tell(message as ServerLine)).toBe(String(index + 1))
      }
      expect(await read(client, 'Replay Live')).toEqual(['Replay Live'])
    },
  },
  {
    id: 'Y-2',
    title: 'what is published while the backlog is read comes after it, once',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      const other = await context.connect()
      await publish(other, Array(20).fill(`${token}.a`))
      client.send(`SUB $EDGE.REPLAY.all.${token}.> 1\r\n`)
      await publish(other, Array(20).fill(`${token}.b`))
      const said = await read(client, '40')
      expect(said.filter((text) => /^\d/.test(text))).toEqual(Array.from({ length: 40 }, (_, index) => `${index + 1}`))
    },
  },
  {
    id: 'Y-3',
    title: 'each cursor begins where it says',
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
        const said = await read(client, 'Replay Live')
        expect(said.slice(1, -1).join(' '), cursor).toBe(sequences)
        await client.exchange(`UNSUB ${sid}\r\n`)
      }
    },
  },
  {
    id: 'Y-4',
    title: 'sequences that were asked for and are gone are told, and only those',
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
    id: 'Y-5',
    title: 'a cursor that can not be read, a queue group and an inbox are answered by a status; the client stays',
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
    id: 'Y-6',
    title: 'a filter that no stream keeps wholly is answered by a status, and the sid is free',
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
    id: 'Y-7',
    title: 'permissions are those of the filter: refused as a SUB is, and what matches a deny is withheld',
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
      await ask(root, `$JS.API.STREAM.DELETE.${token}`, '{}')
    },
  },
  {
    id: 'Y-8',
    title: 'UNSUB ends a replay, at once or after so many messages',
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
    id: 'Y-9',
    title: 'a stream that is deleted and made again opens anew, with another epoch',
    bridgeOnly: true,
    async run(context) {
      const { token } = context
      const client = await makeStream(context)
      const other = await context.connect()
      await publish(other, [`${token}.a`, `${token}.a`])
      client.send(`SUB $EDGE.REPLAY.all.${token}.* 1\r\n`)
      await read(client, 'Replay Live')
      await ask(other, `$JS.API.STREAM.DELETE.${token}`, '{}')
      await makeStream(context)
      await publish(other, [`${token}.b`])
      expect((await read(client, '1')).filter((text) => text !== 'Replay Live')).toEqual(['Replay', '1'])
    },
  },
  {
    id: 'Y-10',
    title: 'a replay goes on after the broker was away, without a word of the client',
    bridgeOnly: true,
    needs: ({ outage }) => (outage ? undefined : 'its broker can not be taken away'),
    async run(context) {
      const { target, token } = context
      const client = await makeStream(context, { storage: 'file' })
      await publish(client, [`${token}.a`])
      client.send(`SUB $EDGE.REPLAY.all.${token}.* 1\r\n`)
      await read(client, 'Replay Live')
      await target.outage?.begin()
      await client.infoWhere((info) => (info.edge as { upstream: string }).upstream === 'reconnecting', 10_000)
      const told = client.infos.length
      await target.outage?.end()
      await client.infoWhere(
        (info) => client.infos.indexOf(info) >= told && (info.edge as { upstream: string }).upstream === 'open',
        20_000,
      )
      const other = await context.elsewhere()
      other.send(`PUB ${token}.b 1\r\nx\r\n`)
      expect(await read(client, '2')).toEqual(['2'])
    },
  },
]
