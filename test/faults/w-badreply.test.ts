import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected } from '../security/live-bridge.ts'
import { openToAll } from '../support/open-to-all.ts'

test('an answer whose headers can not be read is no fault of who asked', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll })
  const responder = await connected(bridge, {})
  await responder.exchange('SUB q 1\r\n')
  for (const block of ['hello\r\n\r\n', 'NATS/1.0\r\nbad header\r\n\r\n', 'NATS/1.0\r\nA: \xff\r\n\r\n']) {
    const asked = fetch(`${bridge.url}/request/q`, { method: 'POST' })
    const reply = (await responder.next())!.line.split(' ')[3]!
    const bytes = Buffer.from(block, 'latin1')
    responder.send(Buffer.concat([Buffer.from(`HPUB ${reply} ${bytes.length} ${bytes.length + 2}\r\n`), bytes, Buffer.from('ok\r\n')]))
    const answer = await asked
    console.log(block.trim(), answer.status, await answer.text(), answer.headers.get('Nats-Headers'))
    expect(answer.status).toBe(200)
    while ((await responder.exchange()).lines.length > 0);
  }
  responder.terminate()
})
