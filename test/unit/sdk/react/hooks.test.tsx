// @vitest-environment happy-dom
/** The hooks in React's development build, on a scripted transport and scripted frames. */
import { act, type ReactNode, StrictMode, useState } from 'react'
import { createRoot, hydrateRoot, type Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ConnectionStatus, SpanwireError, type StartFrom } from '../../../../sdk/index.ts'
import { createMemoryTransport } from '../memory-transport.ts'
import { createScriptedEdge } from '../scripted-edge.ts'
import {
  BusProvider,
  connectTo,
  tick,
  useBus,
  useEvent,
  useEvents,
  useLatest,
  usePublish,
  useStatus,
} from './contract.ts'
import { controlFrames, type Frames, releaseFrames } from './frames.ts'

let frames: Frames
const roots: Root[] = []
const consoleError = vi.spyOn(console, 'error')

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  frames = controlFrames()
  consoleError.mockClear()
})
afterEach(async () => {
  for (const root of roots.splice(0)) await act(() => root.unmount())
  releaseFrames()
  // React logs its warnings there.
  expect(consoleError.mock.calls).toEqual([])
})

function setUp() {
  const transport = createMemoryTransport()
  const subscribe = vi.spyOn(transport, 'subscribe')
  return { transport, bus: connectTo(transport), filters: () => subscribe.mock.calls.map(([filter]) => filter) }
}

/** Renders inside a provider. `render` replaces the children. */
async function mount(bus: ReturnType<typeof connectTo>, children: ReactNode) {
  const root = createRoot(document.createElement('div'))
  roots.push(root)
  const render = (next: ReactNode) => act(() => root.render(<BusProvider bus={bus}>{next}</BusProvider>))
  await render(children)
  return { render, unmount: () => act(() => root.unmount()) }
}

const nextFrame = () => act(() => frames.next())
/** Advances beyond the time in which a store keeps its subscription without listeners. */
const afterGrace = () => act(() => vi.advanceTimersByTime(100))
const numbers = (events: ReadonlyArray<{ readonly data: { readonly n: number } }>) => events.map(({ data }) => data.n)

describe('one subscription', () => {
  it('a list of events written inline is one replay, and its events arrive in the order of the stream', async () => {
    const edge = createScriptedEdge()
    const bus = connectTo(edge.transport)
    const handled: string[] = []
    let listed: string[] = []
    let render = () => {}
    function Projection() {
      const [, again] = useState(0)
      render = () => again((n) => n + 1)
      useEvent(['s.{id}', 't.{id}'], ({ name, params }) => handled.push(`${name} ${params.id}`), { from: 'all' })
      const { events } = useEvents(['t.{id}', 's.{id}'], { id: '1' }, { from: 'all' })
      listed = events.map(({ name, data }) => `${name} ${data.id}`)
      return null
    }
    for (const [index, subject] of ['s.1', 't.1', 's.2', 't.1'].entries()) edge.publish(subject, index)
    await mount(bus, <Projection />)
    await act(render)
    await vi.waitFor(() => expect(edge.replays).toHaveLength(2))
    expect([...edge.replays].sort()).toEqual(['$EDGE.REPLAY.all:2.s.*.t.*', '$EDGE.REPLAY.all:2.s.1.t.1'])
    while (edge.deliver());
    await nextFrame()
    expect(handled).toEqual(['s.{id} 1', 't.{id} 1', 's.{id} 2', 't.{id} 1'])
    expect(listed).toEqual(['s.{id} 0', 't.{id} 1', 't.{id} 3'])
  })

  it('StrictMode mounts twice, subscribes once, and unsubscribes at the end', async () => {
    const { transport, bus, filters } = setUp()
    const subscribed = vi.spyOn(transport, 'subscribe')
    function Ticks() {
      const { events } = useEvents('ticks.{id}')
      useEvent('pulse', () => {})
      return events.length
    }
    const { unmount } = await mount(
      bus,
      <StrictMode>
        <Ticks />
      </StrictMode>,
    )
    expect(filters().sort()).toEqual(['pulse', 'ticks.*'])
    await unmount()
    await afterGrace()
    expect(transport.subscriptions.size).toBe(0)
    expect(subscribed).toHaveBeenCalledTimes(2)
  })

  it('a changed param replaces the subscription', async () => {
    const { transport, bus, filters } = setUp()
    const Ticks = ({ id }: { id: string }) => numbers(useEvents('ticks.{id}', { id }).events).join()
    const { render } = await mount(bus, <Ticks id="a" />)
    await render(<Ticks id="b" />)
    await render(<Ticks id="b" />)
    await afterGrace()
    expect(filters()).toEqual(['ticks.a', 'ticks.b'])
    expect([...transport.subscriptions]).toEqual(['ticks.b'])
  })

  it('inline params and options do not subscribe again', async () => {
    const { bus, filters } = setUp()
    let renders = 0
    function Ticks() {
      const [count, setCount] = useState(0)
      useEvents('ticks.{id}', { id: 'a' }, { limit: 5 })
      useEvents('ticks.{id}', count % 2 === 0 ? {} : { id: '*' })
      useEvent('ticks.{id}', { id: 'c' }, () => setCount(count + 1))
      renders++
      return count
    }
    const { render } = await mount(bus, <Ticks />)
    for (let i = 0; i < 5; i++) await render(<Ticks />)
    expect(renders).toBe(6)
    expect(filters().sort()).toEqual(['ticks.*', 'ticks.a', 'ticks.c'])
  })

  it('another bus replaces subscriptions and values', async () => {
    const [first, second] = [setUp(), setUp()]
    let seen: number[] = []
    function Ticks() {
      seen = numbers(useEvents('ticks.{id}').events)
      return null
    }
    const root = createRoot(document.createElement('div'))
    roots.push(root)
    const render = ({ bus }: { bus: ReturnType<typeof connectTo> }) =>
      act(() =>
        root.render(
          <BusProvider bus={bus}>
            <Ticks />
          </BusProvider>,
        ),
      )
    await render(first)
    first.transport.deliver(tick(1))
    await nextFrame()
    expect(seen).toEqual([1])
    await render(second)
    await afterGrace()
    expect(seen).toEqual([])
    expect(first.transport.subscriptions.size).toBe(0)
    second.transport.deliver(tick(2))
    await nextFrame()
    expect(seen).toEqual([2])
  })
})

