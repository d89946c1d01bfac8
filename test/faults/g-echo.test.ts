import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { openToAll } from '../support/open-to-all.ts'
import { socketUrl } from '../security/live-bridge.ts'

test('P-3: max_payload bytes are taken of a client that wants no echo, too', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll })
  const client = await RawClient.open(socketUrl(bridge))
  client.send('CONNECT {"verbose":false,"echo":false,"headers":true}\r\n')
  await client.exchange()
  const { max_payload } = client.infos.at(-1) as { max_payload: number }
  client.send(`PUB big ${max_payload}\r\n`); client.send(new Uint8Array(max_payload)); client.send('\r\n')
  const { ending, lines } = await client.exchange()
  expect([lines.map(({ line }) => line), ending]).toEqual([[], undefined])
  client.terminate()
})
