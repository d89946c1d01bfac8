/** Operations of a client: encoders for the SDK, a parser for the bridge. */

import { encodeFrame } from './bytes.ts'
import { SpanwireError } from './errors.ts'

/** Options of CONNECT that Spanwire uses. Source: https://docs.nats.io/reference/reference-protocols/nats-protocol */
export interface ConnectOptions {
  /** Requests +OK after each operation. */
  readonly verbose?: boolean
  /** Requests strict checks of subjects. */
  readonly pedantic?: boolean
  /** Whether the client receives its own messages. Default true. */
  readonly echo?: boolean
  /** Whether the client supports headers. */
  readonly headers?: boolean
  /** Requests a status 503 for requests without responders. */
  readonly no_responders?: boolean
  /** 1: the client processes INFO after the first. */
  readonly protocol?: number
  /** Token. */
  readonly auth_token?: string
  /** User name. */
  readonly user?: string
  /** Password. */
  readonly pass?: string
  /** NATS user JWT. */
  readonly jwt?: string
  /** Public NKey. */
  readonly nkey?: string
  /** Signature of the server's nonce. */
  readonly sig?: string
  /** Name of the connection. */
  readonly name?: string
  /** Name of the client library. */
  readonly lang?: string
  /** Version of the client library. */
  readonly version?: string
}

/** An operation of a client. HPUB is a `PUB` with a `headerSize`. `size` includes the header block. */
export type ClientOp = ConnectOp | PublishOp | SubscribeOp | UnsubscribeOp | OtherOp

/** CONNECT. */
export interface ConnectOp {
  /** Verb of the operation. */
  readonly verb: 'CONNECT'
  /** Options of the client. */
  readonly options: ConnectOptions
}

/** PUB or HPUB. The payload follows the line. */
export interface PublishOp {
  /** Verb of the operation, also for HPUB. */
  readonly verb: 'PUB'
  /** Subject. */
  readonly subject: string
  /** Reply subject. */
  readonly reply?: string
  /** Length of the header block, in bytes. 0 for PUB. */
  readonly headerSize: number
  /** Length of header block and payload, in bytes. */
  readonly size: number
}

/** SUB. */
export interface SubscribeOp {
  /** Verb of the operation. */
  readonly verb: 'SUB'
  /** Subject filter. */
  readonly filter: string
  /** Queue group. */
  readonly queue?: string
  /** Id of the subscription. */
  readonly sid: string
}

/** UNSUB. */
export interface UnsubscribeOp {
  /** Verb of the operation. */
  readonly verb: 'UNSUB'
  /** Id of the subscription. */
  readonly sid: string
  /** Number of messages after which the subscription ends. 0: immediately. */
  readonly max: number
}

/** An operation without arguments. */
export interface OtherOp {
  /** Verb of the operation. `OTHER` is ignored. */
  readonly verb: 'PING' | 'PONG' | 'OTHER'
}

/** Encodes CONNECT. */
export function encodeConnect(options: ConnectOptions): Uint8Array {
  return encodeFrame(`CONNECT ${JSON.stringify(options)}`)
}

/** Encodes PUB, or HPUB with headers. */
export function encodePublish(subject: string, payload: Uint8Array, reply?: string, headers?: Uint8Array): Uint8Array {
  const target = `PUB ${subject}${reply ? ` ${reply}` : ''}`
  return headers
    ? encodeFrame(`H${target} ${headers.length} ${headers.length + payload.length}`, headers, payload)
    : encodeFrame(`${target} ${payload.length}`, headers, payload)
}

/** Encodes SUB. */
export function encodeSubscribe(filter: string, sid: string | number, queue?: string): Uint8Array {
  return encodeFrame(`SUB ${filter}${queue ? ` ${queue}` : ''} ${sid}`)
}

/** Encodes UNSUB. With `max`, the subscription ends after that many messages in total. */
export function encodeUnsubscribe(sid: string | number, max?: number): Uint8Array {
  return encodeFrame(`UNSUB ${sid}${max ? ` ${max}` : ''}`)
}

function violation(): never {
  throw new SpanwireError('protocol-violation', 'Unknown Protocol Operation')
}

// The limit of nats-server's parseSize: at most nine digits.
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
  // Like Go's JSON decoder: null does not change a field, and a wrong type is an error.
  const options: Record<string, unknown> = { ...given }
  for (const [name, type] of Object.entries(connectTypes)) {
    if (options[name] === null) delete options[name]
    else if (name in options && typeof options[name] !== type) violation()
  }
  return options
}

/**
 * Parses a control line of a client. Verbs are case-insensitive, and arguments are separated by blanks or tabs, like in
 * nats-server (test/conformance/edge-protocol).
 * @throws SpanwireError `protocol-violation` with the text of nats-server
 */
export function parseClientOp(line: string): ClientOp {
  // nats-server checks only the verb. (With the flag `u`, letters such as \u017f would match ASCII.)
  if (/^PING/i.test(line)) return { verb: 'PING' }
  if (/^PONG/i.test(line)) return { verb: 'PONG' }
  // nats-server accepts and ignores it.
  if (/^\+OK/i.test(line)) return { verb: 'OTHER' }
  if (/^CONNECT/i.test(line)) return { verb: 'CONNECT', options: parseConnect(line.slice(7)) }
  const match = /^(H?PUB|SUB|UNSUB)[ \t]/i.exec(line)
  if (!match) violation()
  const [prefix, verb = ''] = match
  const args = line
    .slice(prefix.length)
    .split(BLANKS)
    .filter((arg) => arg !== '')
  const [first = '', second = ''] = args
  const last = args.at(-1) ?? ''
  switch (verb.toUpperCase()) {
    case 'PUB': {
      if (args.length !== 2 && args.length !== 3) violation()
      return {
        verb: 'PUB',
        subject: first,
        ...(args.length === 3 && { reply: second }),
        headerSize: 0,
        size: byteCount(last),
      }
    }
    case 'HPUB': {
      if (args.length !== 3 && args.length !== 4) violation()
      const size = byteCount(last)
      const headerSize = byteCount(args.at(-2))
      if (headerSize > size) violation()
      return {
        verb: 'PUB',
        subject: first,
        ...(args.length === 4 && { reply: second }),
        headerSize,
        size,
      }
    }
    case 'SUB': {
      if (args.length !== 2 && args.length !== 3) violation()
      return { verb: 'SUB', filter: first, ...(args.length === 3 && { queue: second }), sid: last }
    }
    case 'UNSUB': {
      if (args.length !== 1 && args.length !== 2) violation()
      // Like nats-server, ignores a maximum that is not a number.
      return { verb: 'UNSUB', sid: first, max: COUNT.test(second) ? Number(second) : 0 }
    }
    default:
      return violation()
  }
}
