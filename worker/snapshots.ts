import type { SessionSnapshot } from '../bridge/delivery/session-snapshot.ts'
import type { HibernatableSocket, SyncStore } from './runtime.ts'

/** Attachment of a socket: its session, or the storage key of a session that is too large. */
type Attachment = { readonly session: SessionSnapshot } | { readonly storedAs: string } | { readonly lost: true }

const PREFIX = 'session:'

/**
 * Stores sessions outside of the object's memory: as attachment of the socket (at most 16 KiB), or else in the object's
 * storage (at most 2 MB), which is billed by the row.
 */
export class Snapshots {
  readonly #store: SyncStore
  readonly #keys = new WeakMap<HibernatableSocket, string>()

  constructor(store: SyncStore) {
    this.#store = store
  }

  /** Never throws. A session that can't be stored is lost if the object loses its memory. */
  save(socket: HibernatableSocket, session: SessionSnapshot): void {
    if (attach(socket, { session })) return this.forget(socket)
    const key = this.#keys.get(socket) ?? `${PREFIX}${crypto.randomUUID()}`
    try {
      this.#store.put(key, session)
      if (attach(socket, { storedAs: key })) this.#keys.set(socket, key)
    } catch {
      attach(socket, { lost: true })
    }
  }

  /** The stored session of a socket. Undefined if it was not stored. */
  load(socket: HibernatableSocket): SessionSnapshot | undefined {
    const attachment = socket.deserializeAttachment() as Attachment | null
    if (!attachment) return undefined
    if ('session' in attachment) return attachment.session
    if (!('storedAs' in attachment)) return undefined
    this.#keys.set(socket, attachment.storedAs)
    return this.#store.get(attachment.storedAs) as SessionSnapshot | undefined
  }

  /** Deletes the session of a closed socket from storage. */
  forget(socket: HibernatableSocket): void {
    const key = this.#keys.get(socket)
    if (key === undefined) return
    this.#keys.delete(socket)
    this.#store.delete(key)
  }

  /** Deletes sessions from storage whose sockets closed while the object was not in memory. */
  sweep(sockets: readonly HibernatableSocket[]): void {
    const live = new Set(sockets.map((socket) => this.#keys.get(socket)))
    for (const [key] of [...this.#store.list({ prefix: PREFIX })]) if (!live.has(key)) this.#store.delete(key)
  }
}

function attach(socket: HibernatableSocket, attachment: Attachment): boolean {
  try {
    socket.serializeAttachment(attachment)
    return true
  } catch {
    return false
  }
}
