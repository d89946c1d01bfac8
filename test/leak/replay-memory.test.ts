import { expect, it } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { connected } from '../security/live-bridge.ts'
import { collectGarbage } from '../support/collect-garbage.ts'
import { coreOf } from '../support/hub-core.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'

const MIB = 1024 * 1024

it('bounds the memory of replays for all filters together, pages included', async () => {
  await using nats = await startNatsServer({ jetstream: true })
  // One client has more replays than the default allows.
  const limits = { maxReplayMemory: 8 * MIB, replays: { connection: 200, user: 200 } }
  await using bridge = await serve({ upstream: nats.url, auth: openToAll, limits })
  const { hub } = bridge.bridge
  await hub.opened
  await coreOf(hub).jetstream.createStream({ name: 'S', subjects: ['s.>'], storage: 'memory' })
  const tokens = ['s', '1', '2', '3', '4', '5', '6', '7']
  const payload = new Uint8Array(9_000)
  const { upstream } = coreOf(hub)
  let last = 0
  for (let i = 0; i < 200; i++) last = upstream.publish({ subject: tokens.join('.'), payload })
  await upstream.confirm(last)
  const client = await connected(bridge, {})
  await collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  // All combinations of wildcards. Every message matches all of them.
  const count = 2 ** (tokens.length - 1) - 1
  for (let bits = 0; bits < count; bits++) {
    const filter = tokens.map((token, at) => (at > 0 && (bits >> (at - 1)) & 1 ? '*' : token)).join('.')
    client.send(`SUB $EDGE.REPLAY.all.${filter} ${bits}\r\n`)
  }
  for (let live = 0; live < count; ) {
    const line = await client.next(30_000)
    if (!line) throw new Error(`The connection ended: ${client.ending?.reason}`)
    if (line.headers?.includes('Replay Live')) live++
  }
  await collectGarbage()
  const held = (process.memoryUsage().arrayBuffers - before) / MIB
  console.log(`MiB held for ${count} filters: ${held.toFixed(1)}`)
  // Without the bound, each filter takes four pages of 512 KiB.
  expect(held).toBeLessThan(100)
  client.terminate()
}, 90_000)
