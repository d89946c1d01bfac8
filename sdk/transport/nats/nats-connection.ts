/**
 * The members of a NATS connection that Spanwire uses. Connections of `nats`, `nats.ws`, `@nats-io/nats-core` and
 * `@nats-io/transport-node` have them. None of the packages is imported.
 */
export interface NatsConnectionLike {
  /** INFO of the server. `edge` is set by a bridge. */
  readonly info?: { readonly max_payload: number; readonly api_lvl?: number; readonly edge?: unknown } | undefined
  /** Publishes a message. */
  publish(subject: string, payload: Uint8Array, options?: { reply?: string; headers?: never }): void
  /** Subscribes with a callback. */
  subscribe(
    subject: string,
    options: { queue?: string; callback: (error: Error | null, message: NatsMessageLike) => void },
  ): NatsSubscriptionLike
  /** Sends a request. */
  request(subject: string, payload: Uint8Array, options: { timeout: number; headers?: never }): Promise<NatsMessageLike>
  /** Resolves when the server has processed all messages sent before. */
  flush(): Promise<void>
  /** Closes the connection. */
  close(): Promise<void>
  /** Resolves when the connection was closed, with its error. */
  // biome-ignore lint/suspicious/noConfusingVoidType: as the packages declare it
  closed(): Promise<void | Error>
  /** Whether the connection was closed. */
  isClosed(): boolean
  /** Iterates over the events of the connection. */
  status(): AsyncIterable<unknown>
}

/** The members of a NATS subscription that Spanwire uses. */
export interface NatsSubscriptionLike {
  /** Ends the subscription immediately. */
  unsubscribe(): void
  /** Ends the subscription after the messages that are on their way. */
  drain(): Promise<void>
}

/** The members of a NATS message that Spanwire uses. */
export interface NatsMessageLike {
  /** Subject. */
  readonly subject: string
  /** Reply subject. */
  readonly reply?: string | undefined
  /** Payload. */
  readonly data: Uint8Array
  /** Headers of the client. */
  readonly headers?: object | undefined
}

/** An event of `status()`: version 2 of the clients has `data` and `permissionContext`, version 3 has `error`. */
export interface NatsStatusLike {
  readonly type: string
  readonly data?: unknown
  readonly permissionContext?: { readonly operation: string; readonly subject: string }
  readonly error?: Error & { readonly operation?: string; readonly subject?: string }
}
