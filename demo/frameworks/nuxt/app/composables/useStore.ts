import type { Store } from 'spanwire/store'

/** Shows a store of Spanwire while its component is mounted. */
export function useStore<State>(store: Store<State>) {
  const state = shallowRef(store.getSnapshot())
  onScopeDispose(store.subscribe(() => (state.value = store.getSnapshot())))
  return state
}
