import type { ReplyPermission } from '../auth/permissions.ts'
import type { SubjectScope } from './subject-scope.ts'

/** As many as nats-server keeps (`replyPermLimit`): a client that never answers must not grow without limit. */
const MAX_GRANTS = 4096

const NO_LIMIT: ReplyPermission = { max: -1, ttl: -1 }

interface Grant {
  readonly reply: string
  left: number
  readonly expires: number
}

/**
 * The reply subjects of what a client received, for the two cases in which they need more than the client's
 * permissions: it may publish only to these (`resp`), or they lie outside its subject prefix and need a name inside.
 */
export class ReplyGrants {
  readonly #scope: SubjectScope
  #permission: ReplyPermission | undefined
  readonly #clock: () => number
  // Made when they are needed: most clients are asked nothing.
  #alias: string | undefined
  #grants: Map<string, Grant> | undefined
  #aliases = 0

  constructor(scope: SubjectScope, permission: ReplyPermission | undefined, clock: () => number) {
    this.#scope = scope
    this.#permission = permission
    this.#clock = clock
  }

  /** The client's permissions changed; what it was granted already stays. */
  permit(permission: ReplyPermission | undefined): void {
    this.#permission = permission
  }

  /** Whether there is anything to do for a message with a reply subject. */
  get needed(): boolean {
    return this.#permission !== undefined || this.#scope.prefix !== ''
  }

  /** Notes that the client received a message with this reply subject. Returns the name that the client sees. */
  grant(reply: string): string {
    const inside = this.#scope.toClient(reply)
    const name = inside ?? this.#newAlias()
    if (inside === undefined || this.#permission) {
      // A name that only stands for a subject outside of the prefix grants nothing: the client needs its permission to
      // publish there, and has it as often and long as everybody else.
      const { max, ttl } = this.#permission ?? NO_LIMIT
      this.#grants ??= new Map()
      this.#grants.delete(name)
      this.#grants.set(name, {
        reply,
        left: max < 0 ? Number.POSITIVE_INFINITY : max,
        expires: ttl < 0 ? Number.POSITIVE_INFINITY : this.#clock() + ttl,
      })
      const [oldest] = this.#grants.keys()
      if (this.#grants.size > MAX_GRANTS && oldest !== undefined) this.#grants.delete(oldest)
    }
    return name
  }

  /** Uses up one answer to `name`. Returns the broker's reply subject and whether publishing there needs no further permission. */
  use(name: string): { readonly reply: string; readonly permitted: boolean } | undefined {
    const grant = this.#grants?.get(name)
    if (!grant) return undefined
    const isExpired = grant.expires < this.#clock()
    if (--grant.left <= 0 || isExpired) this.#grants?.delete(name)
    return isExpired ? undefined : { reply: grant.reply, permitted: this.#permission !== undefined }
  }

  #newAlias(): string {
    this.#alias ??= `_INBOX.${crypto.randomUUID().replaceAll('-', '')}`
    return `${this.#alias}.${++this.#aliases}`
  }
}
