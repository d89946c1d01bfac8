/** `bus.presence` where joining is refused, and where a connection is lost at a bad moment. */
import { expect, it } from 'vitest'
import { createTestBridge } from '../../../bridge/testing.ts'
import { defineEvents } from '../../../sdk/index.ts'
import { openPresence } from '../../../sdk/presence/presence.ts'
import { StatusCell } from '../../../sdk/transport/status-cell.ts'
import { createMemoryTransport } from './memory-transport.ts'

it('a state that is refused leaves the one before: it comes back after a reconnect, and can be left', async () => {
  await using bridge = createTestBridge({ clock: 'fake' })
  const [ada, bob] = ['ada', 'bob'].map((user) => bridge.connect({ events: defineEvents({}), as: { user } }))
  const own = await ada?.presence('room')
  const seen = await bob?.presence('room')
  const states = () => [...(seen?.members.values() ?? [])].map(({ state }) => state)
  await own?.join('fine')
  await bridge.clock.advance(1_000)
  expect(states()).toEqual(['fine'])

  await expect(own?.join('x'.repeat(5_000))).rejects.toMatchObject({ code: 'permission-denied' })
  bridge.drop()
  await bridge.clock.advance(1_000)
  expect(states()).toEqual(['fine'])
  await own?.leave()
  await bridge.clock.advance(1_000)
  expect(states()).toEqual([])
})

it('a list that a lost connection cut short is forgotten', async () => {
  const memory = createMemoryTransport()
  const cell = new StatusCell('open')
  const opening = openPresence({ ...memory, edge: true, onStatus: (listener) => cell.listen(listener) }, 'room')
  const list = (id: string, more: boolean) =>
    memory.deliver({
      subject: '$EDGE.PRESENCE.room',
      payload: new TextEncoder().encode(
        JSON.stringify({ kind: 'members', you: 'me', more, members: [{ id, user: id }] }),
      ),
    })
  list('gone', true)
  cell.set('reconnecting')
  cell.set('open')
  list('here', false)
  expect([...(await opening).members.keys()]).toEqual(['here'])
})
