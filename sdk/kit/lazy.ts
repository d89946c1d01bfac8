import { SpanwireError } from '../wire/errors.ts'

/** Calls a function with a module as soon as it is loaded. */
export type Lazy<Module> = <T>(use: (module: Module) => T | Promise<T>) => Promise<T>

/** Loads a module on its first use. Functions are called in the order of the uses. The next use repeats a failed load. */
export function lazy<Module>(load: () => Promise<Module>): Lazy<Module> {
  let loading: Promise<Module> | undefined
  return async (use) => {
    loading ??= load()
    const module = await loading.catch((cause) => {
      loading = undefined
      throw new SpanwireError('connection-refused', "A part of Spanwire can't be loaded: try again.", { cause })
    })
    return use(module)
  }
}

/** Loads modules before their first use, which may be while the network is unavailable. */
// biome-ignore lint/suspicious/noExplicitAny: modules of every type
export function preload(...modules: Array<Lazy<any>>): void {
  for (const load of modules) load(() => {}).catch(() => {})
}
