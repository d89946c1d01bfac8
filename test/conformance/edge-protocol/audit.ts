import type { ConnectOptions } from '../../../sdk/wire/client-op.ts'
import type { RawClient } from './raw-client.ts'

/** Credentials in a CONNECT. */
export type Credentials = Pick<ConnectOptions, 'auth_token' | 'user' | 'pass'>

/** The audited endpoint. */
export interface AuditTarget {
  /** WebSocket URL. For a bridge, including its path. */
  readonly url: string
  /** Whether rules that are marked _(bridge)_ apply. */
  readonly isBridge: boolean
  /** Version of the nats-server behind a bridge, if it is known. */
  readonly brokerVersion?: string
  readonly credentials: {
    /** All permissions. */
    readonly full: Credentials
    /** May publish to `ok.>` and subscribe to `ok.>` and `in.*`. `ok.no` is denied for both. */
    readonly limited: Credentials
    /** The user of `limited`, with permission for `ok.a` only. */
    readonly narrowed?: Credentials
    /** Permissions of `limited`, and the JetStream API. */
    readonly manager?: Credentials
    /** Another user with the permissions of `limited`. */
    readonly other?: Credentials
    readonly wrong: Credentials
    /** Credentials of `full` that expire in `seconds`. */
    expiring?(seconds: number): Promise<Credentials>
  }
  /** Configured limits. An audit that would take too long with them does not apply. */
  readonly limits: {
    /** In ms. */
    readonly connectTimeout: number
    /** In ms. */
    readonly pingInterval: number
    readonly maxSubscriptions: number
    /** In bytes. */
    readonly maxPending?: number
  }
  /** A second bridge in front of the broker, with the options of `auditedContract`. Its URL as `url`. */
  readonly contract?: { readonly url: string }
  /** A WebSocket listener of the broker behind a bridge. */
  readonly broker?: { readonly url: string; readonly credentials: Credentials }
  /** Stops the broker, and starts it again. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> }
  close(): Promise<void>
}

/** Arguments of an audit. */
export interface AuditContext {
  readonly target: AuditTarget
  /** A subject token that no other audit uses. */
  readonly token: string
  /** Opens a socket that has its INFO and has sent nothing. */
  open(): Promise<RawClient>
  /** Opens a client that has sent CONNECT and has its PONG. */
  connect(flags?: ConnectOptions, credentials?: Credentials): Promise<RawClient>
  /** Opens a client of the bridge that knows the contract. */
  checked(flags?: ConnectOptions): Promise<RawClient>
  /** Opens a client of the broker behind the bridge, or else of the target. */
  elsewhere(): Promise<RawClient>
}

/** Checks one or more rules of bridge/PROTOCOL.md. */
export interface Audit {
  /** Ids of the rules. */
  readonly rules: readonly string[]
  /** Describes the behaviour. */
  readonly title: string
  /** The rules do not apply to a plain nats-server. */
  readonly bridgeOnly?: true
  /** Returns the reason if the audit does not apply to a target. */
  readonly needs?: (target: AuditTarget) => string | undefined
  run(context: AuditContext): Promise<void>
}

/** A first CONNECT: not verbose, not pedantic, with headers. */
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
