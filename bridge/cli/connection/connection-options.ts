import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { codeOrMessage } from '../../../sdk/kit/error-text.ts'
import { nats } from '../../../sdk/transport/nats/index.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { webSocket } from '../../../sdk/transport/websocket/websocket.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { BadValue, wholeNumber } from '../settings/readers.ts'
import { devToken, findDevState } from './dev-state.ts'
import { whenOpen } from './when-open.ts'

/** Flags of every command that connects. */
export interface ConnectionFlags {
  readonly url?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly creds?: string
  readonly connectTimeout?: number
}

type Env = Readonly<Record<string, string | undefined>>

const DEFAULT_URL = 'http://localhost:8080'
/** In ms. */
const TIMEOUT = 5_000

/** Adds them to a command. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      '--url <url>',
      `a bridge (http, https, ws, wss) or NATS (nats, tls) [SPANWIRE_URL] (default: that of "spanwire dev" here, or ${DEFAULT_URL})`,
    )
    .option(
      '--token <token>',
      'token of the bridge or NATS [SPANWIRE_TOKEN]; arguments are visible to other users of this machine',
    )
    .option('--token-file <path>', 'file that holds the token [SPANWIRE_TOKEN_FILE]')
    .option('--creds <path>', '.creds file, for nats:// and tls:// [NATS_CREDS]')
    .addOption(
      new Option('--connect-timeout <ms>', `how long to wait for a connection, in ms (default: ${TIMEOUT})`).argParser(
        (text) => readNumber('--connect-timeout', text, 1, 600_000),
      ),
    )
}

/**
 * A whole number of a flag.
 * @throws SpanwireError `invalid-argument`
 */
export function readNumber(flag: string, text: string, least: number, most: number): number {
  try {
    return wholeNumber(least, most)(text)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new SpanwireError('invalid-argument', `${flag} ${error.message}.`)
  }
}

/** Where to connect, and with which token. */
export interface Target {
  readonly url: string
  /** A function is called again before the token expires. */
  readonly token: string | (() => Promise<string>) | undefined
  readonly creds: string | undefined
}

/**
 * Reads the flags and variables. A URL that is not given is that of the `spanwire dev` of this folder.
 * @throws SpanwireError (as rejection) `invalid-argument`
 */
export async function readTarget(flags: ConnectionFlags, env: Env): Promise<Target> {
  const dev = await findDevState()
  const url = flags.url ?? (env.SPANWIRE_URL || dev?.url || DEFAULT_URL)
  if (!/^(https?|wss?|nats|tls):$/.test(URL.parse(url)?.protocol ?? ''))
    throw new SpanwireError(
      'invalid-argument',
      `${JSON.stringify(url)} is not a URL of a bridge or NATS: use http, https, ws, wss, nats or tls.`,
    )
  const tokenFile = flags.tokenFile ?? env.SPANWIRE_TOKEN_FILE
  const token =
    flags.token ?? (env.SPANWIRE_TOKEN || (tokenFile ? await readText('--token-file', tokenFile) : undefined))
  const isDev = dev?.url !== undefined && token === undefined && sameOrigin(url, dev.url)
  const credsFile = flags.creds ?? env.NATS_CREDS
  return {
    url,
    token: isDev ? () => devToken(dev) : token,
    creds: credsFile ? await readText('--creds', credsFile) : undefined,
  }
}

/**
 * Connects, and waits until it has a connection: a command must not wait for ever.
 * @throws SpanwireError (as rejection) `invalid-argument`, `connection-refused`, `authentication-failed`
 */
export async function openTransport(flags: ConnectionFlags, env: Env): Promise<Transport> {
  const { url, token, creds } = await readTarget(flags, env)
  const options = { url, name: 'spanwire cli', ...(token !== undefined && { token }) }
  const isNats = /^(nats|tls):/.test(url)
  if (creds !== undefined && !isNats)
    throw new SpanwireError(
      'invalid-argument',
      `--creds is for nats:// and tls://, and the URL is ${url}: give --token.`,
    )
  const transport = isNats ? nats({ ...options, ...(creds !== undefined && { creds }) }) : webSocket(options)
  try {
    await whenOpen(transport, url, flags.connectTimeout ?? TIMEOUT)
    return transport
  } catch (error) {
    await transport.close()
    throw error
  }
}

async function readText(flag: string, path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (cause) {
    const why = codeOrMessage(cause)
    throw new SpanwireError('invalid-argument', `${flag} names ${path}, which can't be read (${why}).`, { cause })
  }
}

/** `localhost` and `127.0.0.1` are the same machine. */
function sameOrigin(one: string, other: string): boolean {
  const normal = (url: string) => new URL(url.replace(/^ws/, 'http')).origin.replace('127.0.0.1', 'localhost')
  return !/^(nats|tls):/.test(one) && normal(one) === normal(other)
}
