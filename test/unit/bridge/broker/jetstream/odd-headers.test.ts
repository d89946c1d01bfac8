/** Header blocks that are not valid, which nats-server stores and copies unchanged (P-2). */
import { expect, it } from 'vitest'
import { createEmbeddedUpstream } from '../../../../../bridge/broker/embedded.ts'
import { eventually } from '../../../../support/eventually.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const NAME = 'a b : c\r\n'
const SCHEDULE = 'Nats-Schedule: @at 2020-01-01T00:00:00Z\r\nNats-Schedule-Target: made.a\r\n'

/** A broker with a stream of schedules, and a stream that copies it. Returns the headers of stored messages by subject. */
function brokerWithCopy() {
  const upstream = createEmbeddedUpstream()
  const copied = new Map<string, string>()
  const api = (subject: string, body: object) =>
    upstream.publish({ subject: `$JS.API.${subject}`, payload: encode(JSON.stringify(body)) })
  upstream.subscribe('stored.>', undefined, ({ subject, headers }) =>
    copied.set(subject, new TextDecoder().decode(headers)),
  )
  api('STREAM.CREATE.FIRST', { name: 'FIRST', subjects: ['made.*', '$SCHEDULE.>'], allow_msg_schedules: true })
  api('STREAM.CREATE.COPY', { name: 'COPY', sources: [{ name: 'FIRST' }] })
  api('CONSUMER.CREATE.COPY', {
    stream_name: 'COPY',
    config: { deliver_subject: 'stored.a', filter_subject: 'made.*', ack_policy: 'none' },
  })
  return { upstream, copied }
}

it.each([
  ['a name with a blank', `NATS/1.0\r\n${NAME}`, true],
  ['a control character', 'NATS/1.0\r\nA: b\u0000c\nd\r\n', true],
  ['a block without a version', 'X\r\n', false],
])('a message with %s is copied, and so are later ones', async (_, block, keeps) => {
  const { upstream, copied } = brokerWithCopy()
  upstream.publish({ subject: 'made.odd', headers: encode(`${block}\r\n`), payload: encode('') })
  upstream.publish({ subject: 'made.next', payload: encode('') })
  await eventually(() => copied.has('made.next'), { what: 'the next message' })
  expect(copied.get('made.odd')?.includes(block.split('\r\n')[1] || 'none')).toBe(keeps)
})

it.each([
  ['a name with a blank', `NATS/1.0\r\n${NAME}${SCHEDULE}\r\n`],
  ['a control character', `NATS/1.0\r\nA: b\u0000c\nd\r\n${SCHEDULE}\r\n`],
])('a schedule with %s is carried out', async (_, block) => {
  const { upstream, copied } = brokerWithCopy()
  upstream.publish({ subject: '$SCHEDULE.FIRST.1', headers: encode(block), payload: encode('') })
  await eventually(() => copied.get('made.a')?.includes('Nats-Scheduler: $SCHEDULE.FIRST.1'))
})

it('a schedule copies a message whose block is not a header block', async () => {
  const { upstream, copied } = brokerWithCopy()
  upstream.publish({ subject: 'made.source', headers: encode('abcd'), payload: encode('') })
  const block = `NATS/1.0\r\nNats-Schedule-Source: made.source\r\n${SCHEDULE}\r\n`
  upstream.publish({ subject: '$SCHEDULE.FIRST.1', headers: encode(block), payload: encode('') })
  await eventually(() => copied.get('made.a')?.includes('Nats-Scheduler: $SCHEDULE.FIRST.1'))
})
