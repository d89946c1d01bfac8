/** Every setting of `spanwire bridge`: its flag, its variable, and its name in a configuration file. */
import type { AuthOptions } from '../../auth/authenticate.ts'
import type { ServeOptions } from '../../hosts/bridge-server.ts'
import type { MonitoringOptions } from '../../http/monitoring-routes.ts'
import {
  choice,
  hostNames,
  inspector,
  limits,
  origins,
  permissions,
  publicKeys,
  type Reader,
  routeKey,
  secrets,
  subjectFilters,
  text,
  timeouts,
  wholeNumber,
  words,
  yesOrNo,
} from './readers.ts'

/** How one setting is given. */
export interface Setting {
  /** Without dashes, such as `port`. A secret has none: arguments are visible to other users of the machine. */
  readonly flag?: string
  /** The value in the flag's help, such as `<url>`. */
  readonly value?: string
  /** The environment variable. The Worker's variables have the same names. */
  readonly variable?: string
  /** Whether `<VARIABLE>_FILE` and `--<flag>-file` may name a file that holds the value. */
  readonly isFile?: boolean
  readonly help: string
  readonly read: Reader<unknown>
}

/** Options that only a configuration file can hold, such as functions. */
export const CONFIG_ONLY = [
  'auth.authorize',
  'authorize',
  'schedule',
  'clock',
  'random',
  'routes',
  'group',
  'spans',
] as const

/** Names of the settings: every option of `serve`, and the command's own. */
type SettingName =
  | Exclude<
      keyof ServeOptions,
      'auth' | 'authorize' | 'monitoring' | 'schedule' | 'clock' | 'random' | 'routes' | 'group' | 'spans' | 'reusePort'
    >
  | `auth.${Exclude<keyof AuthOptions, 'authorize'>}`
  | `monitoring.${keyof MonitoringOptions}`
  | 'upstreamCreds'
  | 'upstreamTls.caFile'
  | 'upstreamTls.certFile'
  | 'upstreamTls.keyFile'
  | 'processes'
  | 'drainPatience'

const DAY = 86_400

