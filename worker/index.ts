/**
 * The bridge on Cloudflare Workers. With the ready-made Worker, a whole main module is
 *
 *     export { default, SpanwireHub } from 'spanwire/worker'
 *
 * Functions and classes only: workerd refuses a main module that exports anything else.
 */
import { createWorker, type SpanwireWorker } from './worker.ts'

export type { Limits } from '../bridge/auth/limits.ts'
export type { WorkerEnv } from './env.ts'
export type { HubObjectOptions } from './hub-object.ts'
export type { ObjectNamespace, ObjectState } from './runtime.ts'
export { createWorker, type SpanwireWorker, type WorkerOptions } from './worker.ts'

const ready = createWorker()

/** The Durable Object class of the ready-made Worker: bind it as `HUB`. */
export const SpanwireHub: SpanwireWorker['SpanwireHub'] = ready.SpanwireHub

export default ready.worker
