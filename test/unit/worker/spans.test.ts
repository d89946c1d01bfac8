import { expect, it } from 'vitest'
import { createWorker } from '../../../worker/index.ts'
import { fakeState } from './fake-state.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const KEY = 'a secret of at least thirty-two bytes'

it('a hub of the Worker adds spans to sampled traces', async () => {
  const spans: string[] = []
  const { SpanwireHub } = createWorker({
    auth: { anonymous: { publish: { allow: ['>'], deny: [] }, subscribe: { allow: ['>'], deny: [] } } },
    spans: {
      start(kind, subject, traceparent) {
        spans.push(`${kind} ${subject}`)
        return { traceparent, end: () => void spans.push(`end of ${kind}`) }
      },
    },
  })
  const hub = new SpanwireHub(fakeState(), { HUB: {} as never, AUTH_SECRET: KEY, UPSTREAM_URL: 'embedded' })
  const publish = async (flags: string) => {
    const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-${flags}` }
    const response = await hub.fetch(new Request('http://hub/publish/a', { method: 'POST', body: '1', headers }))
    expect(await response.text()).not.toContain('detail')
  }
  await publish('01')
  await publish('00')
  expect(spans).toEqual(['publish a', 'end of publish'])
})
