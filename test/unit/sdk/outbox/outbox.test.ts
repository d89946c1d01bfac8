/** The outbox with an in-memory store. In a browser, with IndexedDB: test/browser/outbox.test.ts */
import { afterEach, expect, it, vi } from 'vitest'
import * as z from 'zod'
import {
  connect,
  defineEvents,
  type OutboxEntry,
  type OutboxOutcome,
  type OutboxStore,
  SpanwireError,
} from '../../../../sdk/index.ts'
import { indexedDbOutbox } from '../../../../sdk/outbox/indexed-db.ts'
import { eventually } from '../../../support/eventually.ts'
import { expectNoUnhandledRejections } from '../../../support/unhandled-rejections.ts'
import { createMemoryTransport } from '../memory-transport.ts'

expectNoUnhandledRejections()
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

const events = defineEvents({ 'a.{x}': z.object({}) })

/** An entry of an earlier page. */
const left: OutboxEntry = {
  subject: 'a.1',
  payload: new TextEncoder().encode('{}'),
  headers: [['Nats-Msg-Id', 'old']],
  stream: false,
  options: {},
}

function createStore(...entries: OutboxEntry[]) {
  const rows = new Map(entries.entries())
  let next = rows.size
  const store = {
    rows,
    closed: 0,
    adopt: async () => [...rows].map(([key, entry]) => ({ key, entry })),
    async put(entry: OutboxEntry) {
      if (store.closed > 0) throw new Error('The store is closed.')
      rows.set(next, entry)
      return next++
    },
    async delete(key: unknown) {
      rows.delete(key as number)
    },
    close: () => void store.closed++,
  }
  return store satisfies OutboxStore
}

it('a bus that is closed while its outbox opens closes the store', async () => {
  const store = createStore()
  const bus = connect({ transport: createMemoryTransport(), events, outbox: { store } })
  await bus.close()
  await eventually(() => store.closed === 1, { what: 'the store to be closed' })
})

it('an event that is published before the close is stored for the next page', async () => {
  const store = createStore()
  const publish = () => Promise.reject(new SpanwireError('connection-closed', 'Closed.'))
  const transport = Object.assign(createMemoryTransport(), { publish })
  const bus = connect({ transport, events, outbox: { store } })
  const published = bus.publish('a.{x}', { x: '2' }, {})
  await bus.close()
  await expect(published).rejects.toMatchObject({ code: 'connection-closed' })
  await eventually(() => store.closed === 1, { what: 'the store to be closed' })
  expect([...store.rows.values()].map(({ subject }) => subject)).toEqual(['a.2'])
})

it('onSettled is not called for an entry that stays in the outbox when the bus is closed', async () => {
  const store = createStore(left)
  const outcomes: OutboxOutcome[] = []
  const { promise, reject } = Promise.withResolvers<void>()
  const publish = vi.fn(() => promise)
  const transport = { ...createMemoryTransport(), publish }
  connect({ transport, events, outbox: { store, onSettled: (outcome) => outcomes.push(outcome) } })
  await eventually(() => publish.mock.calls.length === 1, { what: 'the publish' })
  reject(new SpanwireError('connection-closed', 'Closed.'))
  await new Promise((resolve) => setTimeout(resolve))
  expect(outcomes).toEqual([])
  expect(store.rows.size).toBe(1)
})

it('an onSettled that throws is reported, and the next entries are published', async () => {
  const consoleError = vi.spyOn(console, 'error').mockImplementation(() => {})
  const mine = new Error('mine')
  const store = createStore(left, left)
  const onSettled = () => {
    throw mine
  }
  connect({ transport: createMemoryTransport(), events, outbox: { store, onSettled } })
  const once = ['spanwire: onSettled threw', mine]
  await eventually(() => consoleError.mock.calls.length === 2, { what: 'both reports' })
  expect(consoleError.mock.calls).toEqual([once, once])
  expect(store.rows.size).toBe(0)
})

it('publishes and warns if locks and IndexedDB are blocked', async () => {
  // Behaviour of browsers with blocked storage: https://w3c.github.io/web-locks/#api-lock-manager-request
  const denied = () => Promise.reject(new DOMException('Access to the Locks API is denied', 'SecurityError'))
  vi.stubGlobal('navigator', { locks: { request: denied, query: denied } })
  vi.stubGlobal('indexedDB', {
    open() {
      throw new DOMException('denied', 'SecurityError')
    },
  })
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const transport = createMemoryTransport()
  const bus = connect({ transport, events, outbox: { store: indexedDbOutbox('x') } })
  await bus.publish('a.{x}', { x: '1' }, {})
  expect(transport.published.map(({ subject }) => subject)).toEqual(['a.1'])
  expect(warn.mock.calls).toEqual([
    [expect.stringMatching('^spanwire: the outbox cannot be written'), expect.anything()],
  ])
})
