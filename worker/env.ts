import type { AuthOptions } from '../bridge/auth/authenticate.ts'
import { MIN_SECRET } from '../bridge/auth/keys.ts'
import type { AdminOptions } from '../bridge/http/admin-routes.ts'
import type { MonitoringOptions } from '../bridge/http/monitoring-routes.ts'
import { checkOrigins, type Origins } from '../bridge/http/origins.ts'
import { SpanwireError } from '../sdk/wire/errors.ts'
import { type HubPlan, hubCount, parseHubs } from './placement.ts'
import type { ObjectNamespace } from './runtime.ts'

/** Bindings and variables of the Worker, as `wrangler.jsonc` and `wrangler secret put` give them. */
export interface WorkerEnv {
  /** The Durable Object class `SpanwireHub`. */
  readonly HUB: ObjectNamespace
  /** Secret of the clients' HS256 tokens, at least 32 bytes. Not needed if the option `auth` names other keys. */
  readonly AUTH_SECRET?: string
  /** `nats://`, `tls://`, `ws://` or `wss://`; or `embedded`, for a try without a server. Default `embedded`. */
  readonly UPSTREAM_URL?: string
  /** A secret: the text of a NATS user's `.creds` file. User and password, or a token, may stand in `UPSTREAM_URL`. */
  readonly UPSTREAM_CREDS?: string
  /** Origins of web pages that may use the bridge, separated by spaces or commas; `*` for all. Default: its own. */
  readonly ORIGINS?: string
  /** Turns the admin routes on; a secret of at least 32 letters and digits. Default: off. */
  readonly ADMIN_KEY?: string
  /**
   * Turns `/varz`, `/connz`, `/subsz` and `/metrics` on, with `?hub=` where there are several hubs (`hub-1`, `weur-2`); a
   * secret of at least 32 letters and digits. A hub without clients answers 503: to look at it doesn't wake it.
   * Default: off.
   */
  readonly MONITORING_KEY?: string
  /** How many hubs: a number, or a number by region such as `enam=2 weur=1`. Default `1`. See {@link parseHubs}. */
  readonly HUBS?: string
  /**
   * How many clients a hub takes before the next one does, where there are several. Default 1,000: an object does 25,000
   * to 35,000 sends a second, which is 25 for each of them, and workerd keeps about 85 KiB of its own for each socket.
   */
  readonly CLIENTS_PER_HUB?: string
}

/** The variables, checked. */
export interface Settings {
  readonly auth: AuthOptions
  readonly upstream: string
  readonly creds?: string
  readonly origins: Origins
  readonly plan: HubPlan
  readonly clientsPerHub: number
  readonly admin?: AdminOptions
  readonly monitoring?: MonitoringOptions
}

const SCHEMES = /^(nats|tls|wss?):\/\//

/**
 * @param auth the host's own, which needs no AUTH_SECRET if it says where its keys come from
 * @throws SpanwireError `invalid-argument` that says which variable to set, and never what a secret holds
 */
export function readSettings(env: WorkerEnv, auth: AuthOptions = {}): Settings {
  if (!env.HUB) {
    throw misconfigured(
      'The binding HUB is missing: bind it to the Durable Object class SpanwireHub in wrangler.jsonc.',
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
  const origins = readOrigins(env.ORIGINS)
  return {
    auth: hasKeys(auth) ? auth : { ...auth, secret: readSecret(env) },
    upstream,
    ...(env.UPSTREAM_CREDS && { creds: env.UPSTREAM_CREDS }),
    plan,
    clientsPerHub: readCount('CLIENTS_PER_HUB', env.CLIENTS_PER_HUB, 1_000),
    ...(env.ADMIN_KEY && { admin: { key: env.ADMIN_KEY } }),
    ...(env.MONITORING_KEY && { monitoring: { key: env.MONITORING_KEY } }),
    origins,
  }
}

function readOrigins(text = ''): Origins {
  const listed = text.split(/[\s,]+/).filter((origin) => origin !== '')
  const origins = listed.includes('*') ? '*' : listed
  try {
    checkOrigins(origins, 'ORIGINS')
  } catch (error) {
    throw misconfigured((error as SpanwireError).message)
  }
  return origins
}

function hasKeys({ secret, publicKey, jwksUrl, accounts, anonymous }: AuthOptions): boolean {
  return [secret, publicKey, jwksUrl, accounts, anonymous].some((source) => source !== undefined)
}

function readSecret({ AUTH_SECRET: secret = '' }: WorkerEnv): string {
  if (new TextEncoder().encode(secret).length >= MIN_SECRET) return secret
  throw misconfigured(
    `AUTH_SECRET is ${secret === '' ? 'not set' : `shorter than ${MIN_SECRET} bytes`}: run "wrangler secret put AUTH_SECRET" (locally, write it to .dev.vars).`,
  )
}

function readCount(name: string, text: string | undefined, otherwise: number): number {
  if (!text) return otherwise
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw misconfigured(`${name} can't be ${JSON.stringify(text)}: give a number of clients, such as ${otherwise}.`)
}

function misconfigured(message: string): SpanwireError {
  return new SpanwireError('invalid-argument', `This bridge is not configured. ${message}`)
}
