/** Received events are plain data: what applications do with them keeps their members. */
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { reactive, ref } from 'vue'
import { connect, defineEvents, type ReceivedEvent, type StandardSchema } from '../../../../sdk/index.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { createMemoryTransport } from '../memory-transport.ts'

const anything: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
const events = defineEvents({ 'chat.{room}.message': anything })
const payload = new TextEncoder().encode('{"text":"hello"}')

/** Receives one event with these headers. */
function receive(headers: ReadonlyArray<readonly [string, string]>): ReceivedEvent {
  const transport = createMemoryTransport()
  const received: ReceivedEvent[] = []
  connect({ transport, events }).on('chat.{room}.message', (event) => received.push(event))
  transport.deliver({ subject: 'chat.a.message', payload, reply: 'in', headerBlock: encodeHeaders(headers) })
  return received[0] as ReceivedEvent
}

const OWN = [
  ['Nats-Msg-Id', 'id1'],
  ['Spanwire-Time', '1700000000000'],
  ['Trace', 'a'],
] as const
const members = {
  name: 'chat.{room}.message',
  data: { text: 'hello' },
  subject: 'chat.a.message',
  params: { room: 'a' },
  id: 'id1',
  time: 1_700_000_000_000,
  reply: 'in',
}

it.each<[string, (event: ReceivedEvent) => unknown]>([
  ['spread', (event) => ({ ...event })],
  ['Object.assign', (event) => Object.assign({}, event)],
  ['JSON', (event) => JSON.parse(JSON.stringify(event))],
  ['structuredClone', (event) => structuredClone(event)],
  ["Vue's reactive", (event) => reactive([event])[0]],
  ["Vue's ref", (event) => ref([event]).value[0]],
  ["a spread of Vue's ref", (event) => ({ ...ref(event).value })],
  ['a Proxy of its fields', (event) => new Proxy({ ...event }, {})],
])('an event keeps its members through %s', (_, change) => {
  expect(change(receive(OWN))).toMatchObject(members)
})

it('an event in a list of Vue has its payload and its headers', () => {
  const [event] = ref([receive(OWN)]).value
  expect(event?.payload).toEqual(payload)
  expect(event?.headers.get('trace')).toBe('a')
  expect([...(event?.headers ?? [])]).toEqual(OWN.map((field) => [...field]))
})

it('the console shows all members', () => {
  const text = inspect(receive(OWN), { depth: 3 })
  for (const part of ['hello', 'chat.a.message', "room: 'a'", 'id1', '1700000000000']) expect(text).toContain(part)
})

it('headers survive JSON, and a clone of them can be read again', () => {
  const event = receive(OWN)
  expect(JSON.parse(JSON.stringify(event)).headers).toEqual(OWN)
  const { headers } = structuredClone(event)
  expect(new (event.headers.constructor as new (block: string) => typeof headers)(headers.block).get('Trace')).toBe('a')
})

it('finds id and time in headers of other clients, in any order and spelling', () => {
  expect(
    receive([
      ['spanwire-time', '5'],
      ['Other', 'x'],
      ['nats-msg-id', 'id2'],
    ]),
  ).toMatchObject({ id: 'id2', time: 5 })
  expect(
    receive([
      ['Nats-Msg-Id', 'a\u2028b'],
      ['Spanwire-Time', '7'],
    ]),
  ).toMatchObject({ id: 'a\u2028b', time: 7 })
  expect(receive([['Spanwire-Time', 'never']]).time).toBeGreaterThan(1_700_000_000_000)
})

it('a message without an id has the position in its stream as its id', () => {
  const transport = createMemoryTransport()
  const received: ReceivedEvent[] = []
  connect({ transport, events }).on('chat.{room}.message', (event) => received.push(event))
  transport.deliver({ subject: 'chat.a.message', payload, ...({ stream: 'CHAT', seq: 7 } as object) })
  transport.deliver({ subject: 'chat.a.message', payload })
  expect(received.map(({ id }) => id)).toEqual(['CHAT.7', ''])
})
