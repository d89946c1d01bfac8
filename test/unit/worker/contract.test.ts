import { expect, it } from 'vitest'
import * as z from 'zod'
import { defineEvents } from '../../../sdk/index.ts'
import { createWorker } from '../../../worker/index.ts'
import { fakeState } from './fake-state.ts'

it('a hub of the Worker refuses what the contract and the application refuse', async () => {
  const { SpanwireHub } = createWorker({
    auth: { anonymous: { publish: { allow: ['>'], deny: [] }, subscribe: { allow: ['>'], deny: [] } } },
    events: defineEvents({ 'chat.{room}': z.object({ text: z.string() }) }),
    authorize: { publish: async (_, { params }) => params.room !== 'closed' },
  })
  const hub = new SpanwireHub(fakeState(), { HUB: {} as never, UPSTREAM_URL: 'embedded', LOG: 'off' })
  const publish = async (subject: string, body: object) => {
    const given = { method: 'POST', body: JSON.stringify(body) }
    return (await hub.fetch(new Request(`http://hub/publish/${subject}`, given))).status
  }
  expect(await publish('chat.a', { text: 'hello' })).toBe(202)
  expect(await publish('chat.a', { text: 7 })).toBe(422)
  expect(await publish('chat.closed', { text: 'hello' })).toBe(403)
  expect(await publish('other', {})).toBe(403)
})
