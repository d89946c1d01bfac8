import { SpanwireError } from '../wire/errors.ts'

/** Calls a function with a module as soon as it is loaded. */
export type Lazy<Module> = <T>(use: (module: Module) => T | Promise<T>) => Promise<T>

/** Loads a module on its first use. Functions are called in the order of the uses. The next use repeats a failed load. */
export function lazy<Module>(load: () => Promise<Module>): Lazy<Module> {
  let loading: Promise<Module> | undefined
  return async (use) => {
    loading ??= load().catch((cause) => {
      loading = undefined
      // A browser may keep the failure until then (https://github.com/whatwg/html/issues/6768).
      throw new SpanwireError('not-loaded', "A part of Spanwire can't be loaded: reload the page.", { cause })
    })
    return use(await loading)
  }
}

/** Loads modules before their first use, which may be while the network is unavailable. */
// biome-ignore lint/suspicious/noExplicitAny: modules of every type
export function preload(...modules: Array<Lazy<any>>): void {
  for (const load of modules) load(() => {}).catch(() => {})
}

/** When a part that could not be loaded is loaded again, in ms. */
const RELOAD = 10_000

/** Calls a function with a module, and repeats a failed load for as long as `isWanted`. Rejects with the first failure. */
export function loadUntil<Module>(
  load: Lazy<Module>,
  isWanted: () => boolean,
  use: (module: Module) => void,
): Promise<void> {
  return load((module) => {
    if (isWanted()) use(module)
  }).catch((error) => {
    setTimeout(() => isWanted() && loadUntil(load, isWanted, use).catch(() => {}), RELOAD)
    throw error
  })
}
