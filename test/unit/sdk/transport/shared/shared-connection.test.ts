/** Resources of a shared connection. In browsers: test/browser/tabs.test.ts */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createHost } from '../../../../../sdk/transport/shared/host.ts'
import { createMux } from '../../../../../sdk/transport/shared/mux.ts'
import type { Port } from '../../../../../sdk/transport/shared/port.ts'
import { joinTabs } from '../../../../../sdk/transport/shared/share.ts'
import { ScriptedSocket, stubWebSocket } from '../../scripted-socket.ts'

const url = 'ws://localhost'
const openPort = (): Port => ({ post: () => {}, receive: () => {} })

beforeEach(() => {
  vi.useFakeTimers()
  stubWebSocket()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('the lock request of a tab is aborted when the tab leaves', async () => {
  let waiting = 0
  const request = (_name: string, { signal }: { signal?: AbortSignal }) =>
    new Promise((_, reject) => {
      waiting++
      signal?.addEventListener('abort', () => {
        waiting--
        reject(signal.reason)
      })
    })
  vi.stubGlobal('navigator', { locks: { request } })
  const host = createHost()
  const ports = Array.from({ length: 3 }, () => {
    const port = openPort()
    host.accept(port)
    port.receive({ hello: { url, via: 'websocket', lock: 'tab' } })
    return port
  })
  expect(waiting).toBe(3)
  for (const port of ports) port.receive({ closed: { code: 1000, reason: '' } })
  expect(waiting).toBe(0)
})

it('a tab that leaves ends its open subscriptions only', async () => {
  const mux = createMux({ url, via: 'websocket' }, () => {})
  const [leaving, staying] = [openPort(), openPort()]
  for (const port of [leaving, staying]) mux.join(port)
  await vi.advanceTimersByTimeAsync(1)
  const send = async (...lines: string[]) => {
    leaving.receive(new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join('')).buffer)
    await vi.advanceTimersByTimeAsync(1)
  }
  await send('CONNECT {}', 'PING')
  for (const sid of [1, 2, 3]) await send(`SUB a ${sid}`, 'PING', `UNSUB ${sid}`, 'PING')
  await send('SUB b 4', 'PING')
  const socket = ScriptedSocket.last
  socket.sent.length = 0
  mux.leave(leaving)
  expect(socket.sent).toEqual([expect.stringMatching(/^UNSUB \S+\.4$/)])
})

it('tabs have a connection each if locks are blocked', async () => {
  const request = () => Promise.reject(new DOMException('Access to the Locks API is denied', 'SecurityError'))
  vi.stubGlobal('navigator', { locks: { request } })
  expect(await joinTabs({ url, via: undefined }, { worker: 'x' })).toBeUndefined()
})
