import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { createEmbeddedBroker } from '../../bridge/upstream/embedded.ts'
import { connected, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('R-1: a tenant that may publish to inboxes can answer with more than one message', async () => {
  const broker = createEmbeddedBroker()
  const upstream = broker.connect()
  const service = broker.connect()
  await using bridge = await serve({ upstream, auth: { secret: SECRET, subjectPrefix: 'tenants.{{org}}' } })
  const tenant = await connected(bridge, { auth_token: await sign({ sub: 'ada', org: 'acme', nats: { pub: { allow: ['_INBOX.>'] }, sub: { allow: ['q'] } } }) })
  await tenant.exchange('SUB q 1\r\n')
  const got: string[] = []
  service.subscribe('_INBOX.svc.1', undefined, ({ payload }) => got.push(new TextDecoder().decode(payload)))
  service.publish({ subject: 'tenants.acme.q', reply: '_INBOX.svc.1', payload: new Uint8Array(0) })
  const reply = (await tenant.next())!.line.split(' ')[3]!
  const { lines } = await tenant.exchange(`PUB ${reply} 1\r\n1\r\nPUB ${reply} 1\r\n2\r\nPUB ${reply} 1\r\n3\r\n`)
  expect(lines).toEqual([])
  await service.flush()
  expect(got).toEqual(['1', '2', '3'])
  tenant.terminate()
})
