import type { ConnectOptions } from '../../sdk/wire/client-op.ts'
import type { Identity } from '../auth/identity.ts'
import type { Client, ClientFlags } from '../delivery/client.ts'
import { type ClientName, readClientName } from '../delivery/connection-stats.ts'
import { ReplyGrants } from '../delivery/reply-grants.ts'
import type { SessionSnapshot } from '../delivery/session-snapshot.ts'
import { SubjectScope } from '../delivery/subject-scope.ts'
import { type CloseReason, closeReasons } from './close-reason.ts'
import type { SessionHub } from './session-hub.ts'

const NOBODY: Identity = {
  user: '',
  permissions: { publish: { allow: [], deny: [] }, subscribe: { allow: [], deny: [] } },
}
const DEFAULT_FLAGS: ClientFlags = { verbose: false, pedantic: false, echo: true, headers: false, noResponders: false }

class SessionClient implements Client {
  readonly id: string
  identity: Identity = NOBODY
  scope: SubjectScope
  replies: ReplyGrants
  flags: ClientFlags = DEFAULT_FLAGS

  constructor(id: string, scope: SubjectScope, replies: ReplyGrants) {
    this.id = id
    this.scope = scope
    this.replies = replies
  }
}

/** A new connection. */
export interface ConnectionKeys {
  /** Unique over all hubs. */
  readonly id: string
  /** Secret token of the client's inboxes; see {@link SubjectScope}. */
  readonly inboxKey: string
  /** Token of the upgrade request, for a CONNECT without credentials. */
  readonly token?: string | undefined
}

/** Identity of a client: checks its CONNECTs, and keeps the result. */
export class Credentials {
  readonly #hub: Pick<SessionHub, 'authenticate' | 'clock' | 'nonces' | 'users'>
  readonly #keys: ConnectionKeys
  readonly #client: SessionClient
  #isKnown = false
  #name: ClientName = {}
  #nonce: string | undefined

  constructor(hub: Pick<SessionHub, 'authenticate' | 'clock' | 'nonces' | 'users'>, keys: ConnectionKeys) {
    this.#hub = hub
    this.#keys = keys
    const scope = new SubjectScope(undefined, keys.inboxKey)
    this.#client = new SessionClient(keys.id, scope, new ReplyGrants(scope, undefined, hub.clock))
  }

  /** The client, which changes with each accepted CONNECT. */
  get client(): Client {
    return this.#client
  }

  /** Whether a CONNECT was accepted. */
  get isKnown(): boolean {
    return this.#isKnown
  }

  /** Names in the first CONNECT. */
  get name(): ClientName {
    return this.#name
  }

  /** Nonce of the client's INFO. Undefined if the hub needs none. */
  get nonce(): string | undefined {
    return this.#nonce
  }

  /** Creates the nonce of a new connection. */
  issueNonce(): void {
    if (this.#hub.nonces) this.#nonce = crypto.randomUUID().replaceAll('-', '')
  }

  /** Whether the options of a CONNECT contradict each other. */
  check({ no_responders, headers, protocol = 0 }: ConnectOptions): CloseReason | undefined {
    if (no_responders && !headers) return closeReasons.noRespondersWithoutHeaders
    return protocol === 0 || protocol === 1 ? undefined : closeReasons.clientProtocol
  }

  /** @throws SpanwireError (as rejection) `authentication-failed`, `upstream-unavailable` */
  authenticate({ auth_token, pass, jwt, sig }: ConnectOptions): Promise<Identity> {
    const token = auth_token || pass || (jwt ? undefined : this.#keys.token)
    return this.#hub.authenticate({ token, jwt, sig, nonce: this.#nonce })
  }

  /**
   * Applies an authenticated CONNECT. The first one sets flags and names as well. A later one must be of the same user and
   * prefix: subscriptions are at the broker under the prefix, and limits count by user.
   * @returns why the connection must be closed instead, if so
   */
  accept(identity: Identity, options: ConnectOptions): CloseReason | undefined {
    const before = this.#client.identity
    if (this.#isKnown) {
      const isSame = before.user === identity.user && before.subjectPrefix === identity.subjectPrefix
      if (!isSame) return closeReasons.authorization
      this.#apply(identity)
      return undefined
    }
    this.#apply(identity)
    this.#client.flags = {
      // As in nats-server, where these three are on by default.
      verbose: options.verbose !== false,
      pedantic: options.pedantic !== false,
      echo: options.echo !== false,
      headers: options.headers === true,
      noResponders: options.headers === true && options.no_responders === true,
    }
    this.#name = readClientName(options)
    return this.#hub.users.connect(identity.user) ? undefined : closeReasons.maxUserConnections
  }

  /** Takes over the inboxes of a former connection of the client. */
  adoptInboxes(inboxKey: string): void {
    const { identity } = this.#client
    this.#setScope(identity.subjectPrefix, inboxKey)
    this.#client.replies.permit(identity.permissions.reply)
  }

  /** Continues a session of a lost hub. Returns whether its client was known. */
  restore({ nonce, identity, flags, client = {} }: SessionSnapshot): boolean {
    this.#nonce = nonce
    if (!identity) return false
    this.#client.flags = flags
    this.#name = client
    this.#apply(identity)
    this.#hub.users.connect(identity.user)
    return true
  }

  snapshot(): Pick<SessionSnapshot, 'id' | 'inboxKey' | 'flags' | 'client' | 'nonce' | 'identity'> {
    return {
      id: this.#keys.id,
      inboxKey: this.#client.scope.inboxKey,
      flags: this.#client.flags,
      client: this.#name,
      ...(this.#nonce !== undefined && { nonce: this.#nonce }),
      ...(this.#isKnown && { identity: this.#client.identity }),
    }
  }

  #apply(identity: Identity): void {
    const client = this.#client
    if (!this.#isKnown) this.#setScope(identity.subjectPrefix, this.#keys.inboxKey)
    this.#isKnown = true
    client.identity = identity
    client.replies.permit(identity.permissions.reply)
  }

  #setScope(prefix: string | undefined, inboxKey: string): void {
    this.#client.scope = new SubjectScope(prefix, inboxKey)
    this.#client.replies = new ReplyGrants(this.#client.scope, undefined, this.#hub.clock)
  }
}
