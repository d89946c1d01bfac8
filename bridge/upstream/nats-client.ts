/** What Spanwire needs of the clients `nats` (TCP) and `nats.ws` (WebSocket), which are alike but for the way in. */
import type { Authenticator, ConnectionOptions, MsgHdrs, NatsConnection, Subscription, TlsOptions } from 'nats'
import { MAX_TIMER } from '../../sdk/kit/max-timer.ts'
import { notInstalled } from '../../sdk/kit/optional-package.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { MessageReader } from './message-reader.ts'
import type { UpstreamMessage } from './upstream.ts'

/** Who the bridge is at the broker. */
export interface NatsCredentials {
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  /** The text of a `.creds` file. */
  readonly creds?: string
  /** An authenticator of the `nats` or `nats.ws` package, for anything else. */
  readonly authenticator?: Authenticator | Authenticator[]
}

/** What `nats.ws` uses of a WebSocket. */
export interface NatsSocket {
  binaryType: string
  bufferedAmount: number
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: ArrayBuffer }) => void) | null
  onerror: ((event: { readonly message: string; readonly error: unknown }) => void) | null
  onclose: ((event: { readonly wasClean: boolean; readonly reason: string }) => void) | null
  send(data: ArrayBuffer): void
  close(): void
}

/** Opens TCP to `host:port`; `secure` refuses a server without TLS. */
export type OpenTcp = (address: string, secure: boolean) => NatsSocket

export interface NatsDialOptions {
  readonly credentials?: NatsCredentials
  readonly tls?: TlsOptions
  readonly openTcp?: OpenTcp
  readonly name: string
  /** How long one attempt may take, in ms. */
  readonly connectTimeout: number
}

/** One attempt to connect, to whichever server answers first. Rejects with the client's own error. */
export type Dial = () => Promise<NatsLink>

/** One connection, from its first byte to its last: it never reconnects. */
export interface NatsLink {
  readonly connection: NatsConnection
  /** Bytes that came in. */
  readonly received: number
  /** Use no other way to subscribe: what the client itself subscribes to stays silent. `deliver` must not throw. */
  subscribe(filter: string, queue: string | undefined, deliver: (message: UpstreamMessage) => void): Subscription
  /** Ends it at once, also when the server has stopped answering. */
  destroy(): void
}

/**
 * Reads the servers' addresses and gives the function that dials them.
 * @throws SpanwireError `invalid-argument`
 */
export function createDial(urls: readonly string[], options: NatsDialOptions): Dial {
  const servers = urls.map(parseServer)
  const first = servers[0]
  if (!first) throw new SpanwireError('invalid-argument', 'No URL of a NATS server was given.')
  if (servers.some(({ websocket }) => websocket !== first.websocket))
    throw new SpanwireError(
      'invalid-argument',
      'The servers of one upstream are reached either by nats:// and tls://, or by ws:// and wss://: not by both.',
    )
  const credentials = { ...first.credentials, ...options.credentials }
  const common: ConnectionOptions = {
    servers: servers.map(({ address }) => address),
    name: options.name,
    timeout: options.connectTimeout,
    // Reconnecting is done here: the client would give up, drop what is published meanwhile, and say `reconnect`
    // before the server has the subscriptions.
    reconnect: false,
    // Addresses that servers tell of each other often can't be reached from here (containers, NAT, TLS names).
    ignoreClusterUpdates: true,
    // Liveness is checked here too: the client's own check hangs when the socket's buffer is full.
    pingInterval: MAX_TIMER,
    noAsyncTraces: true,
  }
  if (first.websocket) return () => dialWebSocket(common, credentials, (address) => new WebSocket(address))
  const { openTcp } = options
  if (!openTcp) return () => dialTcp({ ...common, ...tlsOf(servers, options.tls) }, credentials)
  const secure = servers.some((server) => server.secure)
  const open = (address: string) => {
    const { hostname, port } = new URL(address)
    return openTcp(`${hostname}:${port || 80}`, secure)
  }
  // Addresses that this client understands; they are taken apart again above.
  const addresses = servers.map(({ address }) => `ws://${address}`)
  return () => dialWebSocket({ ...common, servers: addresses }, credentials, open)
}

interface Server {
  readonly address: string
  readonly websocket: boolean
  readonly secure: boolean
  readonly credentials: NatsCredentials
}

