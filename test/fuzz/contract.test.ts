/** Random publishes to a bridge that knows the contract: subscribers of an event get only data that its schema allows. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { createEmbeddedUpstream } from '../../bridge/broker/embedded.ts'
import type { UpstreamMessage } from '../../bridge/upstream/upstream.ts'
import { bytes, defineEvents, event } from '../../sdk/index.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { eventually } from '../support/eventually.ts'
import { bridgeFor, ScriptedClient } from '../unit/bridge/session/scripted-client.ts'

const text = z.object({ text: z.string() })
const events = defineEvents({
  'note.{id}': text,
  'kept.{id}': event(text, { stream: 'ALL' }),
  'file.{id}': bytes({ stream: 'ALL' }),
})
/** One stream, so that a schedule can copy from each event to each other one. */
const stream = {
  name: 'ALL',
  subjects: ['note.*', 'kept.*', 'file.*', '$SCHEDULE.>'],
  allow_msg_schedules: true,
  allow_rollup_hdrs: true,
  allow_msg_ttl: true,
}

/** The stream stores scheduled messages, and does not publish them to other subscribers. */
const stored = {
  stream_name: 'ALL',
  config: { deliver_subject: 'stored', filter_subjects: ['note.*', 'kept.*'], ack_policy: 'none' },
}

const subject = fc.constantFrom('note.a', 'kept.a', 'kept.b', 'file.a', 'other', '_INBOX.x.1')
const consumer = fc
  .tuple(fc.constantFrom('deliver_subject', 'Deliver_Subject', 'deliver_ſubject'), subject, fc.nat(9))
  .map(([field, to, n]) => ({
    to: `$JS.API.CONSUMER.CREATE.ALL.c${n}`,
    payload: JSON.stringify({ stream_name: 'ALL', config: { name: `c${n}`, ack_policy: 'none', [field]: to } }),
  }))
const PAYLOADS = ['{"text":"x"}', '{"text":7}', '', '{', '\xff', '{"text":"\xff"}', 'null', '[]', '\ufeff{"text":"x"}']
const message = fc.record({
  to: fc.oneof(subject, fc.constantFrom('$SCHEDULE.ALL.1', '$SCHEDULE.ALL.2')),
  payload: fc.constantFrom(...PAYLOADS),
})
const names = [
  ...['Nats-Schedule', 'Nats-Schedule-Target', 'Nats-Schedule-Source', 'Nats-Trace-Dest', 'Nats-Rollup'],
  ...['Nats-Expected-Last-Msg-Id', 'KV-Operation', 'Spanwire-Version', 'nats-schedule-target', 'X'],
]
const values = fc.constantFrom(
  '@at 2020-01-01T00:00:00Z',
  'sub',
  'DEL',
  '1',
  '2',
  'spanwire',
  'spanwire: was it stored?',
)
const field = fc.tuple(fc.constantFrom(...names), fc.constantFrom(': ', ':', ':\t', ' : '), fc.oneof(subject, values))
const block = fc
  .tuple(
    fc.constantFrom('NATS/1.0', 'NATS/1.0 100', 'X', ''),
    fc.array(
      fc.oneof(
        { weight: 3, arbitrary: field.map((parts) => parts.join('')) },
        fc.constant('Nats-Schedule: @at 2020-01-01T00:00:00Z'),
      ),
      { maxLength: 4 },
    ),
    fc.constantFrom('\r\n', '\r\n', '\n'),
  )
  .map(([first, fields, end]) => [first, ...fields, '', ''].join(end))
const publish = fc
  .record({
    message: fc.oneof({ weight: 6, arbitrary: message }, consumer),
    reply: fc.option(subject),
    block: fc.option(block),
  })
  .map(({ message: { to, payload }, reply, block }) => {
    const answer = reply === null ? '' : ` ${reply}`
    return block === null
      ? `PUB ${to}${answer} ${payload.length}\r\n${payload}\r\n`
      : `HPUB ${to}${answer} ${block.length} ${block.length + payload.length}\r\n${block}${payload}\r\n`
  })

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Whether subscribers of an event may get a message: its data is valid, or it marks a removal from the stream. */
function isAllowed({ headers, payload }: UpstreamMessage): boolean {
  const fields = new TextDecoder().decode(headers)
  // The second is a query, which no stream stores.
  if (payload.length === 0) return /\r\nKV-Operation: *DEL\r/.test(fields) || fields.includes('was it stored?')
  try {
    return text.safeParse(JSON.parse(utf8.decode(payload))).success
  } catch {
    return false
  }
}

it('subscribers of an event get only valid data, by whatever a client publishes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(publish, { minLength: 10, maxLength: 60 }), async (frames) => {
      const upstream = createEmbeddedUpstream()
      const { bridge } = bridgeFor({ upstream, events, unknownSubjects: 'pass' } as Parameters<typeof bridgeFor>[0])
      const bad: string[] = []
      let isOver = false
      for (const filter of ['note.*', 'kept.*', 'stored'])
        upstream.subscribe(filter, undefined, (given) => {
          if (given.subject === 'note.last') isOver = true
          else if (!isAllowed(given)) bad.push(new TextDecoder().decode(given.payload))
        })
      const encode = (data: unknown) => new TextEncoder().encode(JSON.stringify(data))
      upstream.publish({ subject: '$JS.API.STREAM.CREATE.ALL', payload: encode(stream) })
      upstream.publish({ subject: '$JS.API.CONSUMER.CREATE.ALL', payload: encode(stored) })
      const client = await ScriptedClient.connected(bridge, { pedantic: false })
      for (const frame of frames) client.connection.receive(Buffer.from(frame, 'latin1'))
      client.send('PING\r\n')
      await client.until('PONG\r\n')
      expect(client.closes).toEqual([])
      const last = { 'Nats-Schedule': '@at 2020-01-01T00:00:00Z', 'Nats-Schedule-Target': 'note.last' }
      upstream.publish({
        subject: '$SCHEDULE.ALL.last',
        headers: encodeHeaders(Object.entries(last)),
        payload: encode(0),
      })
      await eventually(() => isOver, { what: 'the last schedule', deadline: 2_000 })
      expect(bad).toEqual([])
      bridge.close()
    }),
    { numRuns: 60 },
  )
}, 60_000)
