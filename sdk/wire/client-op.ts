/** What a client sends: written by the SDK, read by the bridge. */

import { encodeFrame } from './bytes.ts'
import { SpanwireError } from './errors.ts'

/** The JSON of a CONNECT line, as far as either side uses it. */
export interface ConnectOptions {
  readonly verbose?: boolean
  readonly pedantic?: boolean
  readonly echo?: boolean
  readonly headers?: boolean
  readonly no_responders?: boolean
  readonly protocol?: number
  readonly auth_token?: string
  readonly user?: string
  readonly pass?: string
  readonly jwt?: string
  readonly nkey?: string
  readonly sig?: string
  readonly name?: string
  readonly lang?: string
  readonly version?: string
}

/** One operation of a client. `PUB` stands for HPUB too, which has a `headerSize`; `size` counts header and payload. */
export type ClientOp =
  | { readonly verb: 'CONNECT'; readonly options: ConnectOptions }
  | {
      readonly verb: 'PUB'
      readonly subject: string
      readonly reply?: string
      readonly headerSize: number
      readonly size: number
    }
  | { readonly verb: 'SUB'; readonly filter: string; readonly queue?: string; readonly sid: string }
  | { readonly verb: 'UNSUB'; readonly sid: string; readonly max: number }
  | { readonly verb: 'PING' | 'PONG' | 'OTHER' }

/** CONNECT. */
export function encodeConnect(options: ConnectOptions): Uint8Array {
  return encodeFrame(`CONNECT ${JSON.stringify(options)}`)
}

/** PUB, or HPUB if there are headers. */
export function encodePublish(subject: string, payload: Uint8Array, reply?: string, headers?: Uint8Array): Uint8Array {
  const target = `PUB ${subject}${reply ? ` ${reply}` : ''}`
  return headers
    ? encodeFrame(`H${target} ${headers.length} ${headers.length + payload.length}`, headers, payload)
    : encodeFrame(`${target} ${payload.length}`, headers, payload)
}

/** SUB. */
export function encodeSubscribe(filter: string, sid: string | number, queue?: string): Uint8Array {
  return encodeFrame(`SUB ${filter}${queue ? ` ${queue}` : ''} ${sid}`)
}

/** UNSUB. */
export function encodeUnsubscribe(sid: string | number): Uint8Array {
  return encodeFrame(`UNSUB ${sid}`)
}

function violation(): never {
  throw new SpanwireError('protocol-violation', 'Unknown Protocol Operation')
}

// nats-server's parseSize: digits only, and few enough of them not to overflow.
const COUNT = /^\d{1,9}$/
const BLANKS = /[ \t]+/

function byteCount(text: string | undefined): number {
  if (text === undefined || !COUNT.test(text)) violation()
  return Number(text)
}

const connectTypes: Record<keyof ConnectOptions, 'boolean' | 'number' | 'string'> = {
  verbose: 'boolean',
  pedantic: 'boolean',
  echo: 'boolean',
  headers: 'boolean',
  no_responders: 'boolean',
  protocol: 'number',
  auth_token: 'string',
  user: 'string',
  pass: 'string',
  jwt: 'string',
  nkey: 'string',
  sig: 'string',
  name: 'string',
  lang: 'string',
  version: 'string',
}

function parseConnect(text: string): ConnectOptions {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    violation()
  }
  if (typeof given !== 'object' || Array.isArray(given)) violation()
  // As Go reads JSON into a struct: null leaves everything, or one field, as it was; a wrong type is an error.
  const options: Record<string, unknown> = { ...given }
  for (const [name, type] of Object.entries(connectTypes)) {
    if (options[name] === null) delete options[name]
    else if (name in options && typeof options[name] !== type) violation()
  }
  return options
}

/**
 * Reads one control line of a client. Verbs are matched without regard to case, arguments are parted by blanks or
 * tabs, as in nats-server's parser (measured: test/conformance/edge-protocol).
 * @throws SpanwireError `protocol-violation` with nats-server's own text
 */
export function parseClientOp(line: string): ClientOp {
  // nats-server looks at no more than the verb here. (No `u` flag: it would fold letters such as \u017f into ASCII.)
  if (/^PING/i.test(line)) return { verb: 'PING' }
  if (/^PONG/i.test(line)) return { verb: 'PONG' }
  // Clients may echo these; nats-server accepts and ignores them.
  if (/^\+OK/i.test(line)) return { verb: 'OTHER' }
  if (/^CONNECT/i.test(line)) return { verb: 'CONNECT', options: parseConnect(line.slice(7)) }
  const match = /^(H?PUB|SUB|UNSUB)[ \t]/i.exec(line)
  if (!match) violation()
  const verb = (match[1] as string).toUpperCase()
  const args = line
    .slice(match[0].length)
    .split(BLANKS)
    .filter((arg) => arg !== '')
  switch (verb) {
    case 'PUB': {
      if (args.length !== 2 && args.length !== 3) violation()
      const size = byteCount(args.at(-1))
      return {
        verb,
        subject: args[0] as string,
        ...(args.length === 3 && { reply: args[1] as string }),
        headerSize: 0,
        size,
      }
    }
    case 'HPUB': {
      if (args.length !== 3 && args.length !== 4) violation()
      const size = byteCount(args.at(-1))
      const headerSize = byteCount(args.at(-2))
      if (headerSize > size) violation()
      return {
        verb: 'PUB',
        subject: args[0] as string,
        ...(args.length === 4 && { reply: args[1] as string }),
        headerSize,
        size,
      }
    }
    case 'SUB': {
      if (args.length !== 2 && args.length !== 3) violation()
      return {
        verb,
        filter: args[0] as string,
        ...(args.length === 3 && { queue: args[1] as string }),
        sid: args.at(-1) as string,
      }
    }
    case 'UNSUB': {
      if (args.length !== 1 && args.length !== 2) violation()
      // A max that is no number counts as none, as in nats-server.
      return { verb, sid: args[0] as string, max: COUNT.test(args[1] ?? '') ? Number(args[1]) : 0 }
    }
    default:
      return violation()
  }
}
