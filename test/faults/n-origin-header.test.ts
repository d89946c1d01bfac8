import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { openToAll } from '../support/open-to-all.ts'
import { connected, socketUrl } from '../security/live-bridge.ts'

test('nobody can hide a message from one client by a forged Spanwire-Origin', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll })
  const victim = await RawClient.open(socketUrl(bridge))
  victim.send('CONNECT {"verbose":false,"echo":false,"headers":true}\r\n')
  await victim.exchange('SUB bid 1\r\n')
  const id = [...bridge.bridge.hub.connections][0]!.figures.id // everybody in a channel of presence knows it
  const mallory = await connected(bridge, {})
  await mallory.exchange('SUB bid 1\r\n')
  const block = `NATS/1.0\r\nSpanwire-Origin: ${id}\r\n\r\n`
  const got = await mallory.exchange(`HPUB bid ${block.length} ${block.length + 1}\r\n${block}x\r\n`)
  expect(got.lines.length).toBe(1)
  expect((await victim.exchange()).lines.length).toBe(1)
  victim.terminate(); mallory.terminate()
})

test('nor by one in a block that is not whole, nor by HTTP', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll })
  const victim = await RawClient.open(socketUrl(bridge))
  victim.send('CONNECT {"verbose":false,"echo":false,"headers":true}\r\n')
  await victim.exchange('SUB bid 1\r\n')
  const id = [...bridge.bridge.hub.connections][0]!.figures.id
  const mallory = await connected(bridge, {})
  const block = `NATS/1.0\r\nSpanwire-Origin: ${id}\r\nx`
  const got = await mallory.exchange(`HPUB bid ${block.length} ${block.length + 1}\r\n${block}x\r\n`)
  expect(got.lines.map(({ line }) => line)).toEqual([`-ERR 'Permissions Violation for Publish to "bid" with Spanwire-Origin'`])
  await fetch(`${bridge.url}/publish/bid`, { method: 'POST', headers: { 'Nats-Headers': encodeURIComponent(JSON.stringify([['Spanwire-Origin', id]])) }, body: 'x' })
  expect((await victim.exchange()).lines.length).toBe(1)
  victim.terminate(); mallory.terminate()
})
