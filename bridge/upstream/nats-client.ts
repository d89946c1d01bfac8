/** The parts of the clients `nats` (TCP) and `nats.ws` (WebSocket) that Spanwire uses. They differ only in their transport. */
import type { Authenticator, ConnectionOptions, MsgHdrs, NatsConnection, Subscription, TlsOptions } from 'nats'
import { MAX_TIMER } from '../../sdk/kit/max-timer.ts'
import { notInstalled } from '../../sdk/kit/optional-package.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { MessageReader, type Receiver } from './message-reader.ts'
import type { UpstreamMessage } from './upstream.ts'

/** Credentials of the bridge at NATS. */
export interface NatsCredentials {
  /** User name, with `pass`. */
  readonly user?: string
  /** Password of `user`. */
  readonly pass?: string
  /** Token of NATS's token authentication. */
  readonly token?: string
  /** Text of a `.creds` file. */
  readonly creds?: string
  /** An authenticator of the package `nats` or `nats.ws`, for other methods. */
  readonly authenticator?: Authenticator | Authenticator[]
}

/** The parts of a WebSocket that `nats.ws` uses. */
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

/** Opens a TCP connection to `host:port`. With `secure`, a server without TLS is refused. */
export type OpenTcp = (address: string, secure: boolean) => NatsSocket

export interface NatsDialOptions {
  readonly credentials?: NatsCredentials
  readonly tls?: TlsOptions
  readonly openTcp?: OpenTcp
  readonly name: string
  /** Timeout of one attempt, in ms. */
  readonly connectTimeout: number
  /** Whether the connection does not get messages that it publishes. Default `false`. */
  readonly noEcho?: boolean
}

/** Connects to the servers of one upstream. */
export interface Dialer {
  /**
   * Loads the package that connects.
   * @throws SpanwireError (as rejection) `unsupported` if it is not installed
   */
  load(): Promise<unknown>
  /** Makes one attempt to connect, to the first server that answers. Rejects with the client's error. */
  dial(): Promise<NatsLink>
}

/** One connection. It never reconnects. */
export interface NatsLink {
  readonly connection: NatsConnection
  /** All bytes that were received. */
  readonly received: number
  /** Subscribes. Subscriptions of `connection` itself get no messages. */
  subscribe(receiver: Receiver, queue: string | undefined): Subscription
  /** Closes the connection at once, also if the server has stopped answering. Drops messages that it still holds. */
  destroy(): void
}

/**
 * Parses addresses of servers.
 * @throws SpanwireError `invalid-argument`
 */
export function createDialer(urls: readonly string[], options: NatsDialOptions): Dialer {
  const servers = urls.map(parseServer)
  const first = servers[0]
  if (!first) throw new SpanwireError('invalid-argument', 'The list of NATS servers is empty. Give at least one URL.')
  if (servers.some(({ websocket }) => websocket !== first.websocket))
    throw new SpanwireError(
      'invalid-argument',
      "One upstream can't use TCP and WebSocket servers together. Use either nats:// and tls://, or ws:// and wss://.",
    )
  const credentials = { ...first.credentials, ...options.credentials }
  const common: ConnectionOptions = {
    servers: servers.map(({ address }) => address),
    name: options.name,
    timeout: options.connectTimeout,
    // The upstream reconnects. The client would stop trying, drop publishes, and report `reconnect` before the server has
    // the subscriptions.
    reconnect: false,
    // Addresses in INFO are often not reachable from here: containers, NAT, TLS names.
    ignoreClusterUpdates: true,
    // The upstream checks the connection. The client's own check hangs when the socket's buffer is full.
    pingInterval: MAX_TIMER,
    noAsyncTraces: true,
    noEcho: options.noEcho ?? false,
  }
  const load = loadWebSocketClient
  if (first.websocket)
    return { load, dial: () => dialWebSocket(common, credentials, (address) => new WebSocket(address)) }
  const { openTcp } = options
  if (!openTcp) {
    const overTcp = { ...common, ...tlsOf(servers, options.tls) }
    return { load: loadTcpClient, dial: () => dialTcp(overTcp, credentials) }
  }
  const secure = servers.some((server) => server.secure)
  const open = (address: string) => {
    const { hostname, port } = new URL(address)
    return openTcp(`${hostname}:${port || 80}`, secure)
  }
  // nats.ws needs URLs. `open` takes them apart again.
  const addresses = servers.map(({ address }) => `ws://${address}`)
  return { load, dial: () => dialWebSocket({ ...common, servers: addresses }, credentials, open) }
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
    // Only the scheme: the rest may contain a password.
    throw new SpanwireError(
      'invalid-argument',
      `Not the URL of a NATS server (scheme ${JSON.stringify(scheme)}). Use nats://, tls://, ws:// or wss://host:port.`,
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
    // Like in all NATS clients, a user without a password is a token.
    credentials: pass ? { user, pass } : user ? { token: user } : {},
  }
}