describe('rendering', () => {
  it('10,000 messages in one frame cause one render for all hooks of the page', async () => {
    const { transport, bus } = setUp()
    let renders = 0
    let seen: number[] = []
    let pulses = 0
    function Both() {
      renders++
      seen = numbers(useEvents('ticks.{id}', {}, { limit: 3 }).events)
      pulses = useEvents('pulse').events.length
      return null
    }
    await mount(bus, <Both />)
    await nextFrame()
    const before = renders
    const pulse = { ...tick(0), subject: 'pulse' }
    for (let n = 1; n <= 10_000; n++) {
      transport.deliver(tick(n))
      if (n % 100 === 0) transport.deliver(pulse)
    }
    expect(frames.waiting).toBe(1)
    expect(renders).toBe(before)
    await nextFrame()
    expect(renders).toBe(before + 1)
    expect([seen, pulses]).toEqual([[9_998, 9_999, 10_000], 100])
    // No frame is requested without messages.
    expect(frames.waiting).toBe(0)
  })

  it('an unrelated render returns the same arrays', async () => {
    const { transport, bus } = setUp()
    const seen = new Set<unknown>()
    function Ticks() {
      const state = useEvents('ticks.{id}')
      seen.add(state).add(state.events)
      return null
    }
    const { render } = await mount(bus, <Ticks />)
    await nextFrame()
    transport.deliver(tick(1))
    await nextFrame()
    const size = seen.size
    await render(<Ticks />)
    await nextFrame()
    expect(seen.size).toBe(size)
  })

  it('useEvents keeps the newest events up to its limit', async () => {
    const { transport, bus } = setUp()
    let seen: number[] = []
    function Ticks() {
      seen = numbers(useEvents('ticks.{id}', {}, { limit: 2 }).events)
      return null
    }
    await mount(bus, <Ticks />)
    for (const [n, expected] of [
      [1, [1]],
      [2, [1, 2]],
      [3, [2, 3]],
      [4, [3, 4]],
    ] as const) {
      transport.deliver(tick(n))
      await nextFrame()
      expect(seen).toEqual(expected)
    }
  })

  it('useStatus renders on each change', async () => {
    const edge = createScriptedEdge()
    const seen: ConnectionStatus['state'][] = []
    function Status() {
      seen.push(useStatus().state)
      return null
    }
    await mount(connectTo(edge.transport), <Status />)
    await act(() => edge.lose())
    await act(() => edge.restore())
    expect(seen).toEqual(['open', 'reconnecting', 'open'])
  })
})

