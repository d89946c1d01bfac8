import { SpanwireError } from '../wire/errors.ts'

/** Uses a module as soon as it is there. */
export type Lazy<Module> = <T>(use: (module: Module) => T | Promise<T>) => Promise<T>

/** Loads a module on its first use. Uses happen in the order of the calls. After a failure the next use tries again. */
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

/** Loads modules ahead of their first use, which may be when the network is away. */
// biome-ignore lint/suspicious/noExplicitAny: whatever they hold
export function preload(...modules: Array<Lazy<any>>): void {
  for (const load of modules) load(() => {}).catch(() => {})
}