function parseServer(text: string): Server {
  const url = URL.parse(text)
  const scheme = url?.protocol.slice(0, -1) ?? ''
  if (!url?.hostname || !['nats', 'tls', 'ws', 'wss'].includes(scheme))
    // Only the scheme is shown: the rest may hold a password.
    throw new SpanwireError(
      'invalid-argument',
      `Not the URL of a NATS server (scheme ${JSON.stringify(scheme)}): use nats://, tls://, ws:// or wss://host:port.`,
    )
  const user = decodeURIComponent(url.username)
  const pass = decodeURIComponent(url.password)
  const websocket = scheme === 'ws' || scheme === 'wss'
  return {
    address: websocket
      ? `${url.protocol}//${url.host}${url.pathname}${url.search}`
      : `${url.hostname}:${url.port || 4222}`,
    websocket,
    secure: scheme === 'tls' || scheme === 'wss',
    // As in every NATS client: a user without a password is a token.
    credentials: pass ? { user, pass } : user ? { token: user } : {},
  }
}

function tlsOf(servers: readonly Server[], tls: TlsOptions | undefined): { tls?: TlsOptions } {
  // An empty object means: refuse a server that doesn't offer TLS.
  return tls || servers.some(({ secure }) => secure) ? { tls: tls ?? {} } : {}
}

type Client = Pick<typeof import('nats'), 'connect' | 'credsAuthenticator'>

function withCredentials(options: ConnectionOptions, { creds, ...rest }: NatsCredentials, client: Client) {
  const authenticator = creds === undefined ? {} : { authenticator: client.credsAuthenticator(encode(creds)) }
  return { ...options, ...rest, ...authenticator }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

async function dialTcp(options: ConnectionOptions, credentials: NatsCredentials): Promise<NatsLink> {
  const client = await import('nats').catch(notInstalled('An upstream by nats:// or tls://', 'nats'))
  const connection = await client.connect(withCredentials(options, credentials, client))
  return createLink(connection, () => void connection.close().catch(() => {}))
}

async function dialWebSocket(
  options: ConnectionOptions,
  credentials: NatsCredentials,
  open: (address: string) => Pick<WebSocket, 'close'> | NatsSocket,
): Promise<NatsLink> {
  const client = (await import('nats.ws').catch(notInstalled('This upstream', 'nats.ws'))) as unknown as Client
  let socket: ReturnType<typeof open> | undefined
  // The socket is kept because the client, when asked to close, first waits for everything to be sent.
  const wsFactory = async (address: string) => {
    socket = open(address)
    return { socket, encrypted: address.startsWith('wss:') }
  }
  const connection = await client.connect({ ...withCredentials(options, credentials, client), wsFactory } as never)
  const destroy = () => {
    connection.close().catch(() => {})
    socket?.close()
  }
  return createLink(connection, destroy)
}

/** A member of both clients' connections that their interface leaves out: it is given all that the server sends. */
interface WithParser {
  readonly protocol?: { parser?: { parse(bytes: Uint8Array): void } }
}

/**
 * A connection whose messages we read ourselves, before the client does: it would make three objects of each and read its
 * line byte by byte, its `headers` getter throws on names that NATS itself lets through, and forgets order and blanks.
 * All else (INFO, PING, PONG, errors) is the client's.
 */
function createLink(connection: NatsConnection, destroy: () => void): NatsLink {
  const { protocol } = connection as WithParser
  const parser = protocol?.parser
  if (!protocol || !parser) {
    destroy()
    throw new SpanwireError('unsupported', 'This NATS client is unknown: install nats ^2.29 or nats.ws ^1.30.')
  }
  const reader = new MessageReader((lines) => parser.parse(lines))
  protocol.parser = { parse: (bytes) => reader.read(bytes) }
  return {
    connection,
    destroy,
    get received() {
      return reader.received
    },
    subscribe(filter, queue, deliver) {
      const subscription = connection.subscribe(filter, { ...(queue !== undefined && { queue }), callback: ignore })
      const sid = subscription.getID()
      reader.add(sid, filter, deliver)
      subscription.closed.then(() => reader.delete(sid))
      return subscription
    },
  }
}

/** The client has no messages. What it says of a refused subscription, `status` says too. */
function ignore(): void {}

/** Hands a message to the client, with its header block as it is: all the client does with headers is encode them. */
export function sendMessage(connection: NatsConnection, { subject, reply, headers, payload }: UpstreamMessage): void {
  connection.publish(subject, payload, {
    ...(reply !== undefined && { reply }),
    ...(headers && { headers: { encode: () => headers } as unknown as MsgHdrs }),
  })
}
