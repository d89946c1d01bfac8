/** Promises, bytes and errors of other libraries and realms, for which `instanceof` is false. */
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { bytes, connect, defineEvents, type StandardSchema } from '../../../../sdk/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { createMemoryTransport } from '../memory-transport.ts'

/** Has `then`, but is not a Promise of this realm. */
function foreign<T>(promise: Promise<T>): Promise<T> {
  return Object.defineProperty({}, 'then', { value: promise.then.bind(promise) }) as Promise<T>
}

const positive: StandardSchema<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      foreign(
        Promise.resolve(Number(value) > 0 ? { value: Number(value) } : { issues: [{ message: 'not positive' }] }),
      ),
  },
}
const events = defineEvents({ count: positive, file: bytes() })

function setUp() {
  const transport = createMemoryTransport()
  const errors: unknown[] = []
  const invalid: unknown[] = []
  const bus = connect({
    transport,
    events,
    onError: (error) => errors.push(error),
    onInvalid: (_, { data }) => invalid.push(data),
  })
  return { transport, bus, errors, invalid }
}

it('a schema with thenables: invalid data is not published, and receivers get the output', async () => {
  const { transport, bus, invalid } = setUp()
  await expect(bus.publish('count', -1)).rejects.toMatchObject({ code: 'invalid-data' })
  expect(transport.published).toEqual([])
  const seen: unknown[] = []
  bus.on('count', ({ data }) => seen.push(data))
  for (const text of ['1', '-2', '3']) transport.deliver({ subject: 'count', payload: new TextEncoder().encode(text) })
  await eventually(() => seen.length === 2)
  expect([seen, invalid]).toEqual([[1, 3], [-2]])
})

it('a handler with thenables: a rejection reaches onError', async () => {
  const { transport, bus, errors } = setUp()
  bus.on('count', () => foreign(Promise.reject(new Error('late'))))
  transport.deliver({ subject: 'count', payload: new TextEncoder().encode('1') })
  await eventually(() => errors.length === 1)
  expect(errors).toMatchObject([{ message: 'late' }])
})

it('bytes() accepts bytes of another realm, and refuses other values', async () => {
  const { transport, bus } = setUp()
  await bus.publish('file', runInNewContext('Uint8Array.of(1, 2)'))
  expect([...(transport.published[0]?.payload ?? [])]).toEqual([1, 2])
  for (const value of ['text', [1], Uint16Array.of(1), new ArrayBuffer(1)])
    await expect(bus.publish('file', value as never)).rejects.toMatchObject({ code: 'invalid-data' })
})

it('a received header that is a command to the server is not published again by accident', async () => {
  const { transport, bus } = setUp()
  for (const name of ['Nats-Rollup', 'nats-expected-last-sequence', 'Spanwire-Time'])
    await expect(bus.publish('count', 1, { headers: [[name, 'all']] })).rejects.toMatchObject({
      code: 'invalid-header',
      message: expect.stringContaining(name),
    })
  expect(transport.published).toEqual([])
  await bus.publish('count', 1, { headers: [['Nats-Rollup', 'all']], reservedHeaders: true })
  await bus.publish('count', 1, { headers: [['Natsish', 'x']] })
  expect(transport.published.length).toBe(2)
})