describe('useEvent', () => {
  it('calls the handler of the latest render, without a new subscription or a render', async () => {
    const { transport, bus, filters } = setUp()
    const seen: string[] = []
    let renders = 0
    function Ticks({ name }: { name: string }) {
      renders++
      useEvent('ticks.{id}', { id: 'a' }, ({ data }) => seen.push(`${name}${data.n}`))
      return null
    }
    const { render } = await mount(bus, <Ticks name="x" />)
    await nextFrame()
    transport.deliver(tick(1))
    await render(<Ticks name="y" />)
    const before = renders
    transport.deliver(tick(2))
    await nextFrame()
    expect(seen).toEqual(['x1', 'y2'])
    expect(filters()).toEqual(['ticks.a'])
    expect(renders).toBe(before)
  })

  it('a handler is not called after unmount, even while the subscription is kept', async () => {
    const { transport, bus } = setUp()
    const seen: number[] = []
    let renders = 0
    function Ticks() {
      renders++
      useEvents('ticks.{id}')
      useEvent('ticks.{id}', ({ data }) => seen.push(data.n))
      return null
    }
    const { unmount } = await mount(bus, <Ticks />)
    await nextFrame()
    transport.deliver(tick(1))
    const before = renders
    await unmount()
    expect(transport.subscriptions.size).toBe(1)
    transport.deliver(tick(2))
    await nextFrame()
    await afterGrace()
    expect(transport.subscriptions.size).toBe(0)
    transport.deliver(tick(3))
    await nextFrame()
    expect([seen, renders]).toEqual([[1], before])
  })

  it('an error of a handler is reported to onError of the bus, and the subscription continues', async () => {
    const { transport, bus } = setUp()
    consoleError.mockImplementation(() => {})
    let calls = 0
    function Ticks() {
      useEvent('ticks.{id}', () => {
        calls++
        throw new Error('no')
      })
      return null
    }
    await mount(bus, <Ticks />)
    transport.deliver(tick(1))
    transport.deliver(tick(2))
    expect(calls).toBe(2)
    expect(consoleError).toHaveBeenCalledTimes(2)
    consoleError.mockClear()
  })
})

describe('errors', () => {
  it('a refused subscription sets error, also after it was ready', async () => {
    const { transport, bus } = setUp()
    const seen: Array<[boolean, string | undefined]> = []
    const handled: Array<string | undefined> = []
    function Ticks() {
      const { ready, error } = useEvents('ticks.{id}')
      seen.push([ready, error?.code])
      handled.push(useEvent('pulse', () => {}).error?.code)
      return null
    }
    await mount(bus, <Ticks />)
    await nextFrame()
    await act(() => transport.refuse(new SpanwireError('permission-denied', 'No.')))
    await nextFrame()
    expect(seen).toEqual([
      [false, undefined],
      [true, undefined],
      [false, 'permission-denied'],
    ])
    expect(handled.at(-1)).toBe('permission-denied')
  })

  it('invalid arguments set error instead of throwing', async () => {
    const { bus } = setUp()
    let seen: (string | undefined)[] = []
    function Ticks() {
      seen = [
        useEvents('ticks.{id}', { id: 'a b' }).error?.code,
        useLatest('ticks.{id}' as 's.{id}').error?.code,
        useEvents('nothing' as 'pulse').error?.code,
      ]
      return null
    }
    await mount(bus, <Ticks />)
    await nextFrame()
    expect(seen).toEqual(['invalid-params', 'unsupported', 'unknown-event'])
  })

  it('hooks throw without a provider', () => {
    const Lost = () => <>{String(useBus())}</>
    expect(() => renderToString(<Lost />)).toThrow(/BusProvider/)
  })
})

