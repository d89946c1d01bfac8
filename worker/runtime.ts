import type { ObjectSqlStorage } from '../bridge/broker/jetstream/object-sql.ts'

/**
 * Structural types of the Workers runtime, so that users do not need its ambient types. test/types checks them against
 * `@cloudflare/workers-types`.
 */

/** A WebSocket that stays open when its Durable Object loses its memory. */
export interface HibernatableSocket {
  readonly readyState: number
  /** Undefined if the runtime does not have it. */
  readonly bufferedAmount?: number
  send(bytes: Uint8Array): void
  close(code?: number, reason?: string): void
  /** @throws if the serialized value is larger than 16 KiB */
  serializeAttachment(value: unknown): void
  deserializeAttachment(): unknown
}

/** A WebSocket to a Durable Object. */
export interface UpgradedSocket {
  binaryType: string
  accept(): void
  addEventListener(
    type: 'message' | 'close' | 'error',
    listener: (event: { readonly data?: unknown; readonly reason?: string }) => void,
  ): void
  send(bytes: Uint8Array): void
  close(code?: number, reason?: string): void
}

/** Response to an upgrade request. Without a socket, it is an error. */
export type UpgradedResponse = Response & { readonly webSocket?: UpgradedSocket | null }

/** Synchronous key-value store of a Durable Object. */
export interface SyncStore {
  get(key: string): unknown
  /** @throws if key and value are larger than 2 MB */
  put(key: string, value: unknown): void
  delete(key: string): boolean
  list(options: { prefix: string }): Iterable<[string, unknown]>
}

/** State of a Durable Object: the first argument of its constructor. */
export interface ObjectState {
  /** Storage of the object. */
  readonly storage: ObjectSqlStorage & { readonly kv: SyncStore; setAlarm(time: number): Promise<void> }
  /** Makes a socket hibernatable. */
  acceptWebSocket(socket: HibernatableSocket): void
  /** All hibernatable sockets of the object. */
  getWebSockets(): HibernatableSocket[]
}

/** A binding to the Durable Objects of one class. */
export interface ObjectNamespace {
  /** A stub of the object with this name. The object is created on its first request. */
  getByName(name: string, options?: { locationHint?: LocationHint }): { fetch(request: Request): Promise<Response> }
}

/** Region in which Cloudflare should create an object. */
export type LocationHint = 'wnam' | 'enam' | 'sam' | 'weur' | 'eeur' | 'apac' | 'oc' | 'afr' | 'me'

/** Location of a client, in `request.cf`. */
export interface RequestOrigin {
  readonly continent?: string
  readonly latitude?: string
  readonly longitude?: string
}

export const OPEN = 1

/** A global of workerd. */
declare const WebSocketPair: new () => Record<0 | 1, HibernatableSocket>

/** The location of a client. Undefined outside of Cloudflare. */
export function originOf(request: Request & { readonly cf?: RequestOrigin }): RequestOrigin | undefined {
  return request.cf
}

/** Creates a WebSocket pair: the upgrade response, and the server's end of the socket. */
export function upgradeResponse(): { readonly response: Response; readonly socket: HibernatableSocket } {
  const { 0: client, 1: socket } = new WebSocketPair()
  const init: ResponseInit & { readonly webSocket: HibernatableSocket } = { status: 101, webSocket: client }
  return { response: new Response(null, init), socket }
}

/** A TCP connection. Source: https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/ */
export interface TcpSocket {
  /** Resolves when the connection is open. Rejects if it fails. */
  readonly opened: Promise<unknown>
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly writable: WritableStream<Uint8Array>
  /** Upgrades the connection to TLS. Neither stream may be locked. */
  startTls(): TcpSocket
  close(): Promise<void>
}

/** The module `cloudflare:sockets`. */
export interface SocketsModule {
  connect(address: string, options: { secureTransport: 'starttls'; allowHalfOpen: false }): TcpSocket
}
