/**
 * The bridge on Cloudflare Workers. With the ready-made Worker, a whole main module is
 *
 *     export { default, SpanwireHub } from 'spanwire/worker'
 */
import { createWorker, type SpanwireWorker } from './worker.ts'

export { defaultLimits, type Limits } from '../bridge/limits.ts'
export type { WorkerEnv } from './env.ts'
export { type HubObjectOptions, MAX_CONNECTIONS } from './hub-object.ts'
export type { ObjectNamespace, ObjectState } from './runtime.ts'
export { createWorker, type SpanwireWorker, type WorkerOptions } from './worker.ts'

const ready = createWorker()

/** The Durable Object class of the ready-made Worker: bind it as `HUB`. */
export const SpanwireHub: SpanwireWorker['SpanwireHub'] = ready.SpanwireHub

export default ready.worker
