import { readFile } from 'node:fs/promises'
import { codeOrMessage } from '../../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ServeOptions } from '../../hosts/bridge-server.ts'
import { createUpstream } from '../../hosts/upstream-url.ts'
import type { Upstream } from '../../upstream/upstream.ts'
import { requireNatsClient } from '../runtime/nats-client.ts'
import { BRIDGE_SETTINGS, CONFIG_ONLY, type Setting } from './bridge-settings.ts'
import type { BridgeConfig, LoadedConfig } from './config-file.ts'
import { BadValue } from './readers.ts'

/** The checked settings of `spanwire bridge`. */
export interface BridgeRun {
  /** Opens the upstream: to be called once, by the process that serves, which closes it at its end. */
  open(): { readonly options: ServeOptions; close(): Promise<void> }
  readonly port: number
  readonly host: string
  readonly processes: number | 'auto'
  /** In ms. */
  readonly drainPatience: number
  /** The module that exports the contract, if it is not in the options. */
  readonly contract: string | undefined
  /** Whether hubs of several processes would share nothing. */
  readonly isEmbedded: boolean
}

/** Sources of settings. A flag goes before a variable, and a variable before the configuration file. */
export interface SettingSources {
  /** Values of flags, by the flag's name without dashes. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly config: LoadedConfig
}

interface Given {
  /** As the user wrote it, such as `--port` or `PORT`. */
  readonly source: string
  readonly value: unknown
}

/** All values, each as its reader returned it. */
type Values = Omit<BridgeConfig, 'upstream'> & { readonly upstream?: string | Upstream }

const SETTINGS: Readonly<Record<string, Setting>> = BRIDGE_SETTINGS
const DEFAULT_PORT = 8080
const DEFAULT_HOST = '127.0.0.1'
const PATIENCE = 10_000

/**
 * Reads every setting from where it is given.
 * @throws SpanwireError (as rejection) `invalid-argument` that names the setting, its value and the allowed values
 */
export async function readSettings(sources: SettingSources): Promise<BridgeRun> {
  const values = readConfig(sources.config)
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const given = await findValue(setting, sources)
    if (given) setIn(values, name, readValue(given, setting))
  }
  const {
    upstream,
    upstreamCreds,
    upstreamTls,
    processes = 1,
    drainPatience = PATIENCE,
    events,
    ...rest
  } = values as Values
  const options = typeof events === 'object' ? { ...rest, events } : rest
  if (upstream === undefined)
    throw new SpanwireError(
      'invalid-argument',
      'No upstream is set: give --upstream nats://host:4222 or UPSTREAM_URL, or "embedded" for a broker in this process.',
    )
  if (typeof upstream === 'string') requireNatsClient(upstream)
  const isEmbedded = typeof upstream === 'string' && upstream.startsWith('embedded')
  const dial = {
    ...(upstreamCreds !== undefined && { credentials: { creds: upstreamCreds } }),
    ...(upstreamTls !== undefined && { tls: upstreamTls }),
  }
  const { port = DEFAULT_PORT } = options
  const open = () => {
    const opened = typeof upstream === 'string' ? createUpstream(upstream, dial) : upstream
    const close = async () => {
      if (typeof upstream === 'string') await opened.close()
    }
    return { options: { auth: {}, ...options, port, upstream: opened }, close }
  }
  const contract = typeof events === 'string' ? events : undefined
  return { open, port, host: options.host ?? DEFAULT_HOST, processes, drainPatience, contract, isEmbedded }
}

/** The configuration file's part, checked: unknown options are refused. */
function readConfig({ config, file = '' }: LoadedConfig): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  const visit = (object: object, prefix: string) => {
    for (const [key, value] of Object.entries(object)) {
      const name = `${prefix}${key}`
      const setting = SETTINGS[name]
      if (value === undefined) continue
      if (setting) setIn(values, name, readValue({ source: `bridge.${name} in ${file}`, value }, setting))
      else if (CONFIG_ONLY.some((one) => one === name)) setIn(values, name, value)
      else if (['auth', 'monitoring', 'upstreamTls'].includes(name) && typeof value === 'object')
        visit(value, `${name}.`)
      else throw new SpanwireError('invalid-argument', unknownOption(name, file, prefix))
    }
  }
  visit(config.bridge ?? {}, '')
  return values
}

function unknownOption(name: string, file: string, prefix: string): string {
  const allowed = [...Object.keys(BRIDGE_SETTINGS), ...CONFIG_ONLY]
    .filter((one) => one.startsWith(prefix))
    .map((one) => one.slice(prefix.length).split('.')[0])
  return `${file} has bridge.${name}, which is not an option: allowed are ${[...new Set(allowed)].sort().join(', ')}.`
}

async function findValue(setting: Setting, { flags, env }: SettingSources): Promise<Given | undefined> {
  const { flag, variable, isFile } = setting
  if (flag !== undefined && isFile && flags[`${flag}-file`] !== undefined)
    return readFrom(`--${flag}-file`, String(flags[`${flag}-file`]))
  if (flag !== undefined && !isFile && flags[flag] !== undefined) return { source: `--${flag}`, value: flags[flag] }
  // An empty variable is not set: that is how compose files and CI write it.
  if (variable !== undefined && env[variable]) return { source: variable, value: env[variable] }
  const file = isFile && variable !== undefined ? env[`${variable}_FILE`] : undefined
  return file ? readFrom(`${variable}_FILE`, file) : undefined
}

async function readFrom(source: string, path: string): Promise<Given> {
  try {
    return { source, value: await readFile(path, 'utf8') }
  } catch (cause) {
    const why = codeOrMessage(cause)
    throw new SpanwireError('invalid-argument', `${source} names ${path}, which can't be read (${why}).`, { cause })
  }
}

function readValue({ source, value }: Given, { read }: Setting): unknown {
  try {
    return read(value)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new SpanwireError('invalid-argument', `${source} ${error.message}.`)
  }
}

/** Sets `auth.secret` in `{ auth: { secret } }`. */
function setIn(values: Record<string, unknown>, name: string, value: unknown): void {
  const [first = '', second] = name.split('.')
  values[first] = second === undefined ? value : { ...Object(values[first]), [second]: value }
}
