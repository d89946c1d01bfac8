import type { ObjectSqlStorage } from '../bridge/broker/jetstream/object-sql.ts'

/**
 * The few parts of the Workers runtime that are used here, by their shape: neither we nor our users need its ambient
 * types for that. test/types holds them against `@cloudflare/workers-types`.
 */

/** A WebSocket that stays when its object's memory goes. */
export interface HibernatableSocket {
  readonly readyState: number
  /** Where the runtime has it. */
  readonly bufferedAmount?: number
  send(bytes: Uint8Array): void
  close(code?: number, reason?: string): void
  /** @throws if the serialized value has more than 16 KiB */
  serializeAttachment(value: unknown): void
  deserializeAttachment(): unknown
}

/** A WebSocket that a request to an object was upgraded to. */
export interface UpgradedSocket {
  binaryType: string
  accept(): void
  addEventListener(type: 'message' | 'close' | 'error', listener: (event: { readonly data?: unknown }) => void): void
  send(bytes: Uint8Array): void
  close(code?: number, reason?: string): void
}

/** The answer to a request for an upgrade; without a socket it says why there is none. */
export type UpgradedResponse = Response & { readonly webSocket?: UpgradedSocket | null }

/** An object's synchronous key-value store (SQLite underneath). */
export interface SyncStore {
  get(key: string): unknown
  /** @throws if key and value have more than 2 MB */
  put(key: string, value: unknown): void
  delete(key: string): boolean
  list(options: { prefix: string }): Iterable<[string, unknown]>
}

/** What a Durable Object is given at its construction. */
export interface ObjectState {
  readonly storage: ObjectSqlStorage & { readonly kv: SyncStore; setAlarm(time: number): Promise<void> }
  acceptWebSocket(socket: HibernatableSocket): void
  getWebSockets(): HibernatableSocket[]
}

/** Durable Objects of one class. */
export interface ObjectNamespace {
  getByName(name: string, options?: { locationHint?: LocationHint }): { fetch(request: Request): Promise<Response> }
}

/** Where Cloudflare is asked to create an object. */
export type LocationHint = 'wnam' | 'enam' | 'sam' | 'weur' | 'eeur' | 'apac' | 'oc' | 'afr' | 'me'

/** What Cloudflare knows of a request's origin. */
export interface RequestOrigin {
  readonly continent?: string
  readonly latitude?: string
  readonly longitude?: string
}

export const OPEN = 1

/** Makes the answer that upgrades a request, and the server's half of the socket. */
export function upgradeResponse(): { readonly response: Response; readonly socket: HibernatableSocket } {
  const { WebSocketPair } = globalThis as unknown as { WebSocketPair: new () => Record<0 | 1, HibernatableSocket> }
  const { 0: client, 1: socket } = new WebSocketPair()
  return { response: new Response(null, { status: 101, webSocket: client } as ResponseInit), socket }
}

/** A TCP connection. Source: https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/ */
export interface TcpSocket {
  /** Rejects if there is no connection. */
  readonly opened: Promise<unknown>
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>
  readonly writable: WritableStream<Uint8Array>
  /** The same connection, encrypted from here on. Neither stream may be locked. */
  startTls(): TcpSocket
  close(): Promise<void>
}

/** The module `cloudflare:sockets`. */
export interface SocketsModule {
  connect(address: string, options: { secureTransport: 'starttls'; allowHalfOpen: false }): TcpSocket
}
