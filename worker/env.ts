import type { AuthOptions } from '../bridge/auth/authenticate.ts'
import { MIN_SECRET } from '../bridge/auth/keys.ts'
import type { AdminOptions } from '../bridge/http/admin-routes.ts'
import type { MonitoringOptions } from '../bridge/http/monitoring-routes.ts'
import { checkOrigins, type Origins } from '../bridge/http/origins.ts'
import { checkDeadLetterFilters } from '../bridge/hub/dead-letter-counts.ts'
import type { LogLevel } from '../bridge/log/log.ts'
import { SpanwireError } from '../sdk/wire/errors.ts'
import { type HubPlan, hubCount, parseHubs } from './placement.ts'
import type { ObjectNamespace } from './runtime.ts'

/** Bindings and variables of the Worker, set in `wrangler.jsonc` or with `wrangler secret put`. */
export interface WorkerEnv {
  /** The Durable Object class `SpanwireHub`. */
  readonly HUB: ObjectNamespace
  /** A secret: the key of HS256 tokens, at least 32 bytes. Not needed if the option `auth` has other keys. */
  readonly AUTH_SECRET?: string
  /** Required: a `nats://`, `tls://`, `ws://` or `wss://` URL, or `embedded` for a broker in the Worker itself. */
  readonly UPSTREAM_URL?: string
  /** A secret: text of a NATS user's `.creds` file. A user and password, or a token, can be part of `UPSTREAM_URL`. */
  readonly UPSTREAM_CREDS?: string
  /** Origins of web pages that may use the bridge, separated by spaces or commas, or `*`. Default: the Worker's own. */
  readonly ORIGINS?: string
  /** A secret that enables the admin routes: at least 32 letters and digits. Default: disabled. */
  readonly ADMIN_KEY?: string
  /**
   * A secret that enables `/varz`, `/connz`, `/subsz` and `/metrics`: at least 32 letters and digits. With several hubs,
   * `?hub=` names one (`hub-1`, `weur-2`). A hub without clients responds with 503, because monitoring does not start it.
   * Default: disabled.
   */
  readonly MONITORING_KEY?: string
  /**
   * `on`: the monitoring key may read messages by `/tailz`, as the live tail of the inspector does. The page itself is a
   * static asset: copy `inspector.html` of the package to the directory of the Worker's assets. Default `off`.
   */
  readonly INSPECTOR?: string
  /** Filters of dead letters that `/metrics` counts, such as `dead.>`, separated by spaces or commas. Default: none. */
  readonly DEAD_LETTERS?: string
  /** Lowest level of the lines in the Worker's log: `debug`, `info`, `warn`, `error` or `off`. Default `info`. */
  readonly LOG?: string
  /** Number of hubs, or numbers by region such as `enam=2 weur=1`. At most 256. Default `1`. See {@link parseHubs}. */
  readonly HUBS?: string
  /**
   * With several hubs, the number of clients of a hub before the next hub is used. Default 1,000. An object makes 25,000
   * to 35,000 sends a second, and workerd uses about 85 KiB for each socket.
   */
  readonly CLIENTS_PER_HUB?: string
}

/** Validated variables. */
export interface Settings {
  readonly auth: AuthOptions
  readonly upstream: string
  readonly creds?: string
  readonly origins: Origins
  readonly plan: HubPlan
  readonly clientsPerHub: number
  readonly admin?: AdminOptions
  readonly monitoring?: MonitoringOptions
  readonly log: LogLevel | 'off'
}

const SCHEMES = /^(nats|tls|wss?):\/\//

/**
 * Validates the variables.
 * @param auth options of the Worker. If they have a key, AUTH_SECRET is not used.
 * @throws SpanwireError `invalid-argument`. The message names the variable and never contains a secret.
 */
export function readSettings(env: WorkerEnv, auth: AuthOptions = {}): Settings {
  if (!env.HUB) {
    throw misconfigured(
      'The binding HUB is missing. Bind it to the Durable Object class SpanwireHub in wrangler.jsonc.',
    )
  }
  const upstream = env.UPSTREAM_URL
  if (!upstream) {
    throw misconfigured(
      'UPSTREAM_URL is not set. Set it to the URL of a NATS server, or to "embedded" for a broker in the Worker itself.',
    )
  }
  if (upstream !== 'embedded' && !SCHEMES.test(upstream)) {
    throw misconfigured('UPSTREAM_URL must begin with nats://, tls://, ws:// or wss://, or be "embedded".')
  }
  const plan = parseHubs(env.HUBS)
  if (upstream === 'embedded' && hubCount(plan) > 1) {
    throw misconfigured('HUBS is more than 1, but hubs with an embedded broker share no messages. Set UPSTREAM_URL.')
  }
  const origins = readOrigins(env.ORIGINS)
  return {
    auth: hasKeys(auth) ? auth : { ...auth, secret: readSecret(env) },
    upstream,
    ...(env.UPSTREAM_CREDS && { creds: env.UPSTREAM_CREDS }),
    plan,
    clientsPerHub: readCount('CLIENTS_PER_HUB', env.CLIENTS_PER_HUB, 1_000),
    ...(env.ADMIN_KEY && { admin: { key: env.ADMIN_KEY } }),
    ...(env.MONITORING_KEY && {
      monitoring: {
        key: env.MONITORING_KEY,
        tail: readWord('INSPECTOR', env.INSPECTOR, ['off', 'on']) === 'on',
        deadLetters: readDeadLetters(env.DEAD_LETTERS),
      },
    }),
    log: readWord('LOG', env.LOG, ['info', 'debug', 'warn', 'error', 'off']),
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

function readDeadLetters(text = ''): readonly string[] {
  const filters = text.split(/[ ,]+/).filter((filter) => filter !== '')
  try {
    checkDeadLetterFilters(filters, 'DEAD_LETTERS')
  } catch (error) {
    throw misconfigured((error as SpanwireError).message)
  }
  return filters
}

function hasKeys({ secret, publicKey, jwksUrl, accounts, anonymous }: AuthOptions): boolean {
  return [secret, publicKey, jwksUrl, accounts, anonymous].some((source) => source !== undefined)
}

function readSecret({ AUTH_SECRET: secret = '' }: WorkerEnv): string {
  if (new TextEncoder().encode(secret).length >= MIN_SECRET) return secret
  throw misconfigured(
    `AUTH_SECRET is ${secret === '' ? 'not set' : `shorter than ${MIN_SECRET} bytes`}. Run "wrangler secret put AUTH_SECRET", or write it to .dev.vars for local development.`,
  )
}

function readCount(name: string, text: string | undefined, fallback: number): number {
  if (!text) return fallback
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw misconfigured(`${name} is ${JSON.stringify(text)}. Use a number of clients, such as ${fallback}.`)
}

/** One of these words. The first is the default. */
function readWord<const Word extends string>(name: string, text: string | undefined, words: readonly Word[]): Word {
  const word = text ? words.find((one) => one === text) : words[0]
  if (word !== undefined) return word
  throw misconfigured(`${name} is ${JSON.stringify(text)}. Use ${words.join(' or ')}.`)
}

function misconfigured(message: string): SpanwireError {
  return new SpanwireError('invalid-argument', `This bridge is not configured. ${message}`)
}
