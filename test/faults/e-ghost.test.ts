import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected } from '../security/live-bridge.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'
import { eventually } from '../support/eventually.ts'

const pub = (channel: string, order: object) => {
  const text = JSON.stringify(order)
  return `PUB $EDGE.PRESENCE.${channel} ${text.length}\r\n${text}\r\n`
}

test('who left while a bridge was cut off is not there when it is back', async () => {
  await using nats = await startNatsServer()
  await using proxy = await startFaultProxy(nats.port)
  await using a = await serve({ upstream: nats.url, auth: openToAll })
  await using b = await serve({ upstream: `nats://127.0.0.1:${proxy.port}`, auth: openToAll })
  await Promise.all([a.bridge.hub.opened, b.bridge.hub.opened])
  const stays = await connected(a, {})
  const leaves = await connected(a, {})
  const watches = await connected(b, {})
  await stays.exchange(pub('lobby', { do: 'join' }))
  const seen = new Set<string>()
  let done = false
  const reading = (async () => {
    for (let line = await watches.next(60_000); line && !done; line = await watches.next(60_000)) {
      if (!line.line.startsWith('MSG')) continue
      const news = JSON.parse(line.payload ?? '{}')
      for (const { id } of [...(news.members ?? []), ...(news.joined ?? [])]) seen.add(id)
      for (const id of news.left ?? []) seen.delete(id)
    }
  })()
  watches.send('SUB $EDGE.PRESENCE.room 1\r\n')
  await leaves.exchange(pub('room', { do: 'join' }))
  await eventually(() => seen.size === 1)
  proxy.refuse()
  proxy.cut()
  await eventually(() => !b.bridge.hub.upstreamOpen)
  leaves.terminate()
  await eventually(() => a.bridge.hub.stats.channels === 1)
  proxy.accept()
  await eventually(() => b.bridge.hub.upstreamOpen)
  // The other bridge is heard all the time: it has a member elsewhere.
  await new Promise((r) => setTimeout(r, 4_000))
  expect(seen.size).toBe(0)
  done = true
  watches.terminate(); stays.terminate()
  await reading
}, 60_000)
