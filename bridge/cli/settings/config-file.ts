import { access, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import process from 'node:process'
import type { Events } from '../../../sdk/contract/contract.ts'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import type { EnsureStreamsOptions } from '../../../sdk/streams/index.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ServeOptions } from '../../hosts/bridge-server.ts'
import { importModule } from '../runtime/import-module.ts'

/** Options of `spanwire bridge` in a configuration file. */
export interface BridgeConfig extends Partial<Omit<ServeOptions, 'group' | 'reusePort' | 'events'>> {
  /** The contract, or the module that exports it. Publishes that its schemas refuse are refused. */
  readonly events?: Events | string
  /** The text of the NATS user's `.creds` file. */
  readonly upstreamCreds?: string
  /** PEM files for `tls://` upstreams. */
  readonly upstreamTls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  /** Processes that share the port; `auto` for one per CPU. Default 1. */
  readonly processes?: number | 'auto'
  /** How long clients may take to leave after SIGTERM, in ms. Default 10,000. */
  readonly drainPatience?: number
}

/** The content of `spanwire.config.ts` or `spanwire.config.json`. */
export interface SpanwireConfig {
  /** The module that exports the contract, such as `./events.ts`: for every command that takes one. */
  readonly contract?: string
  /** For `spanwire bridge`. */
  readonly bridge?: BridgeConfig
  /** For `spanwire streams` and `spanwire dev`. */
  readonly streams?: Pick<EnsureStreamsOptions, 'defaults' | 'streams'>
}

/** A configuration, and the file that it came from. */
export interface LoadedConfig {
  readonly config: SpanwireConfig
  /** For messages; undefined without a file. */
  readonly file: string | undefined
}

/** Names that are looked for, in this order. */
const FILES = ['ts', 'mts', 'js', 'mjs', 'json'].map((extension) => `spanwire.config.${extension}`)
const KEYS = ['contract', 'bridge', 'streams']

/** The configuration file of this folder, if there is one. */
export async function findConfig(): Promise<string | undefined> {
  for (const file of FILES) {
    const isThere = await access(resolve(process.cwd(), file)).then(
      () => true,
      () => false,
    )
    if (isThere) return file
  }
  return undefined
}

/**
 * Loads the configuration file that is named, or that of this folder.
 * @throws SpanwireError (as rejection) `invalid-argument`
 */
export async function loadConfig(named?: string): Promise<LoadedConfig> {
  const file = named ?? (await findConfig())
  if (file === undefined) return { config: {}, file }
  const config = file.endsWith('.json') ? await readJson(file) : (await importModule(file)).default
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new SpanwireError(
      'invalid-argument',
      `${file} holds no configuration: ${file.endsWith('.json') ? 'write an object' : 'write "export default { bridge: { … } }"'}.`,
    )
  const unknown = Object.keys(config).find((key) => !KEYS.includes(key))
  if (unknown !== undefined)
    throw new SpanwireError(
      'invalid-argument',
      `${file} has ${JSON.stringify(unknown)}: allowed are ${KEYS.join(', ')}.`,
    )
  return { config, file }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(resolve(process.cwd(), file), 'utf8'))
  } catch (cause) {
    throw new SpanwireError('invalid-argument', `${file} can't be read as JSON: ${messageOf(cause)}.`, {
      cause,
    })
  }
}