function tlsOf(servers: readonly Server[], tls: TlsOptions | undefined): { tls?: TlsOptions } {
  // With an empty object, a server without TLS is refused.
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
  const client = await loadTcpClient()
  const connection = await client.connect(withCredentials(options, credentials, client))
  return createLink(connection, () => void connection.close().catch(() => {}))
}

async function dialWebSocket(
  options: ConnectionOptions,
  credentials: NatsCredentials,
  open: (address: string) => Pick<WebSocket, 'close'> | NatsSocket,
): Promise<NatsLink> {
  const client = (await loadWebSocketClient()) as unknown as Client
  let socket: ReturnType<typeof open> | undefined
  // Kept for `destroy`: `close` of the client first waits until everything is sent.
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

const loadTcpClient = () =>
  import(/* webpackIgnore: true */ /* turbopackIgnore: true */ 'nats').catch(
    notInstalled('An upstream by nats:// or tls://', 'nats'),
  )
const loadWebSocketClient = () =>
  import(/* webpackIgnore: true */ /* turbopackIgnore: true */ 'nats.ws').catch(
    notInstalled('This upstream', 'nats.ws'),
  )

/** An internal member of both clients' connections. It parses all bytes of the server. */
interface WithParser {
  readonly protocol?: { parser?: { parse(bytes: Uint8Array): void } }
}

/**
 * Puts a {@link MessageReader} in front of the client's parser. The client would create three objects per message and read
 * its line byte by byte. Its `headers` getter throws on names that NATS allows, and loses order and blanks. All other
 * operations (INFO, PING, PONG, errors) go to the client.
 */
function createLink(connection: NatsConnection, destroy: () => void): NatsLink {
  const { protocol } = connection as WithParser
  const parser = protocol?.parser
  if (!protocol || !parser) {
    destroy()
    throw new SpanwireError(
      'unsupported',
      'This version of the NATS client is not supported. Install nats ^2.29 or nats.ws ^1.30.',
    )
  }
  const reader = new MessageReader((lines) => parser.parse(lines))
  protocol.parser = { parse: (bytes) => reader.read(bytes) }
  return {
    connection,
    destroy() {
      reader.clear()
      destroy()
    },
    get received() {
      return reader.received
    },
    subscribe(receiver, queue) {
      const subscription = connection.subscribe(receiver.filter, {
        ...(queue !== undefined && { queue }),
        callback: ignore,
      })
      const sid = subscription.getID()
      reader.add(sid, receiver)
      subscription.closed.then(() => reader.delete(sid))
      return subscription
    },
  }
}

/** The client gets no messages. It reports refused subscriptions by `status` as well. */
function ignore(): void {}

/** Publishes a message with its raw header block: the client only calls `encode` of headers. */
export function sendMessage(connection: NatsConnection, { subject, reply, headers, payload }: UpstreamMessage): void {
  connection.publish(subject, payload, {
    ...(reply !== undefined && { reply }),
    ...(headers && { headers: { encode: () => headers } as unknown as MsgHdrs }),
  })
}
