import type { Origins } from '../bridge/routes/origins.ts'
import { SpanwireError } from '../sdk/errors.ts'
import { type HubPlan, hubCount, parseHubs } from './placement.ts'
import type { ObjectNamespace } from './runtime.ts'

/** Bindings and variables of the Worker, as `wrangler.jsonc` and `wrangler secret put` give them. */
export interface WorkerEnv {
  /** The Durable Object class `SpanwireHub`. */
  readonly HUB: ObjectNamespace
  /** Secret of the clients' HS256 tokens, at least 32 bytes. */
  readonly AUTH_SECRET?: string
  /** `nats://`, `tls://`, `ws://` or `wss://`; or `embedded`, for a try without a server. Default `embedded`. */
  readonly UPSTREAM_URL?: string
  /** Origins of web pages that may use the bridge, separated by spaces or commas; `*` for all. Default: its own. */
  readonly ORIGINS?: string
  /** How many hubs: a number, or a number by region such as `enam=2 weur=1`. Default `1`. See {@link parseHubs}. */
  readonly HUBS?: string
}

/** The variables, checked. */
export interface Settings {
  readonly secret: string
  readonly upstream: string
  readonly origins: Origins
  readonly plan: HubPlan
}

const SCHEMES = /^(nats|tls|wss?):\/\//
const MIN_SECRET = 32

/** @throws SpanwireError `invalid-argument` that says which variable to set, and never what a secret holds */
export function readSettings(env: WorkerEnv): Settings {
  if (!env.HUB) {
    throw misconfigured(
      'The binding HUB is missing: bind it to the Durable Object class SpanwireHub in wrangler.jsonc.',
    )
  }
  const secret = env.AUTH_SECRET ?? ''
  if (new TextEncoder().encode(secret).length < MIN_SECRET) {
    throw misconfigured(
      `AUTH_SECRET is ${secret === '' ? 'not set' : `shorter than ${MIN_SECRET} bytes`}: run "wrangler secret put AUTH_SECRET" (locally, write it to .dev.vars).`,
    )
  }
  const upstream = env.UPSTREAM_URL || 'embedded'
  if (upstream !== 'embedded' && !SCHEMES.test(upstream)) {
    throw misconfigured('UPSTREAM_URL must begin with nats://, tls://, ws:// or wss://, or be "embedded".')
  }
  const plan = parseHubs(env.HUBS)
  if (upstream === 'embedded' && hubCount(plan) > 1) {
    throw misconfigured('HUBS is more than 1, but hubs share nothing without NATS: set UPSTREAM_URL.')
  }
  const origins = (env.ORIGINS ?? '').split(/[\s,]+/).filter((origin) => origin !== '')
  return { secret, upstream, plan, origins: origins.includes('*') ? '*' : origins }
}

function misconfigured(message: string): SpanwireError {
  return new SpanwireError('invalid-argument', `This bridge is not configured. ${message}`)
}
