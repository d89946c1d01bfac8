import { expect, test } from 'vitest'
import { defaultLimits } from '../../bridge/limits.ts'
import { Presence } from '../../bridge/presence/presence.ts'
import { createEmbeddedBroker } from '../../bridge/upstream/embedded.ts'

test('other hubs learn of members whose states and claims are large', async () => {
  const broker = createEmbeddedBroker()
  const presence = new Presence(broker.connect(), defaultLimits, 'a', Date.now)
  const heard = new Set<string>()
  broker.connect().subscribe('$EDGE.HUBS.PRESENCE.room', undefined, ({ payload }) => {
    for (const { id } of JSON.parse(new TextDecoder().decode(payload)).joined ?? []) heard.add(id)
  })
  // Both as the bridge lets them be: 1,000 bytes of state, and a claim of the application's own (an avatar).
  const payload = new TextEncoder().encode(JSON.stringify({ do: 'join', state: 's'.repeat(1_000) }))
  for (let i = 0; i < 500; i++)
    expect(presence.take('room', { id: `m${i}`, user: 'ada', claims: { avatar: 'a'.repeat(1_200) } }, payload)).toBeUndefined()
  await new Promise((r) => setTimeout(r, 300))
  expect(heard.size).toBe(500)
  presence.close()
})

test('nor does what one says of itself grow on the way', async () => {
  const broker = createEmbeddedBroker()
  const presence = new Presence(broker.connect(), defaultLimits, 'a', Date.now)
  const heard = new Set<string>()
  broker.connect().subscribe('$EDGE.HUBS.PRESENCE.room', undefined, ({ payload }) => {
    for (const { id } of JSON.parse(new TextDecoder().decode(payload)).joined ?? []) heard.add(id)
  })
  const payload = new TextEncoder().encode(`{"do":"join","state":[${Array(210).fill('1e20').join()}]}`)
  for (let i = 0; i < 300; i++) presence.take('room', { id: `m${i}`, user: 'mallory' }, payload)
  presence.take('room', { id: 'honest', user: 'ada' }, new TextEncoder().encode('{"do":"join"}'))
  await new Promise((r) => setTimeout(r, 300))
  expect(heard.has('honest')).toBe(true)
  presence.close()
})
