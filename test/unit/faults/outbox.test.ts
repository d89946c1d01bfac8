import { afterEach, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents, type OutboxEntry, type OutboxOutcome, type OutboxStore } from '../../../sdk/index.ts'
import { indexedDbOutbox } from '../../../sdk/outbox/indexed-db.ts'
import { createMemoryTransport } from '../sdk/memory-transport.ts'

const events = defineEvents({ 'a.{x}': z.object({}) })
afterEach(() => void vi.unstubAllGlobals())

function createStore(left: OutboxEntry[] = []) {
  const rows = new Map<number, OutboxEntry>(left.entries())
  let next = left.length
  const store = {
    rows,
    closed: 0,
    adopt: async () => [...rows].map(([key, entry]) => ({ key, entry })),
    async put(entry: OutboxEntry) {
      rows.set(next, entry)
      return next++
    },
    async delete(key: unknown) {
      rows.delete(key as number)
    },
    close: () => void store.closed++,
  }
  return store satisfies OutboxStore & object
}
const settle = () => new Promise((resolve) => setTimeout(resolve, 300))
const entry: OutboxEntry = {
  subject: 'a.1',
  payload: new Uint8Array([123, 125]),
  headers: [['Nats-Msg-Id', 'old']],
  stream: false,
  options: {},
}

it('a bus that is closed while its outbox opens leaves what is there to others', async () => {
  const store = createStore()
  const bus = connect({ transport: createMemoryTransport(), events, outbox: { store } })
  await bus.close()
  await settle()
  expect(store.closed).toBe(1)
})

it('onSettled does not hear of what stays in the outbox', async () => {
  const store = createStore([entry])
  const outcomes: OutboxOutcome[] = []
  const bus = connect({
    url: 'ws://127.0.0.1:1',
    events,
    outbox: { store, onSettled: (outcome) => outcomes.push(outcome) },
  })
  await settle()
  await bus.close()
  await settle()
  expect(store.rows.size).toBe(1)
  expect(outcomes).toEqual([])
})

it('what onSettled throws is no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const listen = (error: unknown) => unhandled.push(error)
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', listen)
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const outbox = {
    store: createStore([entry]),
    onSettled() {
      throw new Error('mine')
    },
  }
  const bus = connect({ transport: createMemoryTransport(), events, outbox })
  await settle()
  await bus.close()
  process.removeListener('unhandledRejection', listen)
  for (const other of others) process.on('unhandledRejection', other)
  expect(unhandled).toEqual([])
})

it('publishes where a page may use neither locks nor IndexedDB', async () => {
  // As browsers do where storage is blocked: https://w3c.github.io/web-locks/#api-lock-manager-request
  vi.stubGlobal('navigator', {
    locks: {
      request: () => Promise.reject(new DOMException('Access to the Locks API is denied', 'SecurityError')),
      query: () => Promise.reject(new DOMException('Access to the Locks API is denied', 'SecurityError')),
    },
  })
  vi.stubGlobal('indexedDB', {
    open() {
      throw new DOMException('denied', 'SecurityError')
    },
  })
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  const transport = createMemoryTransport()
  const bus = connect({ transport, events, outbox: { store: indexedDbOutbox('x') } })
  const published = bus.publish('a.{x}', { x: '1' }, {}).then(() => 'published')
  expect(await Promise.race([published, settle().then(() => 'hangs')])).toBe('published')
})
