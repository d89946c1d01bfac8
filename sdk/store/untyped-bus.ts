import type { Bus, Latest, LatestOptions, ReplayOptions, StreamHandle, StreamOnOptions } from '../contract/bus.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'

type Values = Readonly<Record<string, string>>

/** A bus without its contract: the types of each store say what goes in and comes out. */
export interface UntypedBus {
  on(
    name: string,
    params: Values,
    handler: (event: ReceivedEvent) => unknown,
    options: StreamOnOptions & ReplayOptions,
  ): StreamHandle
  latest(name: string, ...args: [Values, ViewOptions] | [ViewOptions]): Latest<ReceivedEvent, Values>
}

/** `onCleared`: the stream is another one, and none of its values is known yet. */
type ViewOptions = LatestOptions & { readonly onCleared: () => void }

export function untyped<Contract>(bus: Bus<Contract>): UntypedBus {
  return bus as unknown as UntypedBus
}

/** Whether a template has params: they come before the other arguments then. */
export function hasParams(name: string): boolean {
  return name.includes('{')
}

/** The params and the options of `name, params?, options?`, where only a template with params has any. */
export function readArgs<Options extends object>(
  name: string,
  args: readonly unknown[],
): [params: Values, options: Partial<Options>] {
  const [params, options] = hasParams(name) ? args : [{}, ...args]
  return [(params ?? {}) as Values, (options ?? {}) as Partial<Options>]
}
