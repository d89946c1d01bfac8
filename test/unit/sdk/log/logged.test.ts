import { afterEach, expect, it, vi } from 'vitest'
import { connect, defineEvents, event, json } from '../../../../sdk/index.ts'
import { type LogEvent, type LogOption, logged } from '../../../../sdk/log/index.ts'
import { logged as loggedOnServer } from '../../../../sdk/log/server.ts'
import type { Transport } from '../../../../sdk/transport/transport.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'
import { eventually } from '../../../support/eventually.ts'
import { createMemoryTransport } from '../memory-transport.ts'

const SECRET = 'a payload that must stay secret'
const events = defineEvents({ 'note.{id}': event(json<{ text: string }>()) })

afterEach(() => void vi.restoreAllMocks())

function setUp(more: Partial<Transport> = {}, log?: LogOption) {
  const seen: LogEvent[] = []
  const memory = createMemoryTransport()
  let status: Parameters<Transport['onStatus']>[0] = () => {}
  const transport: Transport = {
    ...memory,
    onStatus: (listener) => {
      status = listener
      return () => {}
    },
    ...more,
  }
  const bus = connect(logged({ transport, events }, log ?? ((one) => void seen.push(one))))
  /** Codes of events, without those of level `debug`. */
  const codes = () => seen.filter(({ level }) => level !== 'debug').map(({ code }) => code)
  return { bus, memory, seen, codes, status: (next: Parameters<typeof status>[0]) => status(next) }
}

it('logs changes of the connection, with the reason', () => {
  const { seen, status } = setUp()
  const reason = { code: 'authentication-failed', message: 'The token is not valid.' } as const
  status({ state: 'open' })
  status({ state: 'reconnecting', reason })
  status({ state: 'closed', reason })
  expect(seen.map(({ level, code, message, fields }) => [level, code, message, fields])).toEqual([
    ['info', 'connection-open', 'Connected.', {}],
    ['warn', 'connection-lost', 'There is no connection. The token is not valid.', { error: reason.code }],
    ['error', 'connection-closed', 'The connection is closed. The token is not valid.', { error: reason.code }],
  ])
})

it('logs operations, without payloads, and passes results on', async () => {
  const { bus, seen, memory } = setUp()
  const texts: string[] = []
  await bus.on('note.{id}', (e) => texts.push(e.data.text)).ready
  await bus.publish('note.{id}', { id: '1' }, { text: SECRET })
  await eventually(() => seen.some(({ code }) => code === 'published'), { what: 'the event' })
  expect(texts).toEqual([SECRET])
  expect(seen.find(({ code }) => code === 'published')).toMatchObject({ level: 'debug', fields: { subject: 'note.1' } })
  memory.refuse(new SpanwireError('permission-denied', 'No permission.'))
  expect(seen.at(-1)).toMatchObject({
    level: 'warn',
    code: 'subscription-ended',
    fields: { subject: 'note.*', error: 'permission-denied' },
  })
  expect(JSON.stringify(seen.map(({ message, fields }) => [message, fields]))).not.toContain(SECRET)
})

it('logs failed publishes and requests. Errors of the application have the level debug', async () => {
  const errors = ['permission-denied', 'aborted'] as const
  let next = 0
  const fail = () => Promise.reject(new SpanwireError(errors[next++] ?? 'timeout', 'No.'))
  const { bus, seen } = setUp({ publish: fail })
  for (const code of errors)
    await expect(bus.publish('note.{id}', { id: '1' }, { text: SECRET })).rejects.toMatchObject({ code })
  expect(seen.map(({ level, code, fields }) => [level, code, fields.error])).toEqual([
    ['warn', 'publish-failed', 'permission-denied'],
    ['debug', 'publish-failed', 'aborted'],
  ])
})

it('logs invalid events and errors of handlers in place of the console', async () => {
  const error = vi.spyOn(console, 'error')
  const { bus, memory, seen, codes } = setUp()
  await bus.on('note.{id}', () => {
    throw new TypeError(SECRET)
  }).ready
  const deliver = (text: string) =>
    memory.deliver({ subject: 'note.1', payload: new TextEncoder().encode(text), headers: [] } as never)
  deliver('not JSON')
  deliver('{"text":"a"}')
  await eventually(() => codes().length === 2, { what: 'two events' })
  expect(seen.filter(({ level }) => level !== 'debug')).toMatchObject([
    { code: 'event-invalid', fields: { subject: 'note.1', event: 'note.{id}', error: 'invalid-data' } },
    { code: 'handler-failed', level: 'error', fields: { error: 'TypeError' }, error: { message: SECRET } },
  ])
  expect(JSON.stringify(seen.map(({ message, fields }) => [message, fields]))).not.toContain(SECRET)
  expect(error).not.toHaveBeenCalled()
})

it('passes at most 20 events of one code on in 10 s, and survives a logger that fails', () => {
  vi.spyOn(Date, 'now').mockReturnValue(1_000)
  const { seen, status } = setUp()
  for (let n = 0; n < 50; n++) status({ state: 'open' })
  expect(seen).toHaveLength(20)
  vi.mocked(Date.now).mockReturnValue(11_000)
  status({ state: 'open' })
  expect(seen.at(-1)?.message).toBe('Connected. 30 more events of this kind were not written.')
  const failing = setUp({}, () => {
    throw new Error('disk full')
  })
  expect(() => failing.status({ state: 'open' })).not.toThrow()
})

it('writes lines to the console from a level on', () => {
  const info = vi.spyOn(console, 'info').mockReturnValue()
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  const { status } = setUp({}, 'warn')
  status({ state: 'open' })
  status({ state: 'reconnecting', reason: { code: 'connection-lost', message: 'Lost.' } })
  expect(info).not.toHaveBeenCalled()
  expect(warn.mock.calls).toEqual([
    ['spanwire: connection-lost: There is no connection. Lost. error="connection-lost"'],
  ])
})

it('accepts nats:// on servers', async () => {
  const seen: LogEvent[] = []
  const options = loggedOnServer({ url: 'nats://127.0.0.1:9', events, onInvalid() {} }, (one) => void seen.push(one))
  const bus = connect(options)
  await bus.close()
  expect(options.transport.status.state).toBe('closed')
  expect(seen.at(-1)?.code).toBe('connection-closed')
})
