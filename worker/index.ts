/**
 * The bridge on Cloudflare Workers. A complete main module:
 *
 *     export { default, SpanwireHub } from 'spanwire/worker'
 *
 * This module exports only functions and classes: workerd rejects a main module that exports anything else.
 */
import { createWorker, type SpanwireWorker } from './worker.ts'

export type { Limits } from '../bridge/auth/limits.ts'
export type { Authorize, PublishedEvent } from '../bridge/contract/contract-options.ts'
export type { WorkerEnv } from './env.ts'
export type { HubObjectOptions } from './hub-object.ts'
export type { ObjectNamespace, ObjectState } from './runtime.ts'
export { createWorker, type SpanwireWorker, type WorkerOptions } from './worker.ts'

const ready = createWorker()

/** The Durable Object class of the default Worker: bind it as `HUB`. */
export const SpanwireHub: SpanwireWorker['SpanwireHub'] = ready.SpanwireHub

export default ready.worker
