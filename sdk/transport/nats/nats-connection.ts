/**
 * The part that Spanwire uses of a connection of `nats`, `nats.ws`, `@nats-io/nats-core` or `@nats-io/transport-node`:
 * all of them fit, and none is imported.
 */
export interface NatsConnectionLike {
  /** `edge`: only of a bridge. */
  readonly info?: { readonly max_payload: number; readonly edge?: unknown } | undefined
  publish(subject: string, payload: Uint8Array, options?: { reply?: string; headers?: never }): void
  subscribe(
    subject: string,
    options: { queue?: string; callback: (error: Error | null, message: NatsMessageLike) => void },
  ): NatsSubscriptionLike
  request(subject: string, payload: Uint8Array, options: { timeout: number; headers?: never }): Promise<NatsMessageLike>
  flush(): Promise<void>
  close(): Promise<void>
  // biome-ignore lint/suspicious/noConfusingVoidType: as the packages declare it
  closed(): Promise<void | Error>
  isClosed(): boolean
  status(): AsyncIterable<unknown>
}

export interface NatsSubscriptionLike {
  unsubscribe(): void
  drain(): Promise<void>
}

export interface NatsMessageLike {
  readonly subject: string
  readonly reply?: string | undefined
  readonly data: Uint8Array
  readonly headers?: object | undefined
}

/** What the packages say on `status()`: version 2 with `data` and `permissionContext`, version 3 with `error`. */
export interface NatsStatusLike {
  readonly type: string
  readonly data?: unknown
  readonly permissionContext?: { readonly operation: string; readonly subject: string }
  readonly error?: Error & { readonly operation?: string; readonly subject?: string }
}
