import type { Store } from 'spanwire/store'
import { type Readable, readable } from 'svelte/store'

/** Turns a store of Spanwire into one of Svelte. It subscribes while a component shows it. */
export function toReadable<State>(store: Store<State>): Readable<State> {
  return readable(store.getSnapshot(), (set) => store.subscribe(() => set(store.getSnapshot())))
}