/** All settings. An option of `serve` that is missing here does not compile. */
export const BRIDGE_SETTINGS: Readonly<Record<SettingName, Setting>> = {
  upstream: {
    flag: 'upstream',
    value: '<url>',
    variable: 'UPSTREAM_URL',
    help: 'nats://, tls://, ws:// or wss://host:port, several separated by commas; embedded; embedded:/path/of/file.db',
    read: (given) => (typeof given === 'object' && given !== null ? given : text(given)),
  },
  upstreamCreds: {
    flag: 'upstream-creds',
    variable: 'UPSTREAM_CREDS',
    isFile: true,
    help: "the NATS user's .creds file",
    read: text,
  },
  'upstreamTls.caFile': {
    flag: 'upstream-ca',
    value: '<file>',
    variable: 'UPSTREAM_CA',
    help: "PEM file with the authority of NATS's certificate",
    read: text,
  },
  'upstreamTls.certFile': {
    flag: 'upstream-cert',
    value: '<file>',
    variable: 'UPSTREAM_CERT',
    help: 'PEM file with the certificate that the bridge shows to NATS',
    read: text,
  },
  'upstreamTls.keyFile': {
    flag: 'upstream-key',
    value: '<file>',
    variable: 'UPSTREAM_KEY',
    help: "PEM file with that certificate's key",
    read: text,
  },
  port: {
    flag: 'port',
    value: '<number>',
    variable: 'PORT',
    help: 'port to listen on, 0 for any that is free (default: 8080)',
    read: wholeNumber(0, 65_535),
  },
  host: {
    flag: 'host',
    value: '<address>',
    variable: 'HOST',
    help: 'address to listen on; 0.0.0.0 to be reached from other machines and in containers (default: 127.0.0.1)',
    read: text,
  },
  origins: {
    flag: 'origins',
    value: '<list>',
    variable: 'ORIGINS',
    help: 'origins of web pages that may connect, separated by commas; * for all (default: none)',
    read: origins,
  },
  hosts: {
    flag: 'hosts',
    value: '<list>',
    variable: 'HOSTS',
    help: 'host names of the bridge, separated by commas; * for all (default: *, with auth-anonymous on other addresses none)',
    read: hostNames,
  },
  'auth.secret': {
    flag: 'auth-secret',
    variable: 'AUTH_SECRET',
    isFile: true,
    help: 'shared secret of HS256 tokens, at least 32 bytes; several on lines of their own while one is rotated',
    read: secrets,
  },
  'auth.publicKey': {
    flag: 'auth-public-key',
    variable: 'AUTH_PUBLIC_KEY',
    isFile: true,
    help: 'public key of tokens, as PEM or JWK; needs the algorithms',
    read: publicKeys,
  },
  'auth.jwksUrl': {
    flag: 'auth-jwks-url',
    value: '<url>',
    variable: 'AUTH_JWKS_URL',
    help: 'URL of a JSON Web Key Set with the keys of tokens',
    read: text,
  },
  'auth.algorithms': {
    flag: 'auth-algorithms',
    value: '<list>',
    variable: 'AUTH_ALGORITHMS',
    help: 'signature algorithms that are accepted, such as ES256,RS256',
    read: words,
  },
  'auth.issuer': {
    flag: 'auth-issuer',
    value: '<text>',
    variable: 'AUTH_ISSUER',
    help: "the tokens' iss must equal it",
    read: text,
  },
  'auth.audience': {
    flag: 'auth-audience',
    value: '<text>',
    variable: 'AUTH_AUDIENCE',
    help: "the tokens' aud must hold it",
    read: text,
  },
  'auth.clockTolerance': {
    flag: 'auth-clock-tolerance',
    value: '<s>',
    variable: 'AUTH_CLOCK_TOLERANCE',
    help: 'how far clocks may differ, in s (default: 5)',
    read: wholeNumber(0, 3_600, ' of seconds'),
  },
  'auth.requireExpiration': {
    flag: 'auth-require-expiration',
    value: '<bool>',
    variable: 'AUTH_REQUIRE_EXPIRATION',
    help: 'true to refuse tokens without exp (default: false)',
    read: yesOrNo,
  },
  'auth.subjectPrefix': {
    flag: 'auth-subject-prefix',
    value: '<subject>',
    variable: 'AUTH_SUBJECT_PREFIX',
    help: 'prefix of all subjects of a client, such as tenants.{{org}}',
    read: text,
  },
  'auth.accounts': {
    flag: 'auth-accounts',
    value: '<list>',
    variable: 'AUTH_ACCOUNTS',
    help: 'public keys (A…) of NATS accounts whose users may connect with their .creds',
    read: words,
  },
  'auth.cookie': {
    flag: 'auth-cookie',
    value: '<name>',
    variable: 'AUTH_COOKIE',
    help: 'a cookie that may hold the token',
    read: text,
  },
  'auth.urlTokenLifetime': {
    flag: 'auth-url-token-lifetime',
    value: '<s>',
    variable: 'AUTH_URL_TOKEN_LIFETIME',
    help: 'how long a token in a URL of /events may be valid, in s; 0 to take none (default: 600)',
    read: wholeNumber(0, DAY, ' of seconds'),
  },
  'auth.anonymous': {
    flag: 'auth-anonymous',
    value: '<json>',
    variable: 'AUTH_ANONYMOUS',
    help: 'permissions of clients without credentials, as JSON; all for everything (default: they are refused)',
    read: permissions,
  },
  events: {
    flag: 'contract',
    value: '<file>',
    variable: 'CONTRACT',
    help: 'module that exports the contract: publishes that its schemas refuse are refused (default: data is not checked)',
    read: (given) => (typeof given === 'object' && given !== null ? given : text(given)),
  },
  unknownSubjects: {
    flag: 'unknown-subjects',
    value: '<refuse|pass>',
    variable: 'UNKNOWN_SUBJECTS',
    help: 'with the contract: publishes to subjects that no event has (default: refuse)',
    read: choice('refuse', 'pass'),
  },
  admin: {
    flag: 'admin-key',
    variable: 'ADMIN_KEY',
    isFile: true,
    help: 'turns the admin routes on; at least 32 letters and digits',
    read: routeKey,
  },
  'monitoring.key': {
    flag: 'monitoring-key',
    variable: 'MONITORING_KEY',
    isFile: true,
    help: 'turns /varz, /connz, /subsz and /metrics on; at least 32 letters and digits',
    read: (given) => routeKey(given).key,
  },
  'monitoring.tail': {
    help: 'whether the monitoring key may read messages (default: true with the inspector, otherwise false)',
    read: yesOrNo,
  },
  'monitoring.deadLetters': {
    flag: 'dead-letters',
    value: '<list>',
    variable: 'DEAD_LETTERS',
    help: 'filters of dead letters that /metrics counts, such as dead.>, separated by commas (default: none)',
    read: subjectFilters,
  },
  limits: {
    flag: 'limit',
    value: '<name=number...>',
    variable: 'LIMITS',
    help: 'limits by name, such as maxConnections=5000 publishRate.messages=100',
    read: (given) => limits(Array.isArray(given) ? given.join(' ') : given),
  },
  timeouts: {
    flag: 'timeout',
    value: '<name=ms...>',
    variable: 'TIMEOUTS',
    help: 'timeouts of connections by name, such as keepAlive=75000 headers=20000 request=120000',
    read: (given) => timeouts(Array.isArray(given) ? given.join(' ') : given),
  },
  flushWindow: {
    flag: 'flush-window',
    value: '<ms>',
    variable: 'FLUSH_WINDOW',
    help: 'how long messages may wait so that more go out together, in ms (default: 0)',
    read: (given) => (typeof given === 'function' ? given : wholeNumber(0, 50, ' of ms')(given)),
  },
  log: {
    flag: 'log',
    value: '<level>',
    variable: 'LOG',
    help: 'lowest level of the lines on stderr: debug, info, warn, error or off (default: info)',
    read: (given) => (typeof given === 'function' ? given : choice('debug', 'info', 'warn', 'error', 'off')(given)),
  },
  trace: {
    flag: 'trace',
    value: '<user>',
    variable: 'TRACE',
    help: 'user whose operations are logged, without payloads and tokens (default: none)',
    read: text,
  },
  inspector: {
    flag: 'inspector',
    value: '<path|on>',
    variable: 'INSPECTOR',
    help: 'serves a page for operators at that path, or at /inspector; needs the monitoring key, which then reads messages',
    read: inspector,
  },
  processes: {
    flag: 'processes',
    value: '<n|auto>',
    variable: 'PROCESSES',
    help: 'processes that share the port, each with a hub of its own; auto for one per CPU (default: 1)',
    read: (given) => (given === 'auto' ? choice('auto')(given) : wholeNumber(1, 256)(given)),
  },
  drainPatience: {
    flag: 'drain-patience',
    value: '<ms>',
    variable: 'DRAIN_PATIENCE',
    help: 'how long clients may take to leave after SIGTERM, in ms (default: 10000)',
    read: wholeNumber(0, 3_600_000, ' of ms'),
  },
}