describe('streams', () => {
  const pump = async (edge: ReturnType<typeof createScriptedEdge>) => {
    // The replay is loaded on first use.
    await act(() => vi.waitFor(() => expect(edge.replays.length).toBeGreaterThan(0)))
    await act(async () => {
      while (edge.deliver());
    })
    await nextFrame()
  }

  it('useEvents replays from the first event, in order, and continues live', async () => {
    const edge = createScriptedEdge()
    for (let id = 1; id <= 5; id++) edge.publish('s.a', id)
    const seen: Array<{ ids: (number | boolean | undefined)[][]; ready: boolean }> = []
    function List({ from }: { from: StartFrom }) {
      const { events, ready } = useEvents('s.{id}', {}, { from, limit: 10 })
      seen.push({ ids: events.map(({ data, seq, live }) => [data.id, seq, live]), ready })
      return null
    }
    await mount(connectTo(edge.transport), <List from="all" />)
    await pump(edge)
    const past = [1, 2, 3, 4, 5].map((n) => [n, n, false])
    expect(seen.at(-1)).toEqual({ ids: past, ready: true })
    edge.publish('s.b', 6)
    await pump(edge)
    expect(seen.at(-1)).toEqual({ ids: [...past, [6, 6, true]], ready: true })
    // The first render, and one for each frame.
    expect(seen.length).toBe(3)
    expect(edge.replays.length).toBe(1)
  })

  it('useLatest returns the last event of each subject, then every update', async () => {
    const edge = createScriptedEdge()
    for (const [subject, id] of [
      ['s.a', 1],
      ['s.b', 2],
      ['s.a', 3],
    ] as const)
      edge.publish(subject, id)
    const seen: Array<{ values: Record<string, number>; ready: boolean }> = []
    const maps = new Set<unknown>()
    function Board() {
      const { values, ready, get } = useLatest('s.{id}')
      expect(get({ id: '1' })).toBe(values.get('s.1'))
      expect(get('s.1')).toBe(values.get('s.1'))
      maps.add(values)
      seen.push({ values: Object.fromEntries([...values].map(([subject, e]) => [subject, e.data.id])), ready })
      return null
    }
    const { render } = await mount(connectTo(edge.transport), <Board />)
    expect(seen).toEqual([{ values: {}, ready: false }])
    await pump(edge)
    expect(seen.slice(1)).toEqual([{ values: { 's.b': 2, 's.a': 3 }, ready: true }])
    expect(edge.replays).toEqual(['$EDGE.REPLAY.last-per-subject.s.*'])
    edge.publish('s.b', 4)
    edge.publish('s.c', 5)
    await pump(edge)
    await render(<Board />)
    expect(seen.at(-1)).toEqual({ values: { 's.a': 3, 's.b': 4, 's.c': 5 }, ready: true })
    // Each change creates a new snapshot.
    expect(maps.size).toBe(3)
  })

  it('useLatest is empty after its stream was recreated', async () => {
    const edge = createScriptedEdge()
    edge.publish('s.a', 1)
    const seen: string[][] = []
    function Board() {
      seen.push([...useLatest('s.{id}').values.keys()])
      return null
    }
    await mount(connectTo(edge.transport), <Board />)
    await pump(edge)
    expect(seen.at(-1)).toEqual(['s.a'])
    edge.recreate()
    await pump(edge)
    expect(seen.at(-1)).toEqual([])
  })
})

it('usePublish returns a stable function that publishes', async () => {
  const { transport, bus } = setUp()
  const functions = new Set<unknown>()
  let publish: ReturnType<typeof usePublish> | undefined
  function Button() {
    publish = usePublish()
    functions.add(publish)
    return null
  }
  const { render } = await mount(bus, <Button />)
  await render(<Button />)
  await publish?.('ticks.{id}', { id: 'x' }, { n: 1 })
  expect(transport.published.map(({ subject }) => subject)).toEqual(['ticks.x'])
  expect(functions.size).toBe(1)
})

it('a server-rendered page hydrates without warnings, and continues live', async () => {
  const { transport, bus, filters } = setUp()
  function Page() {
    const { events, ready } = useEvents('ticks.{id}')
    return (
      <p>
        {useStatus().state} {String(ready)} {numbers(events).join()}
      </p>
    )
  }
  const page = (
    <StrictMode>
      <BusProvider bus={bus}>
        <Page />
      </BusProvider>
    </StrictMode>
  )
  const container = document.createElement('div')
  container.innerHTML = renderToString(page)
  expect(container.textContent).toBe('connecting false ')
  expect(filters()).toEqual([])
  const warnings: unknown[] = []
  await act(() => {
    roots.push(hydrateRoot(container, page, { onRecoverableError: (error) => warnings.push(error) }))
  })
  transport.deliver(tick(7))
  await nextFrame()
  expect(container.textContent).toBe('open true 7')
  expect(filters()).toEqual(['ticks.*'])
  expect(warnings).toEqual([])
})
