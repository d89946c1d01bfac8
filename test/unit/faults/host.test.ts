import { afterEach, expect, it, vi } from 'vitest'
import { createHost } from '../../../sdk/share/host.ts'
import type { Port } from '../../../sdk/share/port.ts'

afterEach(() => void vi.unstubAllGlobals())

it('a tab that comes again and again is waited for once', async () => {
  let pending = 0
  vi.stubGlobal('navigator', {
    locks: {
      request: (_: string, options: { signal?: AbortSignal } | (() => void)) =>
        new Promise((_, reject) => {
          pending++
          if (typeof options === 'function') return
          options.signal?.addEventListener('abort', () => {
            pending--
            reject(options.signal?.reason)
          })
        }),
    },
  })
  vi.stubGlobal(
    'WebSocket',
    class {
      send() {}
      close() {}
    },
  )
  const host = createHost()
  for (let i = 0; i < 100; i++) {
    const port: Port = { post: () => {}, receive: () => {} }
    host.accept(port)
    port.receive({ hello: { url: 'ws://localhost', via: 'websocket', lock: 'tab' } })
    port.receive({ closed: { code: 1000, reason: '' } })
  }
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(pending).toBe(0)
})
