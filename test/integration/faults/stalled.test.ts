import { expect, it } from 'vitest'
import * as z from 'zod'
import { serve } from '../../../bridge/node.ts'
import { connect, defineEvents } from '../../../sdk/index.ts'
import { eventually } from '../../support/eventually.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { rootToken, SECRET } from '../../support/token.ts'

const events = defineEvents({ 'live.{id}': z.object({}) })

it('drain with nothing to send ends although the bridge has lost NATS', async () => {
  await using server = await startNatsServer()
  const bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  const bus = connect({ url: bridge.url, token: await rootToken(), events })
  await bus.on('live.{id}', () => {}).ready
  await server.stop()
  await eventually(() => expect(bus.status.current).toMatchObject({ reason: { code: 'upstream-unavailable' } }))
  const late = new Promise((resolve) => setTimeout(() => resolve('hangs'), 2_000))
  const drained = await Promise.race([bus.drain().then(() => 'drained'), late])
  await bus.close()
  await bridge.close()
  expect(drained).toBe('drained')
})
