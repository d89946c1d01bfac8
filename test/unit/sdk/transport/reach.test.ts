import { afterEach, expect, it, vi } from 'vitest'
import { examine } from '../../../../sdk/transport/reach.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

/** A server whose answers the test gives. */
function stubServer() {
  const requests: Array<(status: string) => void> = []
  vi.stubGlobal('fetch', () => {
    const { promise, resolve } = Promise.withResolvers<Response>()
    requests.push((status) => resolve(Response.json({ status })))
    return promise
  })
  return requests
}

it('the clients of a process share an examination that begins after their calls', async () => {
  const requests = stubServer()
  const base = 'http://shared.example'
  const first = examine(base)
  const others = [examine(base), examine(base)]
  expect(requests.length).toBe(1)
  requests[0]?.('ok')
  expect((await first).isReady).toBe(true)
  await vi.waitFor(() => expect(requests.length).toBe(2))
  requests[1]?.('draining')
  expect((await Promise.all(others)).map(({ isReady }) => isReady)).toEqual([false, false])
  // A later call does not get an earlier answer.
  const later = examine(base)
  await vi.waitFor(() => expect(requests.length).toBe(3))
  requests[2]?.('ok')
  expect((await later).isReady).toBe(true)
})
