import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected } from '../security/live-bridge.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'

test('who subscribes while a NATS server is leaving is not thrown out', async () => {
  await using nats = await startNatsServer({ config: 'lame_duck_duration: "30s", lame_duck_grace_period: "1s"' })
  await using bridge = await serve({ upstream: nats.url, auth: openToAll })
  await bridge.bridge.hub.opened
  const client = await connected(bridge, {})
  let sid = 0
  const until = Date.now() + 2_000
  process.kill(nats.pid, 'SIGUSR2')
  while (Date.now() < until && !client.ending) {
    sid++
    if (sid <= 1000) client.send(`SUB filter.${sid} ${sid}\r\n`)
    await new Promise((r) => setTimeout(r, 1))
  }
  console.log('sent', sid, client.infos.map(({ edge }) => JSON.stringify(edge)).join(' '))
  expect(client.ending).toBeUndefined()
  client.terminate()
})
