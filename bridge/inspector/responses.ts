/** Responses of the monitoring routes, as far as the page reads them; see bridge/PROTOCOL.md. */

/** `/hubz`. */
export interface Hubz {
  /** Names for `?hub=`. Empty if there is one hub. */
  readonly hubs: readonly string[]
  readonly admin: boolean
  readonly tail: boolean
}

/** `/varz`. */
export interface Varz {
  readonly server_id: string
  readonly start: string
  readonly now: string
  readonly connections: number
  readonly total_connections: number
  readonly subscriptions: number
  readonly slow_consumers: number
  readonly edge: {
    readonly upstream: 'open' | 'reconnecting'
    readonly broker: string
    readonly draining: boolean
    readonly upstream_subscriptions: number
    readonly replays: number
    readonly presence_channels: number
    readonly closed: Readonly<Record<string, number>>
  }
}

/** `/ratez`. */
export interface Ratez {
  readonly now: string
  readonly samples: ReadonlyArray<{
    readonly time: number
    readonly connections: number
    readonly subscriptions: number
    readonly inMessages: number
    readonly inBytes: number
    readonly outMessages: number
    readonly outBytes: number
  }>
}

/** An entry of `/connz`. */
export interface Connection {
  readonly id: string
  readonly name?: string
  readonly lang?: string
  readonly version?: string
  readonly ip?: string
  readonly authorized_user?: string
  readonly start: string
  readonly last_activity: string
  readonly pending_bytes: number
  readonly in_msgs: number
  readonly out_msgs: number
  readonly subscriptions: number
  readonly subscriptions_list?: readonly string[]
}

/** `/connz`. */
export interface Connz {
  readonly now: string
  readonly total: number
  readonly connections: readonly Connection[]
}

/** `/subsz`. */
export interface Subsz {
  readonly total: number
  readonly subscriptions_list: ReadonlyArray<{
    readonly subject: string
    readonly queue_name?: string
    readonly clients: number
  }>
}

/** A message of `/tailz`. */
export interface TailMessage {
  readonly seq: number
  readonly time: number
  readonly subject: string
  readonly reply?: string
  readonly headers?: ReadonlyArray<readonly [string, string]>
  readonly size: number
  readonly text?: string
  readonly base64?: string
  readonly cut?: true
}

/** `/tailz`. */
export interface Tailz {
  readonly next: number
  readonly missed: number
  readonly ended: boolean
  readonly messages: readonly TailMessage[]
}

/** `/presencez`. */
export interface Presencez {
  readonly total: number
  readonly channels: ReadonlyArray<{
    readonly name: string
    readonly watchers: number
    readonly num_members: number
    readonly members: ReadonlyArray<{ readonly id: string; readonly user: string }>
  }>
}

/** `/relayz`. Members of a relay are those of `RelayStatus`, and may be missing. */
export interface Relayz {
  readonly processes: ReadonlyArray<{
    readonly process: string
    readonly time: number
    readonly relays: ReadonlyArray<Readonly<Record<string, unknown>>>
  }>
}

/** `/logz`. */
export interface Logz {
  readonly refused: Readonly<Record<string, number>>
  readonly events: ReadonlyArray<{
    readonly seq: number
    readonly time: number
    readonly level: 'info' | 'warn' | 'error'
    readonly code: string
    readonly message: string
    readonly fields: Readonly<Record<string, string | number>>
  }>
}
