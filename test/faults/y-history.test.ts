import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { openToAll } from '../support/open-to-all.ts'

test('a history that can never be had is not said to be out of reach for now', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll })
  const answer = await fetch(`${bridge.url}/history/_INBOX.a.b`)
  expect(answer.status).toBe(400)
  expect(answer.headers.get('Retry-After')).toBe(null)
})

test('the URL of a bridge on IPv6 can be used', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll, host: '::1' })
  expect((await fetch(`${bridge.url}/healthz`)).status).toBe(200)
})
