// @vitest-environment happy-dom
/** Runs the guide's adapters for Vue, Svelte and Solid in these frameworks. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { effectScope, watchEffect } from 'vue'
import { createTestBridge, type TestBridge } from '../../../../bridge/testing/index.ts'
import { defineEvents, type ReceivedEvent, type StandardSchema } from '../../../../sdk/index.ts'
import { type EventsState, eventsStore, type Store } from '../../../../sdk/store/index.ts'
import { root } from '../../../build/source-files.ts'
import { eventually } from '../../../support/eventually.ts'
import { readGuide } from '../../../support/readme.ts'

const schema: StandardSchema<{ n: number }> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as { n: number } }) },
}
const events = defineEvents({ 'ticks.{id}': schema })
type State = EventsState<ReceivedEvent>
type Use<Shown> = (store: Store<State>) => Shown

/** The browser build. In Node, `solid-js` resolves to the server build, which is not reactive. */
const solid = join(root, 'node_modules/solid-js/dist/solid.js')

let folder: string
let bridge: TestBridge
let store: Store<State>
let publish: (n: number) => Promise<unknown>

beforeAll(async () => {
  await mkdir(join(root, '.cache'), { recursive: true })
  // Inside the repository, so that imports of the frameworks resolve.
  folder = await mkdtemp(join(root, '.cache/frameworks-'))
  for (const [name, code] of await readGuide())
    await writeFile(join(folder, name), code.replace("'solid-js'", JSON.stringify(solid)))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(() => {
  bridge = createTestBridge()
  const bus = bridge.connect({ events })
  store = eventsStore(bus, 'ticks.{id}') as unknown as Store<State>
  publish = (n) => bus.publish('ticks.{id}', { id: 'a' }, { n })
})
afterEach(() => bridge.close())

const load = (name: string) => import(join(folder, name))
const numbers = ({ events }: State) => events.map(({ data }) => (data as { n: number }).n)

/** Publishes, checks the rendered values, and checks that the subscription ends. */
async function expectUpdates(seen: number[][], end: () => void): Promise<void> {
  await eventually(() => bridge.stats.subscriptions === 1, { what: 'the subscription' })
  for (const n of [1, 2]) {
    await publish(n)
    await eventually(() => seen.at(-1)?.at(-1) === n, { what: `${n}` })
  }
  expect(seen[0]).toEqual([])
  expect(seen.at(-1)).toEqual([1, 2])
  end()
  await eventually(() => bridge.stats.subscriptions === 0, { what: 'its end' })
}

it('Vue renders updates, and unsubscribes', async () => {
  const { useStore }: { useStore: Use<{ readonly value: State }> } = await load('vue.ts')
  const seen: number[][] = []
  const scope = effectScope()
  scope.run(() => {
    const state = useStore(store)
    watchEffect(() => seen.push(numbers(state.value)), { flush: 'sync' })
  })
  await expectUpdates(seen, () => scope.stop())
})

it('Svelte renders updates, and unsubscribes', async () => {
  const { toReadable }: { toReadable: Use<{ subscribe(run: (state: State) => void): () => void }> } =
    await load('svelte.ts')
  const seen: number[][] = []
  const unsubscribe = toReadable(store).subscribe((state) => seen.push(numbers(state)))
  await expectUpdates(seen, unsubscribe)
})

it('Solid renders updates, and unsubscribes', async () => {
  const { createEffect, createRoot }: typeof import('solid-js') = await import(solid)
  const { useStore }: { useStore: Use<() => State> } = await load('solid.ts')
  const seen: number[][] = []
  const end = createRoot((dispose) => {
    const state = useStore(store)
    createEffect(() => seen.push(numbers(state())))
    return dispose
  })
  await expectUpdates(seen, end)
})
