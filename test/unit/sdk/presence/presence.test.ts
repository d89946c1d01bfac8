/** `bus.presence` with refused states, and with connections lost during an operation. */
import { expect, it, vi } from 'vitest'
import { createTestBridge } from '../../../../bridge/testing/index.ts'
import { defineEvents } from '../../../../sdk/index.ts'
import { openPresence } from '../../../../sdk/presence/presence.ts'
import { StatusCell } from '../../../../sdk/transport/status-cell.ts'
import { createMemoryTransport } from '../memory-transport.ts'

it('a refused state keeps the previous one, also after a reconnect, until leave()', async () => {
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

it('concurrent refused states change nothing, with several handles of one page', async () => {
  await using bridge = createTestBridge({ clock: 'fake' })
  const [ada, bob] = ['ada', 'bob'].map((user) => bridge.connect({ events: defineEvents({}), as: { user } }))
  const [older, newer] = [await ada?.presence('room'), await ada?.presence('room')]
  const seen = await bob?.presence('room')
  const states = async () => {
    await bridge.clock.advance(1_000)
    return [...(seen?.members.values() ?? [])].map(({ state }) => state)
  }
  const tooLarge = 'x'.repeat(5_000)
  await older?.join('old')
  const refused = await Promise.allSettled([older?.join(tooLarge), older?.join(tooLarge)])
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  bridge.drop()
  expect(await states()).toEqual(['old'])

  await newer?.join('new')
  await expect(older?.join(tooLarge)).rejects.toMatchObject({ code: 'permission-denied' })
  expect(await states()).toEqual(['new'])
  await newer?.leave()
  expect(await states()).toEqual(['old'])
  await older?.leave()
  expect(await states()).toEqual([])
})

it('an incomplete member list is dropped after a lost connection', async () => {
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

it('the members stay until the list after a reconnect has this one, or for a second', async () => {
  vi.useFakeTimers()
  const memory = createMemoryTransport()
  const cell = new StatusCell('open')
  const publish = async () => {}
  const onStatus: typeof memory.onStatus = (listener) => cell.listen(listener)
  const opening = openPresence({ ...memory, edge: true, publish, onStatus }, 'room')
  const member = (id: string) => ({ id, user: id })
  const deliver = (news: object) =>
    memory.deliver({ subject: '$EDGE.PRESENCE.room', payload: new TextEncoder().encode(JSON.stringify(news)) })
  const list = (you: string, ...ids: string[]) =>
    deliver({ kind: 'members', you, more: false, members: ids.map(member) })
  list('me1', 'old')
  const room = await opening
  await room.join('fine')
  deliver({ kind: 'changes', joined: [member('me1')], left: [] })
  const seen: string[] = []
  room.subscribe(() => seen.push([...room.members.keys()].join()))
  const reconnect = () => {
    cell.set('reconnecting')
    cell.set('open')
  }

  reconnect()
  list('me2', 'new')
  deliver({ kind: 'changes', joined: [member('other')], left: ['new'] })
  expect([...room.members.keys()]).toEqual(['old', 'me1'])
  deliver({ kind: 'changes', joined: [member('me2')], left: [] })
  expect([...room.members.keys()]).toEqual(['other', 'me2'])

  reconnect()
  list('me3')
  expect([...room.members.keys()]).toEqual(['other', 'me2'])
  vi.advanceTimersByTime(1_000)
  expect([...room.members.keys()]).toEqual([])
  expect(seen).toEqual(['other,me2', ''])
  vi.useRealTimers()
})

it('members who left meanwhile are removed, also if the join of this one is not processed', async () => {
  await using bridge = createTestBridge({ clock: 'fake' })
  const [ada, bob] = ['ada', 'bob'].map((user) => bridge.connect({ events: defineEvents({}), as: { user } }))
  const [room, other] = [await ada?.presence('room'), await bob?.presence('room')]
  await room?.join('fine')
  await other?.join('fine')
  await bridge.clock.advance(1_000)
  expect(room?.members.size).toBe(2)
  const closed = bob?.close()
  bridge.drop()
  await bridge.clock.advance(3_000)
  await closed
  expect([...(room?.members.values() ?? [])].map(({ user }) => user)).toEqual(['ada'])
})
