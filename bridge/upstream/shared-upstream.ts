import type { EndSubscription, Upstream, UpstreamInfo, UpstreamMessage } from './upstream.ts'

/**
 * Confirms operations of many clients with few round trips. At most one round trip runs at a time. Operations that are
 * registered during a round trip share the next one.
 */
export class FlushBarrier {
  readonly #roundTrip: () => Promise<void>
  #last = 0
  #confirmed = 0
  #running: { readonly upTo: number; readonly done: Promise<void> } | undefined
  #next: Promise<void> | undefined

  constructor(roundTrip: () => Promise<void>) {
    this.#roundTrip = roundTrip
  }

  /** Number of the last operation. */
  get last(): number {
    return this.#last
  }

  /** Returns the number of an operation that was just handed to the broker. */
  register(): number {
    return ++this.#last
  }

  /** Whether the broker has not confirmed `operation`. */
  isPending(operation: number): boolean {
    return operation > this.#confirmed
  }

  /**
   * Resolves once the broker has processed `operation` and all earlier ones, or is unavailable. Returns undefined if it
   * has processed them already. Never rejects.
   */
  confirm(operation: number): Promise<void> | undefined {
    if (operation <= this.#confirmed) return undefined
    if (this.#running && this.#running.upTo >= operation) return this.#running.done
    this.#next ??= (this.#running?.done ?? Promise.resolve()).then(() => this.#start())
    return this.#next
  }

  #start(): Promise<void> {
    const upTo = this.#last
    const done = this.#roundTrip().then(
      () => {
        this.#confirmed = upTo
        this.#running = undefined
      },
      () => {
        this.#running = undefined
      },
    )
    this.#next = undefined
    this.#running = { upTo, done }
    return done
  }
}

/** A subscription at the broker, and the number of its operation. */
export interface SharedSubscription {
  readonly unsubscribe: EndSubscription
  readonly operation: number
}

/**
 * The one upstream of a hub. It numbers publishes and subscriptions, so that each client can wait for its own ones, and
 * reports `open` only once the broker has confirmed all subscriptions.
 */
export class SharedUpstream {
  readonly #upstream: Upstream
  readonly #barrier: FlushBarrier
  readonly #changed: (isOpen: boolean) => void
  readonly #opened = Promise.withResolvers<void>()
  readonly #stopListening: () => void
  #isOpen: boolean

  /** @param changed called when the upstream is lost, and when it is open again */
  constructor(upstream: Upstream, changed: (isOpen: boolean) => void) {
    this.#upstream = upstream
    this.#changed = changed
    this.#barrier = new FlushBarrier(() => upstream.flush())
    this.#isOpen = upstream.state === 'open'
    if (this.#isOpen) this.#opened.resolve()
    this.#stopListening = upstream.onState((state) => this.#stateChanged(state === 'open'))
  }

  /** Whether the broker is connected and has all subscriptions. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Resolves when the upstream is open for the first time. Never rejects. */
  get opened(): Promise<void> {
    return this.#opened.promise
  }

  /** See {@link Upstream.info}. */
  get info(): UpstreamInfo {
    return this.#upstream.info
  }

  /** Largest header block and payload together that the broker takes, in bytes. */
  get maxPayload(): number {
    return this.#upstream.info.maxPayload
  }

  /**
   * Returns the number of the operation, for {@link confirm}.
   * @param user same as in {@link Upstream.publish}
   * @throws SpanwireError as {@link Upstream.publish}
   */
  publish(message: UpstreamMessage, user?: string): number {
    this.#upstream.publish(message, user)
    return this.#barrier.register()
  }

  /** @throws SpanwireError as {@link Upstream.subscribe} */
  subscribe(
    filter: string,
    queue: string | undefined,
    deliver: (message: UpstreamMessage) => void,
  ): SharedSubscription {
    const unsubscribe = this.#upstream.subscribe(filter, queue, deliver)
    return { unsubscribe, operation: this.#barrier.register() }
  }

  /** Registers an operation that needs no call, such as the end of a subscription. */
  register(): number {
    return this.#barrier.register()
  }

  /** Whether the broker is connected and has not confirmed `operation`. */
  isPending(operation: number): boolean {
    return this.#isOpen && this.#barrier.isPending(operation)
  }

  /** Same as {@link FlushBarrier.confirm}. Returns undefined also while the upstream is not open. */
  confirm(operation: number): Promise<void> | undefined {
    return this.#isOpen ? this.#barrier.confirm(operation) : undefined
  }

  /** Same as {@link confirm}, for all operations so far. */
  confirmAll(): Promise<void> | undefined {
    return this.confirm(this.#barrier.last)
  }

  /** Same as {@link Upstream.flush}. */
  flush(): Promise<void> {
    return this.#upstream.flush()
  }

  /** Stops following the upstream, which belongs to the caller. */
  close(): void {
    this.#stopListening()
  }

  async #stateChanged(isOpen: boolean): Promise<void> {
    if (isOpen) {
      const isConfirmed = await this.#upstream.flush().then(
        () => true,
        () => false,
      )
      if (!isConfirmed || this.#upstream.state !== 'open') return
      this.#opened.resolve()
    }
    this.#isOpen = isOpen
    this.#changed(isOpen)
  }
}
