/** Most that may be held at once, in bytes. */
export interface MemoryLimits {
  readonly connection: number
  readonly user: number
  readonly hub: number
}

/** The user of all connections that have not authenticated. Together they have the share of one user. */
export const UNIDENTIFIED = '\0unidentified'

/** The limit that would be exceeded. */
export type Shortage = keyof MemoryLimits

/** The holder of the bytes that an account counts. */
export interface AccountOwner {
  /** Bytes that are held now. */
  measure(): number
  /** Releases the bytes. Called at most once, when this account must make room. */
  evict(shortage: Shortage): void
}

/** Memory of one user. */
class Share {
  readonly user: string
  readonly accounts = new Set<Account>()
  bytes = 0

  constructor(user: string) {
    this.user = user
  }
}

/**
 * The memory of a hub for data of clients, such as unfinished input, unsent output and request bodies. It is counted per
 * connection or HTTP request (an {@link Account}), per user, and for the hub.
 *
 * A single user can't fill the hub. Without room, the most expensive account is evicted: it is refused, or closed.
 */
export class Budget {
  readonly #limits: MemoryLimits
  readonly #shares = new Map<string, Share>()
  readonly #reserves: Reserve[] = []
  /** Accounts that have reported more than there is room for. */
  readonly #over = new Set<Account>()
  /** Bytes of all users and caches. */
  bytes = 0

  constructor(limits: MemoryLimits) {
    this.#limits = limits
  }

  /**
   * Opens a reserve for a cache of up to `max` bytes.
   * @param shed drops the cache. Called for a full hub, before an account is evicted
   */
  reserve(max: number, shed: () => void): Reserve {
    const reserve = new Reserve(this, max, shed)
    this.#reserves.push(reserve)
    return reserve
  }

  /** For {@link Reserve}. */
  get isFull(): boolean {
    return this.bytes > this.#limits.hub
  }

  /** Opens an account. Close it with its connection or request. */
  open(user: string, owner: AccountOwner): Account {
    return new Account(this, user, owner)
  }

  /** For {@link Account}. */
  join(account: Account, user: string): Share {
    const share = this.#shares.get(user) ?? new Share(user)
    this.#shares.set(user, share)
    share.accounts.add(account)
    return share
  }

  /** For {@link Account}. */
  leave(account: Account): void {
    const { share } = account
    if (share.accounts.delete(account) && share.accounts.size === 0) this.#shares.delete(share.user)
  }

