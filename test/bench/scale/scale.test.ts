import { readFile } from 'node:fs/promises'
import { describe, expect, it, vi } from 'vitest'
import { createEmbeddedUpstream } from '../../../bridge/broker/embedded.ts'
import { createRandom, seed } from '../../support/seed.ts'
import { bridgeFor, ScriptedClient, settle } from '../../unit/bridge/session/scripted-client.ts'
import { CURRENT, GATHER, type GossipMessage, Room } from './room.ts'
import { createTables, SEED } from './tables.ts'

it('bridge/SCALE.md shows the tables that the simulation prints', async () => {
  const page = await readFile(new URL('../../../bridge/SCALE.md', import.meta.url), 'utf8')
  const shown = page.split('\n\n').filter((block) => block.startsWith('|'))
  // After a change: `node test/bench/scale/run.ts`.
  expect(shown).toEqual(createTables(SEED).map(({ text }) => text))
}, 60_000)

describe('the model of presence', () => {
  it('exchanges the same messages as real hubs', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    const random = createRandom(seed)
    const counts = () => ({ ask: 0, answer: 0, change: 0 })
    const [real, model] = [counts(), counts()]
    const upstream = createEmbeddedUpstream()
    upstream.subscribe('$EDGE.HUBS.*.>', undefined, ({ payload }) => {
      const fields = JSON.parse(new TextDecoder().decode(payload))
      real['ask' in fields ? 'ask' : 'members' in fields ? 'answer' : 'change']++
    })
    const room = new Room(CURRENT, ({ kind }: GossipMessage) => model[kind]++)
    const hubs = Array.from({ length: 6 }, () => bridgeFor({ upstream }).bridge)
    const clients: Array<{ readonly hub: number; readonly client: ScriptedClient }> = []
    for (let step = 0; step < 100; step++) {
      // Few members, so that hubs leave the channel and return.
      const leaving =
        random() < clients.length / 6 ? clients.splice(Math.floor(random() * clients.length), 1)[0] : undefined
      const hub = leaving?.hub ?? Math.floor(random() * hubs.length)
      if (leaving) {
        leaving.client.connection.closed()
        room.leave(hub)
      } else {
        const client = await ScriptedClient.connected(hubs[hub] as (typeof hubs)[number])
        const join = JSON.stringify({ do: 'join' })
        client.send(`SUB $EDGE.PRESENCE.room 1\r\nPUB $EDGE.PRESENCE.room ${join.length}\r\n${join}\r\n`)
        clients.push({ hub, client })
        room.arrive(hub)
      }
      room.report(hub)
      await settle()
      vi.advanceTimersByTime(2 * GATHER)
      await settle()
      expect(real, `step ${step}`).toEqual(model)
    }
    expect(model.ask).toBeGreaterThan(10)
    for (const hub of hubs) hub.close()
    vi.useRealTimers()
  })
})
