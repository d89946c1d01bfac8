import type { ReplyPermission } from '../auth/permissions.ts'
import type { SubjectScope } from './subject-scope.ts'

/** nats-server's own limit (`replyPermLimit`). A client that never answers must not take unbounded memory. */
const MAX_GRANTS = 4096

const NO_LIMIT: ReplyPermission = { max: -1, ttl: -1 }

interface Grant {
  readonly reply: string
  left: number
  readonly expires: number
}

/**
 * Reply subjects of messages that a client received. Two cases need them: the client may publish to reply subjects only
 * (`resp`), or the reply subject is outside of its subject prefix and needs an alias inside.
 */
export class ReplyGrants {
  readonly #scope: SubjectScope
  #permission: ReplyPermission | undefined
  readonly #clock: () => number
  // Created on first use: most clients receive no requests.
  #alias: string | undefined
  #grants: Map<string, Grant> | undefined
  #aliases = 0
  #memory = 0

  constructor(scope: SubjectScope, permission: ReplyPermission | undefined, clock: () => number) {
    this.#scope = scope
    this.#permission = permission
    this.#clock = clock
  }

  /** The client's permissions have changed. Earlier grants stay. */
  permit(permission: ReplyPermission | undefined): void {
    this.#permission = permission
  }

  /** Approximate memory of the grants, in bytes. */
  get memory(): number {
    return this.#memory
  }

  /** Whether messages with a reply subject must go through {@link grant}. */
  get needed(): boolean {
    return this.#permission !== undefined || this.#scope.prefix !== ''
  }

  /** The client receives a message with this reply subject. Returns the subject that the client sees. */
  grant(reply: string): string {
    const inside = this.#scope.toClient(reply)
    const name = inside ?? this.#newAlias()
    if (inside === undefined || this.#permission) {
      // An alias alone grants nothing. Without `resp` the client needs permission to publish to it, without a limit.
      const { max, ttl } = this.#permission ?? NO_LIMIT
      this.#grants ??= new Map()
      this.#delete(name)
      this.#memory += sizeOf(name, reply)
      this.#grants.set(name, {
        reply,
        left: max < 0 ? Number.POSITIVE_INFINITY : max,
        expires: ttl < 0 ? Number.POSITIVE_INFINITY : this.#clock() + ttl,
      })
      const [oldest] = this.#grants.keys()
      if (this.#grants.size > MAX_GRANTS && oldest !== undefined) this.#delete(oldest)
    }
    return name
  }

  /** Uses one answer to `name`. Returns the broker's reply subject, and whether the client needs no other permission. */
  use(name: string): { readonly reply: string; readonly permitted: boolean } | undefined {
    const grant = this.#grants?.get(name)
    if (!grant) return undefined
    const isExpired = grant.expires < this.#clock()
    if (--grant.left <= 0 || isExpired) this.#delete(name)
    return isExpired ? undefined : { reply: grant.reply, permitted: this.#permission !== undefined }
  }

  #delete(name: string): void {
    const grant = this.#grants?.get(name)
    if (!grant) return
    this.#grants?.delete(name)
    this.#memory -= sizeOf(name, grant.reply)
  }

  #newAlias(): string {
    this.#alias ??= `_INBOX.${crypto.randomUUID().replaceAll('-', '')}`
    return `${this.#alias}.${++this.#aliases}`
  }
}

/** Approximate memory of a grant, in bytes. */
function sizeOf(name: string, reply: string): number {
  return 200 + name.length + reply.length
}
