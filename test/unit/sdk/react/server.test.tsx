// @vitest-environment node
/** Server rendering, without a window and without animation frames. */
import { renderToString } from 'react-dom/server'
import { expect, it, vi } from 'vitest'
import { createMemoryTransport } from '../memory-transport.ts'
import {
  BusProvider,
  connectTo,
  useEvent,
  useEvents,
  useLatest,
  usePresence,
  usePublish,
  useStatus,
} from './contract.ts'

it('server rendering returns initial values, and adds no subscription or listener', () => {
  expect(['window', 'document', 'requestAnimationFrame'].filter((name) => name in globalThis)).toEqual([])
  const timers = vi.spyOn(globalThis, 'setTimeout')
  const transport = createMemoryTransport()
  const subscribe = vi.spyOn(transport, 'subscribe')
  const listen = vi.spyOn(transport, 'onStatus')
  function Page() {
    usePublish()
    const states = [
      useEvents('ticks.{id}', { id: 'a' }),
      useLatest('s.{id}'),
      useEvent('pulse', () => {}),
      usePresence('room', { join: 1 }),
    ]
    return JSON.stringify([useStatus().state, ...states])
  }
  const html = renderToString(
    <BusProvider bus={connectTo(transport)}>
      <Page />
    </BusProvider>,
  )
  expect(JSON.parse(html.replaceAll('&quot;', '"'))).toEqual([
    'connecting',
    { ready: false, events: [] },
    { ready: false, values: {} },
    { ready: false },
    { ready: false, members: {} },
  ])
  expect(subscribe).not.toHaveBeenCalled()
  expect(listen).not.toHaveBeenCalled()
  expect(timers).not.toHaveBeenCalled()
})
