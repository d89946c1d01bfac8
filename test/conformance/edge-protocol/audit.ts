import type { ConnectOptions } from '../../../sdk/wire/client-op.ts'
import type { RawClient } from './raw-client.ts'

/** Credentials as a CONNECT carries them. */
export type Credentials = Pick<ConnectOptions, 'auth_token' | 'user' | 'pass'>

/** The endpoint under audit. */
export interface AuditTarget {
  /** `ws://…`; of a bridge with its path. */
  readonly url: string
  /** Whether the MUSTs of a bridge alone apply too. */
  readonly isBridge: boolean
  readonly credentials: {
    /** May do everything. */
    readonly full: Credentials
    /** May publish to `ok.>` and subscribe to `ok.>` and `in.*`, but neither to `ok.no`. */
    readonly limited: Credentials
    /** The user of `limited`, with `ok.a` only, both ways. */
    readonly narrowed?: Credentials
    /** May use JetStream's API beside what `limited` may. */
    readonly manager?: Credentials
    /** Another user with the permissions of `limited`. */
    readonly other?: Credentials
    readonly wrong: Credentials
    /** As `full`, until so many seconds from now. */
    expiring?(seconds: number): Promise<Credentials>
  }
  /** Limits as configured. An audit that would wait too long for the one it needs does not apply. */
  readonly limits: {
    /** In ms. */
    readonly connectTimeout: number
    /** In ms. */
    readonly pingInterval: number
    readonly maxSubscriptions: number
    /** In bytes. */
    readonly maxPending?: number
  }
  /** A websocket listener of the broker behind a bridge, to come from the other side. */
  readonly broker?: { readonly url: string; readonly credentials: Credentials }
  /** Takes the broker away and brings it back. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> }
  close(): Promise<void>
}

export interface AuditContext {
  readonly target: AuditTarget
  /** A subject token that no other audit uses. */
  readonly token: string
  /** A socket that has its INFO and has sent nothing. */
  open(): Promise<RawClient>
  /** A client that has sent CONNECT and has its PONG. */
  connect(flags?: ConnectOptions, credentials?: Credentials): Promise<RawClient>
  /** A client of the broker behind the bridge or, without one, of the target itself. */
  elsewhere(): Promise<RawClient>
}

/** One MUST of bridge/PROTOCOL.md. */
export interface Audit {
  /** The id of the MUST. */
  readonly id: string
  /** What is looked at, in a few words. */
  readonly title: string
  /** A plain nats-server doesn't keep this. */
  readonly bridgeOnly?: true
  /** Why this audit can't be made there, if so. */
  readonly needs?: (target: AuditTarget) => string | undefined
  run(context: AuditContext): Promise<void>
}

/** The line of a first CONNECT: quiet, with headers. */
export function connectLine(flags: ConnectOptions, credentials: Credentials): string {
  const options = {
    verbose: false,
    pedantic: false,
    headers: true,
    no_responders: true,
    lang: 'audit',
    version: '1.0.0',
    protocol: 1,
    ...flags,
    ...credentials,
  }
  return `CONNECT ${JSON.stringify(options)}\r\n`
}