  /** For {@link Account}: the number of its bytes has changed. */
  change(account: Account, bytes: number): void {
    account.share.bytes += bytes
    this.bytes += bytes
    if (bytes <= 0 || !this.#shortageOf(account, 0)) return
    // Later, because the reporting account may be in the middle of an operation.
    if (this.#over.size === 0) queueMicrotask(() => this.enforce())
    this.#over.add(account)
  }

  /** For {@link Account}: the limit that forbids more. To make room, the most expensive account is evicted, if it is another. */
  findShortage(account: Account, more: number): Shortage | undefined {
    for (;;) {
      const shortage = this.#shortageOf(account, more)
      if (shortage === undefined || shortage === 'connection') return shortage
      if (shortage === 'hub' && this.#shed()) continue
      const payer = shortage === 'user' ? mostExpensive(account.share.accounts) : this.#mostExpensive()
      if (payer?.hasShrunk()) continue
      const isOther = payer && (payer.share !== account.share || payer.bytes > account.bytes + more)
      if (!isOther) return shortage
      payer.evict(shortage)
    }
  }

  #shortageOf({ bytes, share }: Account, more: number): Shortage | undefined {
    const { connection, user, hub } = this.#limits
    if (bytes + more > connection) return 'connection'
    if (share.bytes + more > user) return 'user'
    return this.bytes + more > hub ? 'hub' : undefined
  }

  /** Evicts accounts until all limits hold. It runs after each report. Call it earlier before more bytes arrive. */
  enforce(): void {
    const over = [...this.#over]
    this.#over.clear()
    for (const account of over) {
      account.refresh()
      if (account.bytes > this.#limits.connection) account.evict('connection')
      const { share } = account
      evictWhile(
        () => share.bytes > this.#limits.user,
        () => mostExpensive(share.accounts),
        'user',
      )
    }
    if (this.isFull) this.#shed()
    evictWhile(
      () => this.isFull,
      () => this.#mostExpensive(),
      'hub',
    )
  }

  /** Drops caches. Returns whether that has freed memory. */
  #shed(): boolean {
    const before = this.bytes
    for (const reserve of this.#reserves) reserve.shed()
    return this.bytes < before
  }

  /** The account that is evicted first for a full hub. */
  #mostExpensive(): Account | undefined {
    return mostExpensive(mostExpensive(this.#shares.values())?.accounts ?? [])
  }
}

function evictWhile(isOver: () => boolean, find: () => Account | undefined, shortage: Shortage): void {
  while (isOver()) {
    const account = find()
    if (!account) return
    if (!account.hasShrunk()) account.evict(shortage)
  }
}

/** Memory of a cache, which can be dropped at any time. It counts for the hub, and for no user. */
export class Reserve {
  readonly #budget: Budget
  readonly #max: number
  readonly shed: () => void
  #bytes = 0

  constructor(budget: Budget, max: number, shed: () => void) {
    this.#budget = budget
    this.#max = max
    this.shed = shed
  }

  /** Counts more bytes, or fewer if negative. */
  take(bytes: number): void {
    this.#bytes += bytes
    this.#budget.bytes += bytes
  }

  /** Whether the cache must become smaller. */
  get isOver(): boolean {
    return this.#bytes > this.#max || this.#budget.isFull
  }

  hasRoomFor(bytes: number): boolean {
    return this.#bytes + bytes <= this.#max && !this.#budget.isFull
  }
}

/** Memory of one connection or one HTTP request. */
export class Account {
  readonly #budget: Budget
  readonly #owner: AccountOwner
  /** For {@link Budget}. */
  share: Share
  /** The number of the last report. */
  bytes = 0
  /** Bytes that were granted by {@link take}. */
  #taken = 0
  /** It was closed or evicted, and counts no more bytes. */
  #isOver = false

  constructor(budget: Budget, user: string, owner: AccountOwner) {
    this.#budget = budget
    this.#owner = owner
    this.share = budget.join(this, user)
  }

  /** Reports the bytes that are held now. The budget may evict an account for it later, never within this call. */
  refresh(): void {
    if (!this.#isOver) this.#report(this.#taken + this.#owner.measure())
  }

  /** For {@link Budget}: whether it holds less than it has reported. Clients read. */
  hasShrunk(): boolean {
    const before = this.bytes
    this.refresh()
    return this.bytes < before
  }

  /**
   * Requests room before more bytes are held.
   * @returns the limit that forbids it; undefined if it was granted
   */
  take(bytes: number): Shortage | undefined {
    if (this.#isOver) return 'connection'
    const shortage = this.#budget.findShortage(this, bytes)
    if (shortage) return shortage
    this.#taken += bytes
    this.#report(this.bytes + bytes)
    return undefined
  }

  /** Gives room back that was granted by {@link take}. */
  give(bytes: number): void {
    if (this.#isOver) return
    this.#taken -= bytes
    this.#report(this.bytes - bytes)
  }

  /** From now on counts for this user: its client has authenticated. */
  move(user: string): void {
    if (this.#isOver || user === this.share.user) return
    const { bytes } = this
    this.#report(0)
    this.#budget.leave(this)
    this.share = this.#budget.join(this, user)
    this.#report(bytes)
  }

  /** For {@link Budget}. */
  evict(shortage: Shortage): void {
    this.close()
    this.#owner.evict(shortage)
  }

  /** Ends the account. Idempotent. */
  close(): void {
    if (this.#isOver) return
    this.#report(0)
    this.#isOver = true
    this.#budget.leave(this)
  }

  #report(bytes: number): void {
    const more = bytes - this.bytes
    if (more === 0) return
    this.bytes = bytes
    this.#budget.change(this, more)
  }
}

/** The holder with the most bytes, which is evicted first. Undefined if all have 0. */
export function mostExpensive<Holder extends { readonly bytes: number }>(
  holders: Iterable<Holder>,
): Holder | undefined {
  let most: Holder | undefined
  for (const holder of holders) if (holder.bytes > (most?.bytes ?? 0)) most = holder
  return most
}
