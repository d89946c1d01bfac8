/** `UntypedBus` has the members of `Bus`, and accepts the arguments of every event in the same order. Checked by `tsc`, not run. */
import { expectTypeOf } from 'vitest'
import * as z from 'zod'
import type { HandlerArgs, UntypedBus, UntypedOnOptions } from '../../sdk/contract/untyped-bus.ts'
import { type Bus, defineEvents, event } from '../../sdk/index.ts'

const _events = defineEvents({
  'orders.{id}.created': event(z.object({ total: z.number() }), { stream: 'ORDERS' }),
  'news.flash': z.string(),
})
type Contract = typeof _events

expectTypeOf<keyof UntypedBus>().toEqualTypeOf<keyof Bus<Contract>>()

declare const bus: Bus<Contract>
type Created = 'orders.{id}.created'
type Flash = 'news.flash'

expectTypeOf<Parameters<typeof bus.publish<Created>>>().toExtend<Parameters<UntypedBus['publish']>>()
expectTypeOf<Parameters<typeof bus.publish<Flash>>>().toExtend<Parameters<UntypedBus['publish']>>()
expectTypeOf<Parameters<typeof bus.request<Flash>>>().toExtend<Parameters<UntypedBus['request']>>()
expectTypeOf<Parameters<typeof bus.request<Created>>>().toExtend<Parameters<UntypedBus['request']>>()
expectTypeOf<Parameters<typeof bus.subscribe<Created>>>().toExtend<Parameters<UntypedBus['subscribe']>>()
expectTypeOf<Parameters<typeof bus.subscribe<Flash>>>().toExtend<Parameters<UntypedBus['subscribe']>>()
expectTypeOf<Parameters<typeof bus.latest<Created>>>().toExtend<Parameters<UntypedBus['latest']>>()
// The last overload is the one with params.
type OnArgs = Parameters<typeof bus.on<Created>> extends [unknown, ...infer Rest] ? Rest : never
type Handler = OnArgs[1]
expectTypeOf<OnArgs>().toExtend<
  HandlerArgs<Handler extends (event: infer Event) => unknown ? Event : never, UntypedOnOptions>
>()

// Swapped arguments do not extend the untyped ones, so the lines above can fail.
type Swapped<Args> = Args extends [infer Name, infer First, infer Second, ...infer Rest]
  ? [Name, Second, First, ...Rest]
  : never
expectTypeOf<Swapped<Parameters<typeof bus.publish<Created>>>>().not.toExtend<Parameters<UntypedBus['publish']>>()
